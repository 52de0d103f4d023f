"""A camera or a stream that OpenCV opens: USB cameras, rtsp:// and http:// URLs.

Frames in the ring are RGB; what the driver gives in grey stays grey.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame, plain_dtype
from imagemp.spec import FrameSpec

from .base import BadFrameError, Grab, Source
from .colour import copy_as_rgb
from .pace import MS_NS, SECOND_NS, Clock
from .quiet import quiet_opencv
from .settings import Count, Rate, read_settings

STREAM_TIMEOUT_MS = 10_000  # FFmpeg's own is 30 s
OLDEST_NS = 10 * SECOND_NS  # a stamp of before is of another clock
GROUP = "the daemon's user must be in group video"
MOST_BAD = 10  # frames in a row that cannot be decoded, and it has failed
V4L2_MANUAL = 1  # V4L2_EXPOSURE_MANUAL
V4L2_EXPOSURE_US = 100  # the unit of V4L2_CID_EXPOSURE_ABSOLUTE


class OpencvSettings(Struct, frozen=True):
    """Which camera, and what is asked of it; None leaves it as it is.

    Attributes:
        device: A number, a path (/dev/video0, /dev/v4l/by-id/...) or a URL.
        fourcc: How the camera sends its pixels, `MJPG` or `YUYV`.
        fps: 0 as None: whatever the camera does. A stream is not asked: it is what
            it has, for one that does not say so itself, as MJPEG over HTTP.
        exposure: In the driver's unit, 100 us for USB cameras.
    """

    device: int | str = 0
    fourcc: Annotated[str, Meta(min_length=4, max_length=4)] | None = None
    width: Count | None = None
    height: Count | None = None
    fps: Rate | None = None
    exposure: float | None = None


class OpencvSource(Source):
    """Stamps each frame as the driver does, or when OpenCV hands it over.

    It knows of no missed ones. Its `grab` blocks in C, without the GIL, and does
    not look at `wake`.
    """

    interruptible = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.clock = Clock()
        self.device: int | str = 0
        self.capture: Any = None
        self.image: AnyArray | None = None
        self.shape: tuple[int, ...] = ()
        self.exposure_us = 0.0
        self.grabbed = self.bad = 0

    def open(self) -> FrameSpec:
        asked = read_settings(OpencvSettings, self.settings)
        self.device, self.grabbed, self.bad = asked.device, 0, 0
        quiet_opencv()
        self.capture = self.connect(asked.device)
        if not self.capture.isOpened():
            raise SourceError(*why_closed(asked.device))
        self.ask(asked)
        first = self.first_image()
        self.shape = first.shape
        self.compare(asked, first)
        return FrameSpec.image(first.shape, plain_dtype(first.dtype))

    def grab(self, wake: int) -> Grab | None:  # noqa: ARG002 - blocks in C
        if self.capture is None or not self.capture.grab():
            raise SourceError(
                f"{self.device}: stopped after {self.grabbed} frames",
                "unplugged, or the stream has ended",
            )
        self.grabbed += 1
        return Grab(self.stamp(), exposure_us=self.exposure_us)

    def stamp(self) -> int:
        """When the frame was taken: the driver's time, if that can be.

        What waited in its buffers is older than the grab that fetches it.
        """
        import cv2

        now = self.clock.now()
        if is_url(self.device):
            return now  # there it is the time within the stream
        driver_ns = round(self.capture.get(cv2.CAP_PROP_POS_MSEC) * MS_NS)
        age_ns = time.monotonic_ns() - driver_ns
        return now - age_ns if 0 <= age_ns < OLDEST_NS else now

    def retrieve(self, frame: Frame) -> None:
        image = self.decoded()
        if image.shape != self.shape:
            raise SourceError(
                f"{self.device}: frame {self.grabbed - 1} is {image.shape}, "
                f"expected {self.shape} as at the start"
            )
        copy_as_rgb(image, frame.image)

    def close(self) -> None:
        if self.capture is not None:
            self.capture.release()
        self.capture = None

    def connect(self, device: int | str) -> Any:  # noqa: ANN401 - cv2 comes late
        """Give a cv2.VideoCapture, or what can stand for one."""
        import cv2

        if is_url(device):
            timeouts = [
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT_MS),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT_MS),
            ]
            return cv2.VideoCapture(str(device), cv2.CAP_FFMPEG, timeouts)
        return cv2.VideoCapture(device, cv2.CAP_V4L2)

    def ask(self, asked: OpencvSettings) -> None:
        """Ask the camera for what the settings say; fourcc decides the rest."""
        import cv2

        if asked.fourcc is not None:
            code = cv2.VideoWriter.fourcc(*asked.fourcc)
            self.capture.set(cv2.CAP_PROP_FOURCC, code)
        for name, property_ in numbers():
            if getattr(asked, name):
                self.capture.set(property_, getattr(asked, name))
        if asked.exposure is not None:
            self.capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, V4L2_MANUAL)
            self.capture.set(cv2.CAP_PROP_EXPOSURE, asked.exposure)

    def first_image(self) -> AnyArray:
        """Take a frame, to know what they look like."""
        if not self.capture.grab():
            raise SourceError(
                f"{self.device}: opens but gives no frame",
                "another program may have it, or the size and fourcc do not go "
                "together: v4l2-ctl --list-formats-ext",
            )
        return self.decoded()

    def compare(self, asked: OpencvSettings, first: AnyArray) -> None:
        """Note what the camera does differently from what was asked."""
        import cv2

        got: dict[str, Any] = {n: self.capture.get(p) for n, p in numbers()}
        got |= {"height": first.shape[0], "width": first.shape[1]}
        code = int(self.capture.get(cv2.CAP_PROP_FOURCC))
        got["fourcc"] = code.to_bytes(4, "little", signed=True).decode("latin-1")
        got["exposure"] = self.capture.get(cv2.CAP_PROP_EXPOSURE)
        if is_url(asked.device) and asked.fps:
            got["fps"] = asked.fps  # FFmpeg says 25 where it does not know
        self.fps = max(0.0, got["fps"])
        if asked.exposure is not None and got["exposure"] > 0:
            self.exposure_us = got["exposure"] * V4L2_EXPOSURE_US
        wanted = {name: getattr(asked, name) for name in got}
        self.notes = [
            f"{self.device}: {name} is {got[name]}, asked for {value}"
            for name, value in wanted.items()
            if value and value != got[name]
        ]

    def decoded(self) -> AnyArray:
        """Give what was grabbed last, in OpenCV's order of colours."""
        is_there, image = self.capture.retrieve(self.image)
        if not is_there:
            self.bad += 1
            raise (BadFrameError if self.bad < MOST_BAD else SourceError)(
                f"{self.device}: frame {self.grabbed - 1} cannot be decoded",
                "a bad cable or hub: try another, or a smaller size",
            )
        self.bad = 0
        self.image = np.asarray(image)
        return self.image


def numbers() -> tuple[tuple[str, int], ...]:
    """Give OpenCV's property for each setting that is a number."""
    import cv2

    return (
        ("width", cv2.CAP_PROP_FRAME_WIDTH),
        ("height", cv2.CAP_PROP_FRAME_HEIGHT),
        ("fps", cv2.CAP_PROP_FPS),
    )


def is_url(device: int | str) -> bool:
    """Tell a stream from a camera of this machine."""
    return isinstance(device, str) and "://" in device


def why_closed(device: int | str) -> tuple[str, str]:
    """Say why a device could not be opened, and what helps."""
    if is_url(device):
        return f"{device}: no stream there", "does the server answer, is the path right"
    path = Path(f"/dev/video{device}" if isinstance(device, int) else device)
    cameras = sorted(str(found) for found in Path("/dev").glob("video*"))
    there = f"there are {' '.join(cameras)}" if cameras else "there is no /dev/video*"
    if not path.exists():
        return f"{path}: no such device; {there}", f"is it plugged in? {GROUP}"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path}: not allowed; {there}", GROUP
    return (
        f"{path}: is not a camera, or busy; {there}",
        f"see what it is by v4l2-ctl --list-devices, who has it by fuser; {GROUP}",
    )
