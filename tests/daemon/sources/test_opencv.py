"""Tests of the OpenCV source: a real stream, and a camera made by hand."""

import functools
import os
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imagemp.daemon.sources.base import BadFrameError
from imagemp.daemon.sources.file import FileSource
from imagemp.daemon.sources.opencv import OpencvSource
from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame
from tests.clips import clip
from tests.daemon.mjpeg import NetworkCamera, read_number
from tests.daemon.sources.stage import QUIET, grabs, images, slot, write_video

BGR = np.full((48, 64, 3), (1, 2, 3), np.uint8)


class Camera:
    """Stands for a cv2.VideoCapture: a stubborn USB camera."""

    def __init__(self, image: AnyArray = BGR, frames: int = 1000) -> None:
        self.image = image
        self.left = frames
        self.rules: dict[int, float] = {}
        self.given: dict[int, float] = {}
        self.released = 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, what: int, value: float) -> bool:
        self.given[what] = value
        return True

    def get(self, what: int) -> float:
        return self.rules.get(what, self.given.get(what, 0.0))

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self, _image: object = None) -> tuple[bool, AnyArray]:
        return self.image.size > 0, self.image

    def release(self) -> None:
        self.released += 1


class CameraSource(OpencvSource):
    """An OpenCV source with that camera."""

    def __init__(self, camera: Camera, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(settings)
        self.camera = camera

    def connect(self, _device: int | str) -> Any:  # noqa: ANN401
        return self.camera


class Silent(SimpleHTTPRequestHandler):
    """Serves files without a word on stderr."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def stream() -> AnyArray:
    """Give the first frames of a clip."""
    source = FileSource({"path": str(clip("carphone_pristine.mp4")), "fps": 0})
    return np.array(images(source, 20))


@pytest.fixture(scope="module")
def url(stream: AnyArray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of these frames on a server of our own."""
    path = tmp_path_factory.mktemp("stream") / "stream.mkv"
    write_video(path, stream)
    handler = functools.partial(Silent, directory=str(path.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{path.name}"
        server.shutdown()


def test_a_stream_comes_by_its_url(url: str, stream: AnyArray) -> None:
    source = OpencvSource({"device": url})

    taken = images(source, 19)

    assert source.fps == 20
    assert np.array_equal(taken, stream[1:])  # open looked at the first one


def test_a_stream_that_ends_is_an_error_with_its_frame(url: str) -> None:
    source = OpencvSource({"device": url})
    source.open()

    grabs(source, 19)

    with pytest.raises(SourceError, match="mkv: stopped after 19 frames"):
        source.grab(QUIET)


def test_a_server_that_is_not_there_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:9/x: no stream"):
        OpencvSource({"device": "http://127.0.0.1:9/x"}).open()

    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("device", [250, "/dev/video250"])
def test_a_camera_that_is_not_there_is_named(
    device: int | str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceError, match=r"/dev/video250: no such device; there") as e:
        OpencvSource({"device": device}).open()

    assert "group video" in e.value.hint
    assert capfd.readouterr().err == ""


def test_a_device_that_is_no_camera_is_named() -> None:
    with pytest.raises(SourceError, match="/dev/null: is not a camera"):
        OpencvSource({"device": "/dev/null"}).open()


def test_a_device_that_may_not_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "video0").touch(0)
    if os.access(tmp_path / "video0", os.R_OK):
        pytest.skip("this user may read everything")

    with pytest.raises(SourceError, match="video0: not allowed") as caught:
        OpencvSource({"device": str(tmp_path / "video0")}).open()

    assert "group video" in caught.value.hint


def test_frames_are_rgb_and_stamped_by_the_clock_since_boot() -> None:
    source = CameraSource(Camera())
    frame = slot(source.open())

    before = source.clock.now()
    (grab,) = grabs(source, 1)
    source.retrieve(frame)

    assert np.array_equal(frame.image, BGR[..., ::-1])
    assert before <= grab.t_sensor_ns <= source.clock.now()


def test_a_grey_camera_stays_grey() -> None:
    source = CameraSource(Camera(BGR[..., 0]))

    assert source.open().planes[0].shape == (48, 64)


def test_every_setting_reaches_the_camera() -> None:
    camera = Camera()
    asked = {"width": 64, "height": 48, "fps": 60, "fourcc": "MJPG", "exposure": 50}
    source = CameraSource(camera, **asked)

    source.open()

    assert next(iter(camera.given)) == cv2.CAP_PROP_FOURCC
    assert camera.given == {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        cv2.CAP_PROP_FRAME_WIDTH: 64,
        cv2.CAP_PROP_FRAME_HEIGHT: 48,
        cv2.CAP_PROP_FPS: 60,
        cv2.CAP_PROP_AUTO_EXPOSURE: 1,
        cv2.CAP_PROP_EXPOSURE: 50,
    }
    assert source.notes == []
    assert grabs(source, 1)[0].exposure_us == 5000


def test_a_camera_is_left_as_it_is_if_nothing_is_asked() -> None:
    camera = Camera()

    CameraSource(camera, fps=0).open()

    assert camera.given == {}


def test_what_the_driver_really_gave_is_noted() -> None:
    camera = Camera()
    camera.rules = {cv2.CAP_PROP_FPS: 30.0}
    source = CameraSource(camera, width=1920, height=48, fps=60)

    source.open()

    assert source.fps == 30
    assert source.notes == [
        "0: width is 64, asked for 1920",
        "0: fps is 30.0, asked for 60.0",
    ]


def test_a_camera_that_is_unplugged_is_an_error() -> None:
    source = CameraSource(Camera(frames=4))
    source.open()
    grabs(source, 3)

    with pytest.raises(SourceError, match="0: stopped after 3 frames") as caught:
        source.grab(QUIET)

    assert "unplugged" in caught.value.hint


def test_a_camera_that_gives_nothing_is_an_error() -> None:
    with pytest.raises(SourceError, match="opens but gives no frame"):
        CameraSource(Camera(frames=0)).open()


def test_a_frame_that_cannot_be_decoded_is_named() -> None:
    camera = Camera()
    source = CameraSource(camera)
    frame = slot(source.open())
    grabs(source, 7)

    camera.image = BGR[:0]

    with pytest.raises(SourceError, match="frame 6 cannot be decoded"):
        source.retrieve(frame)


def test_a_camera_has_failed_when_ten_frames_in_a_row_are_damaged() -> None:
    camera = Camera()
    source = CameraSource(camera)
    frame = slot(source.open())
    raised: list[type[SourceError]] = []
    for image in [BGR[:0]] * 9 + [BGR] + [BGR[:0]] * 10:
        camera.image = image
        grabs(source, 1)
        try:
            source.retrieve(frame)
        except SourceError as error:
            raised.append(type(error))

    assert raised == [BadFrameError] * 18 + [SourceError]


def test_a_stream_that_changes_its_size_is_an_error() -> None:
    camera = Camera()
    source = CameraSource(camera)
    frame = slot(source.open())
    grabs(source, 1)

    camera.image = BGR[:20]

    with pytest.raises(SourceError, match=r"frame 0 is \(20, 64, 3\)"):
        source.retrieve(frame)


def test_close_may_come_twice_and_first() -> None:
    camera = Camera()
    source = CameraSource(camera)

    source.close()
    source.open()
    source.close()
    source.close()

    assert camera.released == 1


@pytest.mark.parametrize(
    ("age_ms", "is_told"), [(250, True), (-50, False), (1e7, False)]
)
def test_a_frame_is_as_old_as_the_driver_says_if_that_can_be(
    age_ms: float, is_told: bool
) -> None:
    camera = Camera()
    source = CameraSource(camera)
    source.open()
    before = source.clock.now()
    camera.rules = {cv2.CAP_PROP_POS_MSEC: time.monotonic_ns() / 1e6 - age_ms}

    (grab,) = grabs(source, 1)

    taken = grab.t_sensor_ns + (250_000_000 if is_told else 0)
    assert before - 50_000_000 < taken < source.clock.now()


def test_a_stream_has_the_rate_that_it_is_said_to_have() -> None:
    with NetworkCamera() as camera:
        told = OpencvSource({"device": camera.url, "fps": 50})
        untold = OpencvSource({"device": camera.url})
        told.open()
        told.close()
        untold.open()
        untold.close()

    assert (told.fps, told.notes) == (50, [])
    assert untold.fps == 25  # what FFmpeg says where it does not know


def test_a_stream_that_is_cut_off_and_comes_back_can_be_opened_again() -> None:
    with NetworkCamera() as camera:
        source = OpencvSource({"device": camera.url})
        frame = slot(source.open())
        before = [number_of(source, frame) for _ in range(5)]
        camera.unplug()
        with pytest.raises(SourceError, match="stopped after"):
            grabs(source, 1000)
        source.close()
        with pytest.raises(SourceError, match="no stream there"):
            source.open()
        camera.plug_in()
        source.open()
        after = [number_of(source, frame) for _ in range(5)]
        source.close()

    assert before == list(range(before[0], before[0] + 5))
    assert after == list(range(after[0], after[0] + 5))
    assert after[0] > before[-1]


def number_of(source: OpencvSource, frame: Frame) -> int:
    """Take the next frame and read its number."""
    grabs(source, 1)
    source.retrieve(frame)
    return read_number(frame.image)
