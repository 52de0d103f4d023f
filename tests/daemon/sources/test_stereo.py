"""Two cameras as one source, on a hand-written picamera2."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from imagemp.config import parse
from imagemp.config.checking import planes_of
from imagemp.daemon.sources.stereo import StereoSource
from imagemp.errors import SourceError
from imagemp.frames import Frame, FrameInfo, FrameLayout, numpy_dtype
from imagemp.spec import FrameSpec
from tests.config.texts import example

from .fake_picamera2 import Picamera2, installed

PERIOD_NS = 33_333_000
LEFT, RIGHT = 11, 222  # what each camera sees


@pytest.fixture(autouse=True)
def fake() -> Iterator[type[Picamera2]]:
    with installed(cameras=2) as found:
        yield found


@pytest.fixture
def wake() -> Iterator[int]:
    ends = os.pipe()
    yield ends[0]
    for fd in ends:
        os.close(fd)


def opened(**settings: Any) -> tuple[StereoSource, FrameSpec]:  # noqa: ANN401
    """Open a source; each camera sees a colour of its own."""
    asked = {"kind": "stereo", "width": 100, "height": 50, "fps": 30.0}
    source = StereoSource({**asked, "format": "grey", **settings})
    spec = source.open()
    for camera, level in zip(Picamera2.opened[-2:], (LEFT, RIGHT), strict=True):
        camera.fill()[:] = level
    return source, spec


def taken(source: StereoSource, spec: FrameSpec) -> Frame:
    """Retrieve what was grabbed."""
    layout = FrameLayout.of(spec)
    memory = np.zeros(layout.nbytes, np.uint8)
    frame = Frame(layout.views(memory), FrameInfo(seq=0, t_sensor_ns=0))
    source.retrieve(frame)
    return frame


def test_each_camera_has_its_half_of_one_plane(wake: int) -> None:
    source, spec = opened()
    for camera in Picamera2.opened:
        camera.give(PERIOD_NS)
    source.grab(wake)
    image = taken(source, spec).image

    assert image.shape == (50, 200)
    assert np.unique(image[:, :100]).tolist() == [LEFT]
    assert np.unique(image[:, 100:]).tolist() == [RIGHT]
    source.close()


def test_or_a_plane_of_its_own(wake: int) -> None:
    source, spec = opened(layout="planes", format="rgb")
    for camera in Picamera2.opened:
        camera.give(PERIOD_NS)
    source.grab(wake)
    frame = taken(source, spec)

    assert [plane.shape for plane in spec.planes] == [(50, 100, 3)] * 2
    assert np.unique(frame["left"]).tolist() == [LEFT]
    assert np.unique(frame["right"]).tolist() == [RIGHT]
    source.close()


def test_which_camera_is_left_is_a_setting() -> None:
    source, _ = opened(cameras=(1, 0))

    assert [camera.number for camera in Picamera2.opened] == [1, 0]
    source.close()


def test_the_example_makes_the_frames_of_processedpirecorders_stereopi(
    fake: type[Picamera2],
) -> None:
    source = StereoSource(parse(example("pair")).pipelines["pair"].source.settings())
    spec = source.open()

    assert spec.planes[0].shape == (144, 384)  # 1280x480 at 0.3: 9 x 16, 12 x 32
    assert (source.fps, source.notes) == (25.0, [])
    assert [camera.number for camera in fake.opened] == [0, 1]
    for camera in fake.opened:
        got = camera.camera_configuration()
        assert got["main"]["size"] == (192, 144)
        assert (got["transform"].hflip, got["transform"].vflip) == (True, False)
        assert got["sensor"]["output_size"] == (1640, 1232)
        assert camera.controls["ScalerCrop"] == (0, 0, 3280, 2464)
    source.close()


@pytest.mark.parametrize("layout", ["side-by-side", "planes"])
@pytest.mark.parametrize("format_", ["grey", "rgb"])
def test_its_frames_are_those_that_config_check_reckons_with(
    layout: str, format_: str
) -> None:
    keys = f'kind = "stereo"\nlayout = "{layout}"\nformat = "{format_}"\n'
    config = parse(f"[pipelines.cam0.source]\n{keys}").pipelines["cam0"].source
    source = StereoSource(config.settings())

    found = [(plane.shape, numpy_dtype(plane.dtype)) for plane in source.open().planes]

    assert found == [(s, numpy_dtype(dtype)) for s, dtype in planes_of(config)]
    source.close()


def test_each_pair_tells_its_skew_and_what_had_no_partner(wake: int) -> None:
    source, _ = opened()
    left, right = Picamera2.opened
    told = []
    for n, (has_left, has_right) in enumerate([(1, 1), (1, 0), (0, 1), (1, 1)], 1):
        if has_left:
            left.give(n * PERIOD_NS)
        if has_right:
            right.give(n * PERIOD_NS + 250_000)
        if has_left and has_right:
            grab = source.grab(wake)
            assert grab is not None
            told.append((grab.missed, *grab.fields.values()))

    assert told == [(0, 250.0, 0, 0), (2, 250.0, 1, 1)]
    source.close()
    for camera in (left, right):
        assert all(request.held == 0 for request in camera.requests)


def test_a_partner_is_within_half_a_period_of_the_rate_asked_for(wake: int) -> None:
    source, _ = opened(fps=60.0)
    left, right = Picamera2.opened
    for camera in (left, right):
        camera.give(PERIOD_NS)
    source.grab(wake)
    left.give(2 * PERIOD_NS, 2 * PERIOD_NS + 16_700_000)
    right.give(2 * PERIOD_NS + 9_000_000, 2 * PERIOD_NS + 25_700_000)

    grab = source.grab(wake)

    assert grab is not None
    assert grab.t_sensor_ns == 2 * PERIOD_NS + 16_700_000
    assert (grab.fields["skew_us"], grab.fields["orphans_left"]) == (-7700.0, 1)
    source.close()


def test_partners_may_be_further_apart_when_the_rate_was_lowered(wake: int) -> None:
    source, _ = opened()
    source.set_controls({"FrameRate": 10.0})
    left, right = Picamera2.opened
    left.give(PERIOD_NS)
    right.give(PERIOD_NS + 40_000_000)

    grab = source.grab(wake)

    assert grab is not None
    assert (grab.fields["skew_us"], source.fps) == (40_000.0, 10.0)
    source.close()


def test_an_order_wakes_it_while_one_camera_is_silent() -> None:
    ends = os.pipe()
    source, _ = opened()
    Picamera2.opened[0].give(PERIOD_NS)
    os.write(ends[1], b"x")

    assert source.grab(ends[0]) is None
    source.close()
    for fd in ends:
        os.close(fd)


def test_sync_makes_the_left_one_the_server(fake: type[Picamera2]) -> None:
    fake.more_controls = {"SyncMode": (0, 2, 0)}
    source, _ = opened(sync=True)

    modes = [camera.controls["SyncMode"] for camera in Picamera2.opened]
    assert modes == [1, 2]
    source.close()


def test_sync_is_refused_where_no_camera_knows_it(fake: type[Picamera2]) -> None:
    with pytest.raises(SourceError, match="SyncMode: this camera has no such control"):
        opened(sync=True)

    assert all(camera.is_closed for camera in fake.opened)


@pytest.mark.parametrize("format_", ["raw", "yuv420"])
def test_formats_that_have_no_halves_are_refused(format_: str) -> None:
    with pytest.raises(SourceError, match="must be grey or rgb"):
        opened(format=format_)


def test_a_second_camera_that_is_not_there_lets_the_first_one_go(
    fake: type[Picamera2],
) -> None:
    fake.there = fake.there[:1]
    source = StereoSource({"kind": "stereo", "fps": 30.0})

    with pytest.raises(SourceError, match="no camera 1"):
        source.open()
    source.close()

    assert all(camera.is_closed for camera in fake.opened)
