"""Any source's frames, resized before they enter the ring."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame, FrameLayout, numpy_dtype
from imagemp.spec import FrameSpec, Plane, is_picture

from .base import Grab, Source

BLENDED = ("u1", "u2", "i2", "f4", "f8")  # what cv2.resize can blend


class ScaledSource(Source):
    """Another source, each plane resized.

    Planes named `depth`, and dtypes that cannot be blended, keep the values they
    have (nearest neighbour); others are averaged when they shrink and
    interpolated when they grow.

    Args:
        source: Gives the frames; this owns it from now on.
        scale: 0.5 gives half the width and half the height.
    """

    def __init__(self, source: Source, scale: float) -> None:
        super().__init__(source.settings)
        self.source = source
        self.scale = scale
        self.interruptible, self.is_live = source.interruptible, source.is_live
        self.notes = source.notes
        self.resizers: dict[str, Resizer] = {}
        self.full: dict[str, AnyArray] = {}

    def open(self) -> FrameSpec:
        self.source.first_seq = self.first_seq
        spec = self.source.open()
        self.fps = self.source.fps
        self.notes = self.source.notes
        layout = FrameLayout.of(spec)
        self.full = layout.views(np.zeros(layout.nbytes, np.uint8))
        planes = tuple(scaled_plane(plane, self.scale) for plane in spec.planes)
        self.resizers = {p.name: Resizer(self.full[p.name], p) for p in planes}
        return FrameSpec(planes, spec.fields)

    def grab(self, wake: int) -> Grab | None:
        return self.source.grab(wake)

    def retrieve(self, frame: Frame) -> None:
        self.source.retrieve(Frame(self.full, frame.info))
        for name, resizer in self.resizers.items():
            resizer.resize(self.full[name], frame[name])

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        self.source.set_controls(controls)
        self.fps = self.source.fps

    def close(self) -> None:
        self.source.close()
        self.full, self.resizers = {}, {}


class Resizer:
    """Resizes one plane, into memory it is given.

    Args:
        full: The plane as the source gives it.
        plane: The plane as it shall be.
    """

    def __init__(self, full: AnyArray, plane: Plane) -> None:
        height, width = plane.shape[:2]
        self.is_for_opencv = full.dtype in [np.dtype(kind) for kind in BLENDED]
        self.is_label = plane.name == "depth"
        self.shrinks = height < full.shape[0]
        self.rows = np.arange(height) * full.shape[0] // height
        self.columns = np.arange(width) * full.shape[1] // width

    def resize(self, full: AnyArray, out: AnyArray) -> None:
        """Fill `out`."""
        if not self.is_for_opencv:
            np.copyto(out, full[self.rows[:, None], self.columns])
            return
        import cv2

        how = cv2.INTER_AREA if self.shrinks else cv2.INTER_LINEAR
        how = cv2.INTER_NEAREST if self.is_label else how
        size = (out.shape[1], out.shape[0])
        cv2.resize(full, size, dst=out, interpolation=how)


def scaled_plane(plane: Plane, scale: float) -> Plane:
    """Give the plane at its new size; refuse what is not an image, by name."""
    if not is_picture(plane.shape) or numpy_dtype(plane.dtype).hasobject:
        raise SourceError(
            f"source.scale: plane {plane.name} of shape {plane.shape} is not an image",
            "leave scale at 1",
        )
    height, width = (max(1, round(n * scale)) for n in plane.shape[:2])
    return Plane(plane.name, (height, width, *plane.shape[2:]), plane.dtype)
