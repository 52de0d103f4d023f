"""A picamera2 for machines without one: what imagemp calls of it, and no more.

Frames come when a test says so. A test in a real Debian compares the signatures with
those of the real package. Not shown by it: what a sensor does with a control, how long
anything takes, and anything about its images.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

MODES = [
    {"size": (640, 480), "bit_depth": 10, "unpacked": "SRGGB10", "fps": 206.65},
    {"size": (1640, 1232), "bit_depth": 10, "unpacked": "SRGGB10", "fps": 41.85},
    {"size": (3280, 2464), "bit_depth": 10, "unpacked": "SRGGB10", "fps": 21.19},
]
VAGUE = {  # limits that nobody's sensor has: what is told before `configure`
    "ExposureTime": (0, 66666, 20000),
    "AnalogueGain": (1.0, 16.0, 1.0),
    "FrameDurationLimits": (33333, 120000, 33333),
    "ScalerCrop": ((0, 0, 0, 0), (65535, 65535, 65535, 65535), (0, 0, 0, 0)),
}
DEFAULTS = {"NoiseReductionMode": 1, "FrameDurationLimits": (33333, 33333)}
CONTROLS = {
    "NoiseReductionMode": (0, 4, 0),
    "ColourGains": (0.0, 32.0, None),
    "ExposureTime": (75, 11766829, 20000),
    "AnalogueGain": (1.0, 10.67, 1.0),
    "FrameDurationLimits": (4839, 11767556, 33333),
    "ScalerCrop": ((0, 0, 64, 64), (0, 0, 3280, 2464), (0, 0, 3280, 2464)),
}
ALIGN = 64  # rows are padded to it, as on a Pi
DEPTHS = {"YUV420": 1.5, "NV12": 1.5, "BGR888": 3, "XBGR8888": 4, "SRGGB10": 2}


class Transform:
    """libcamera's."""

    def __init__(self, hflip: bool = False, vflip: bool = False) -> None:
        self.hflip, self.vflip = hflip, vflip


class Buffers:
    """The part of picamera2's allocator that is used."""

    def __init__(self) -> None:
        self.mapped_buffers: dict[Any, memoryview] = {}


class Inner:
    """libcamera's own request."""

    def __init__(self, buffers: dict[str, str]) -> None:
        self.buffers = buffers


class Request:
    """A completed request, held by as many as have acquired it."""

    def __init__(self, picam: "Picamera2", metadata: dict[str, Any]) -> None:
        self._metadata = metadata
        self.held = 1
        self.stream_map = {"main": "main", "raw": "raw"}
        self.request = Inner({"main": "main", "raw": "raw"})
        picam.requests.append(self)

    def get_metadata(self) -> dict[str, Any]:
        return self._metadata

    def acquire(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1
        assert self.held >= 0


class Picamera2:
    """One camera; `give` is the test's way to make frames.

    Attributes:
        there: What cameras the machine has.
        opened: All that were made, the newest last.
        gives: A format that the camera gives whatever is asked; "": as asked.
        fails: What `configure` raises.
    """

    there: list[dict[str, Any]] = []  # noqa: RUF012 - a test sets it
    opened: list["Picamera2"] = []  # noqa: RUF012 - a test sets it
    gives = ""
    is_busy = False
    fails: Exception | None = None
    more_controls: dict[str, Any] = {}  # noqa: RUF012 - a test sets it

    def __init__(self, camera_num: int = 0) -> None:
        if self.is_busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.number = camera_num
        self.camera_controls = CONTROLS | VAGUE | self.more_controls
        self.sensor_modes = MODES
        self.allocator = Buffers()
        self.pre_callback: Callable[[Request], None] | None = None
        self.requests: list[Request] = []
        self.controls: dict[str, Any] = {}
        self.is_started = self.is_closed = False
        self.notifyme_r, self._notify = os.pipe()
        self.notifymeread = self
        self._config: dict[str, Any] = {}
        self._complete: list[Request] = []
        self.opened.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return Picamera2.there

    def create_video_configuration(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        controls = DEFAULTS | asked.pop("controls", {})
        return {"raw": None, "controls": controls, **asked}

    def configure(self, camera_config: dict[str, Any]) -> None:
        if self.fails is not None:
            raise self.fails
        self._config = dict(camera_config)
        self.controls = dict(camera_config["controls"])
        self.camera_controls = CONTROLS | self.more_controls
        for name in ("main", "raw"):
            if (stream := camera_config[name]) is not None:
                self._config[name] = self._padded(stream)
                size = self._config[name]["framesize"]
                self.allocator.mapped_buffers[name] = memoryview(bytearray(size))

    def _padded(self, stream: dict[str, Any]) -> dict[str, Any]:
        name, (width, height) = self.gives or stream["format"], stream["size"]
        row = int(width * (1 if DEPTHS[name] == 1.5 else DEPTHS[name]))
        stride = -(-row // ALIGN) * ALIGN
        rows = height * 3 // 2 if DEPTHS[name] == 1.5 else height
        more = {"stride": stride, "framesize": stride * rows, "format": name}
        return {**stream, **more}

    def camera_configuration(self) -> dict[str, Any]:
        return self._config

    def start(self, config: Any = None, show_preview: Any = False) -> None:  # noqa: ANN401
        assert show_preview is None, "no thread of picamera2's"
        self.is_started = True

    def read(self) -> bytes:
        return os.read(self.notifyme_r, 4096)

    def process_requests(self, display: Any) -> None:  # noqa: ANN401
        complete, self._complete = self._complete, []
        for request in complete:
            if self.pre_callback is not None:
                self.pre_callback(request)
            display.render_request(request)
            request.release()

    def set_controls(self, controls: dict[str, Any]) -> None:
        self.controls |= controls

    def close(self) -> None:
        if not self.is_closed:
            os.close(self.notifyme_r)
            os.close(self._notify)
        self.is_closed = True

    def give(self, *times_ns: int, period_us: int = 33333, **metadata: Any) -> None:  # noqa: ANN401
        """Complete a request for each of these sensor times, all at once."""
        for t_ns in times_ns:
            told = {"SensorTimestamp": t_ns, "FrameDuration": period_us, **metadata}
            self._complete.append(Request(self, told))
        os.write(self._notify, b"\0")

    def fill(self, stream: str = "main") -> np.ndarray[Any, Any]:
        """Give the bytes of a stream's buffer, to be written."""
        return np.frombuffer(self.allocator.mapped_buffers[stream], np.uint8)


@contextmanager
def installed(cameras: int = 1) -> Iterator[type[Picamera2]]:
    """Let `import picamera2` find this one."""
    Picamera2.there = [
        {"Num": cameras - 1 - n, "Model": "imx219", "Id": f"/base/i2c@{n}"}
        for n in range(cameras)  # libcamera counts them in an order of its own
    ]
    Picamera2.opened = []
    Picamera2.gives, Picamera2.is_busy, Picamera2.more_controls = "", False, {}
    Picamera2.fails = None
    modules = {
        "picamera2": ModuleType("picamera2"),
        "libcamera": ModuleType("libcamera"),
    }
    modules["picamera2"].__dict__["Picamera2"] = Picamera2
    modules["libcamera"].__dict__["Transform"] = Transform
    with mock.patch.dict("sys.modules", modules):
        yield Picamera2
