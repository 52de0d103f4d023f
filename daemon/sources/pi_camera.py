"""One camera that libcamera runs, through picamera2: configured, polled, let go.

picamera2's own loops would cost frames: `capture_request` sees only the newest of
several that complete at once. So there is no preview and no thread of ours; the
caller polls `fileno()` and calls `collect`, where `pre_callback` sees every
request. A request is held until it is released: its memory is the camera's.
"""

import gc
from collections import deque
from collections.abc import Mapping
from typing import Any, Self, TypeAlias

import numpy as np

from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame
from imagemp.spec import FrameSpec

from .pi_errors import camera_number, explained, import_picamera2
from .pi_pixels import Buffer, copier
from .pi_settings import (
    Picam,
    PiSettings,
    check_controls,
    configuration,
    first_controls,
    period_of,
    possible_period,
    why_rate,
    why_size,
)

CLOSE = 0.01  # a rate is what was asked for: sensors count in rows

Request: TypeAlias = Any
"""A `picamera2.request.CompletedRequest`."""


class Shot:
    """A frame in the camera's memory, from `collect` until `release`.

    Attributes:
        t_sensor_ns: CLOCK_BOOTTIME, when the first row began to be exposed.
        period_ns: Time from one frame to the next, as the sensor is set.
        exposure_us: 0.0 where the camera does not tell.
        gain: 0.0 where the camera does not tell.
    """

    def __init__(self, request: Request, camera: "PiCamera") -> None:
        metadata: Mapping[str, Any] = request.get_metadata()
        self._request, self._camera = request, camera
        self.t_sensor_ns = int(metadata["SensorTimestamp"])
        period_us = metadata.get("FrameDuration") or camera.period_us
        self.period_ns = round(period_us * 1000)
        self.exposure_us = float(metadata.get("ExposureTime", 0.0))
        self.gain = float(metadata.get("AnalogueGain", 0.0))
        request.acquire()

    def copy(self, frame: Frame) -> None:
        """Fill a frame's planes: one copy, from the camera's memory to the slot."""
        self._camera.copy(self._request, frame)

    def release(self) -> None:
        """Give the memory back to the camera."""
        self._request.release()


class PiCamera:
    """A camera that runs, from `open` until `close`.

    Attributes:
        spec: What its frames look like.
        fps: As far as the controls tell; 0.0 if nobody does.
        notes: What it does differently from what was asked.
        shots: Collected, the oldest first; whoever takes one releases it.
    """

    def __init__(
        self, picam: Picam, asked: PiSettings, spec: FrameSpec, buffer: Buffer
    ) -> None:
        self.spec = spec
        self.notes: list[str] = []
        self.shots: deque[Shot] = deque()
        self._picam = picam
        _, self._copy = copier(asked.format, buffer)
        self._stream = "raw" if asked.format == "raw" else "main"
        self.period_us = self.fps = 0.0

    @classmethod
    def open(cls, asked: PiSettings) -> Self:
        """Take hold of the camera, configure and start it.

        Raises:
            SourceError: It is not there, is taken, or cannot do what is asked.
        """
        picamera2 = import_picamera2()
        number = camera_number(picamera2, asked.camera)
        with explained(f"camera {asked.camera}", asked.buffers_nbytes):
            picam = picamera2.Picamera2(number)
        try:
            with explained(f"camera {asked.camera}", asked.buffers_nbytes):
                return cls._configured(picam, asked)
        except SourceError:
            picam.close()
            raise

    @classmethod
    def _configured(cls, picam: Picam, asked: PiSettings) -> Self:
        made, fps = configuration(picam, asked)
        picam.configure(made)
        got = picam.camera_configuration()["raw" if asked.format == "raw" else "main"]
        if got is None:
            raise SourceError(
                "source.format: raw cannot be had of this camera", "grey, rgb or yuv420"
            )
        width, height = got["size"]
        buffer = Buffer(str(got["format"]), width, height, got["stride"])
        spec, _ = copier(asked.format, buffer)
        camera = cls(picam, asked, spec, buffer)
        if asked.format != "raw" and (width, height) != asked.exact_size:
            camera.notes.append(why_size(asked, (width, height)))
        controls = first_controls(picam, asked, fps)
        camera._begin_with(controls)
        wanted = 1e6 / period_of(controls) if asked.fps else camera.fps
        if abs(camera.fps - wanted) > CLOSE * wanted:
            camera.notes.append(why_rate(wanted, camera.fps))
        picam.pre_callback = camera._completed
        picam.start(show_preview=None)
        return camera

    def fileno(self) -> int:
        """Readable when `collect` has something to do."""
        return int(self._picam.notifyme_r)

    def collect(self) -> None:
        """Put every frame that is complete into `shots`."""
        self._picam.notifymeread.read()
        self._picam.process_requests(self)

    def keep_newest(self) -> None:
        """Let older shots go: they were taken before anybody wanted one."""
        while len(self.shots) > 1:
            self.shots.popleft().release()

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        """Set controls of libcamera from one of the next frames on.

        Raises:
            SourceError: It has no such control, or the value is out of range.
        """
        self.check_controls(controls)
        with explained("controls"):
            self._picam.set_controls(dict(controls))
        self._expect(period_of(controls) or self.period_us)

    def check_controls(self, controls: Mapping[str, Any]) -> None:
        """Raise `SourceError` if they cannot be set."""
        check_controls(self._picam, controls)

    def copy(self, request: Request, frame: Frame) -> None:
        """Fill a frame from a request of this camera."""
        buffer = request.request.buffers[request.stream_map[self._stream]]
        data: AnyArray = np.frombuffer(
            self._picam.allocator.mapped_buffers[buffer], np.uint8
        )
        self._copy(data, frame)

    def close(self) -> None:
        """Stop the camera and let it go. May be called twice."""
        while self.shots:
            self.shots.popleft().release()
        self._picam.pre_callback = None
        self._picam.close()

    def render_request(self, request: Request) -> None:
        """Show nothing: `process_requests` thinks this is a preview."""

    def _begin_with(self, controls: dict[str, Any]) -> None:
        """Set what it starts with, beside what picamera2 does by itself."""
        defaults = self._picam.camera_configuration()["controls"]
        self._picam.set_controls(controls)
        self._expect(period_of(controls) or period_of(defaults))

    def _expect(self, period_us: float) -> None:
        self.period_us = possible_period(self._picam, period_us)
        self.fps = round(1e6 / self.period_us, 3) if self.period_us else 0.0

    def _completed(self, request: Request) -> None:
        self.shots.append(Shot(request, self))


def forget_closed() -> None:
    """Have the memory and descriptors of closed cameras freed, not hours later.

    picamera2's objects refer to each other, and to what a closed camera opens anew.
    """
    gc.collect()
