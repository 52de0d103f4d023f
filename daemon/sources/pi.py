"""A camera of the Raspberry Pi, or any that libcamera runs: kind `picamera2`."""

import select
from collections.abc import Mapping
from typing import Any, ClassVar

from imagemp.frames import Frame
from imagemp.spec import FrameSpec

from .base import Grab, Source
from .pi_camera import PiCamera, Shot, forget_closed
from .pi_settings import PiSettings
from .settings import read_settings


class PiSource(Source):
    """Gives every frame that the camera completes, stamped by the sensor's clock."""

    scales_itself: ClassVar[bool] = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._camera: PiCamera | None = None
        self._shot: Shot | None = None
        self._t_last_ns = 0

    def open(self) -> FrameSpec:
        asked = read_settings(PiSettings, self.settings)
        self._camera = PiCamera.open(asked)
        self.fps, self.notes = self._camera.fps, self._camera.notes
        return self._camera.spec

    def grab(self, wake: int) -> Grab | None:
        assert self._camera is not None
        self._let_go()
        while not self._camera.shots:
            if not wait_for(self._camera, wake):
                return None
            self._camera.collect()
            if not self._t_last_ns:
                self._camera.keep_newest()
        self._shot = shot = self._camera.shots.popleft()
        missed = missed_between(self._t_last_ns, shot)
        self._t_last_ns = shot.t_sensor_ns
        return Grab(shot.t_sensor_ns, missed, shot.exposure_us, shot.gain)

    def retrieve(self, frame: Frame) -> None:
        assert self._shot is not None
        self._shot.copy(frame)
        self._let_go()  # at once: the camera has few buffers

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        assert self._camera is not None
        self._camera.set_controls(controls)
        self.fps = self._camera.fps

    def close(self) -> None:
        self._let_go()
        if self._camera is not None:
            self._camera.close()
            self._camera = None
            forget_closed()

    def _let_go(self) -> None:
        if self._shot is not None:
            self._shot.release()
        self._shot = None


def wait_for(camera: PiCamera, wake: int) -> bool:
    """Sleep until the camera has something; False if `wake` is readable."""
    poll = select.poll()
    poll.register(camera.fileno(), select.POLLIN)
    poll.register(wake, select.POLLIN)
    return all(fd != wake for fd, _ in poll.poll())


def missed_between(t_last_ns: int, shot: Shot) -> int:
    """Give how many frames the sensor made and nobody saw, by its clock.

    libcamera's own count of frames does not show them (picamera2 #1201).
    """
    if not t_last_ns or not shot.period_ns:
        return 0
    return max(0, round((shot.t_sensor_ns - t_last_ns) / shot.period_ns) - 1)
