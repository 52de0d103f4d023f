"""Two cameras that libcamera runs as one source: kind `stereo`.

libcamera has no stereo mode: two cameras run side by side, in step only where their
driver can (`sync`), and frames are paired by the sensors' clock. How far the two of
a pair are apart stands in the field `skew_us`, right minus left.
"""

import select
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from imagemp.errors import SourceError
from imagemp.frames import Frame
from imagemp.spec import Field, FrameSpec, Plane

from .base import Grab, Source
from .pairing import Pairing
from .pi import missed_between
from .pi_camera import PiCamera, Shot, forget_closed
from .pi_settings import PiSettings
from .settings import read_settings

FIELDS = (
    Field("skew_us", "f8"),
    Field("orphans_left", "u4"),
    Field("orphans_right", "u4"),
)
SIDES = ("left", "right")


class StereoSettings(PiSettings, frozen=True):
    """As for one camera; width and height are those of each.

    Attributes:
        cameras: The left one and the right one, as `camera` of the other kind.
        layout: `side-by-side` in one plane, or `planes` called left and right.
        sync: libcamera's software sync, over the network, where cameras know it.
    """

    cameras: tuple[int | str, int | str] = (0, 1)
    layout: Literal["side-by-side", "planes"] = "side-by-side"
    sync: bool = False


class StereoSource(Source):
    """Gives pairs of frames; one without a partner is let go, and counted."""

    scales_itself: ClassVar[bool] = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._asked = StereoSettings()
        self._cameras: list[PiCamera] = []
        self._pairing: Pairing[Shot] = Pairing(0)
        self._pair: tuple[Shot, Shot] | None = None
        self._t_last_ns = 0

    def open(self) -> FrameSpec:
        self._asked = asked = read_settings(StereoSettings, self.settings)
        if asked.format in ("raw", "yuv420"):
            raise SourceError(f"source.format: must be grey or rgb, is {asked.format}")
        for side, camera in enumerate(asked.cameras):
            self._cameras.append(PiCamera.open(for_side(asked, side, camera)))
        left, right = self._cameras
        if left.spec != right.spec:
            raise SourceError(
                f"the cameras give different frames: {left.spec.planes[0].shape} and "
                f"{right.spec.planes[0].shape}",
                "choose a width and height that both have",
            )
        self.notes = [*left.notes, *right.notes]
        self._keep_pace()
        return self._spec(left.spec.planes[0].shape)

    def grab(self, wake: int) -> Grab | None:
        self._let_go()
        while (pair := self._next_pair()) is None:
            if not self._collect(wake):
                return None
        self._pair = left, right = pair
        missed = missed_between(self._t_last_ns, left)
        self._t_last_ns = left.t_sensor_ns
        skew_us = (right.t_sensor_ns - left.t_sensor_ns) / 1000
        told = (skew_us, *self._pairing.orphans)
        fields = {field.name: v for field, v in zip(FIELDS, told, strict=True)}
        return Grab(left.t_sensor_ns, missed, left.exposure_us, left.gain, fields)

    def retrieve(self, frame: Frame) -> None:
        assert self._pair is not None
        for side, shot in enumerate(self._pair):
            shot.copy(self._half(frame, side))
        self._let_go()  # at once: the cameras have few buffers

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        for camera in self._cameras:
            camera.check_controls(controls)  # of both, before one is changed
        for camera in self._cameras:
            camera.set_controls(controls)
        self._keep_pace()

    def close(self) -> None:
        self._let_go()
        for shot in self._pairing.clear():
            shot.release()
        if self._cameras:
            while self._cameras:
                self._cameras.pop().close()
            forget_closed()

    def _keep_pace(self) -> None:
        """Pair by the rate that the cameras have now."""
        self.fps = self._cameras[0].fps
        self._pairing.period_ns = round(self._cameras[0].period_us * 1000)

    def _spec(self, shape: tuple[int, ...]) -> FrameSpec:
        if self._asked.layout == "planes":
            return FrameSpec(tuple(Plane(s, shape, "u1") for s in SIDES), FIELDS)
        height, width, *rest = shape
        return FrameSpec.image((height, 2 * width, *rest), fields=FIELDS)

    def _half(self, frame: Frame, side: int) -> Frame:
        """Give the part of a frame that is one camera's, as a frame of its own."""
        if self._asked.layout == "planes":
            return Frame({"image": frame[SIDES[side]]}, frame.info)
        width = frame.image.shape[1] // 2
        part = frame.image[:, side * width :][:, :width]
        return Frame({"image": part}, frame.info)

    def _next_pair(self) -> tuple[Shot, Shot] | None:
        pair, orphans = self._pairing.take()
        for shot in orphans:
            shot.release()
        return pair

    def _collect(self, wake: int) -> bool:
        """Sleep until a camera has something; False if `wake` is readable."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        for camera in self._cameras:
            poll.register(camera.fileno(), select.POLLIN)
        ready = {fd for fd, _ in poll.poll()}
        if wake in ready:
            return False
        for side, camera in enumerate(self._cameras):
            if camera.fileno() in ready:
                camera.collect()
                if not self._t_last_ns:
                    camera.keep_newest()
                while camera.shots:
                    self._pairing.add(side, camera.shots.popleft())
        return True

    def _let_go(self) -> None:
        for shot in self._pair or ():
            shot.release()
        self._pair = None


def for_side(asked: StereoSettings, side: int, camera: int | str) -> PiSettings:
    """Give the settings of one of the two cameras."""
    names = PiSettings.__struct_fields__
    values = {name: getattr(asked, name) for name in names} | {"camera": camera}
    if asked.sync:
        values["controls"] = {**asked.controls, "SyncMode": 2 if side else 1}
    return PiSettings(**values)
