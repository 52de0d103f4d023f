"""A source of a user's: any planes, each frame of them different noise."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from imagemp.daemon.sources.base import Grab, Source
from imagemp.daemon.sources.pace import Pace
from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame, numpy_dtype
from imagemp.spec import FrameSpec, Plane


class Odd(Source):
    """Gives what the setting `planes` lists: name, shape, dtype."""

    def open(self) -> FrameSpec:
        self.fps, self.seq = 200.0, self.first_seq - 1
        self.pace = Pace(self.fps)
        self.spec = FrameSpec(planes_of(self.settings["planes"]))
        return self.spec

    def grab(self, wake: int) -> Grab | None:
        if not self.pace.wait(wake):
            return None
        self.seq += 1
        return Grab(*self.pace.take_newest())

    def retrieve(self, frame: Frame) -> None:
        for number, plane in enumerate(self.spec.planes):
            frame[plane.name][...] = drawn(self.seq, number, plane)

    def close(self) -> None:
        pass


class Lamp(Odd):
    """Each pixel is the control `Level`, 0 to 200; it starts at `controls.Level`."""

    def open(self) -> FrameSpec:
        self.notes = list(self.settings.get("notes", []))
        return super().open()

    def retrieve(self, frame: Frame) -> None:
        frame.image[...] = self.settings["controls"]["Level"]

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        for name, value in controls.items():
            if name != "Level":
                raise SourceError(f"controls.{name}: there is no such control")
            if not 0 <= value <= 200:
                raise SourceError(f"controls.Level: must be 0 to 200, is {value}")
        self.settings = {**self.settings, "controls": dict(controls)}


def planes_of(given: list[list[Any]]) -> tuple[Plane, ...]:
    """Give planes from what a configuration can hold."""
    return tuple(Plane(name, tuple(shape), dtype) for name, shape, dtype in given)


def drawn(seq: int, number: int, plane: Plane) -> AnyArray:
    """Give what the plane of this number holds in this frame."""
    dtype = numpy_dtype(plane.dtype)
    random = np.random.default_rng([seq, number])
    n = int(np.prod(plane.shape))
    if dtype.kind == "b":
        return random.integers(0, 2, plane.shape).astype(bool)
    if dtype.kind in "fc":  # no NaN: that is not equal to itself
        numbers = random.integers(-1000, 1000, 2 * n).astype("f8").view("c16")
        told = numbers if dtype.kind == "c" else numbers.real
        return told.reshape(plane.shape).astype(dtype)
    raw = np.frombuffer(random.bytes(n * dtype.itemsize), dtype)
    return raw.reshape(plane.shape)
