"""The list of cameras, on a hand-written picamera2."""

from collections.abc import Iterator

import pytest

from imagemp.daemon.sources.pi_list import list_cameras
from imagemp.errors import SourceError

from .fake_picamera2 import Picamera2, installed


@pytest.fixture
def fake() -> Iterator[type[Picamera2]]:
    with installed(cameras=2) as found:
        yield found


def test_each_camera_is_told_with_its_modes_the_largest_first(
    fake: type[Picamera2],
) -> None:
    first, second = list_cameras()

    assert (first["number"], first["model"], first["id"]) == (
        0,
        "imx219",
        "/base/i2c@0",
    )
    assert (second["number"], second["id"]) == (1, "/base/i2c@1")
    assert first["problem"] == ""
    assert first["modes"] == [
        {"width": 3280, "height": 2464, "bits": 10, "fps": 21.19},
        {"width": 1640, "height": 1232, "bits": 10, "fps": 41.85},
        {"width": 640, "height": 480, "bits": 10, "fps": 206.65},
    ]
    assert [camera.is_closed for camera in fake.opened] == [True, True]


def test_a_camera_that_is_taken_is_listed_with_the_reason(
    fake: type[Picamera2],
) -> None:
    fake.is_busy = True

    first, _ = list_cameras()

    assert first["modes"] == []
    assert "camera 0: Camera __init__ sequence did not complete" in first["problem"]


def test_no_camera_is_told_with_what_to_look_at(fake: type[Picamera2]) -> None:
    fake.there = []

    with pytest.raises(SourceError, match="there is no camera") as raised:
        list_cameras()

    assert "dtoverlay" in raised.value.hint or "group video" in raised.value.hint
