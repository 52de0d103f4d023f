"""Frames that are computed: a moving pattern that carries its seq.

Behaves like a camera: who comes late by more periods than it has buffers has lost
frames, and `Grab.missed` says how many.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame, numpy_dtype, plain_dtype
from imagemp.spec import FrameSpec, Plane

from .base import Grab, Source
from .pace import Clock, Pace
from .seqmark import NUMBERS, encode, flatten, mark_size
from .settings import Count, Rate, Scale, read_settings

COLOURS = 4  # a last axis up to this long is colours, a longer one is columns


class SyntheticSettings(Struct, frozen=True):
    """What the frames look like and how often they come.

    Attributes:
        shape: In place of width, height and channels; 1 to 4 axes.
        dtype: What numpy takes, or a list of fields; no objects.
        fps: 0 for as fast as they are taken.
        scale: Obeyed before drawing, so that the seq stays readable.
        depth: Adds a plane `depth`, u2, one value a pixel.
        buffers: How many frames it keeps for who comes late.
    """

    width: Count = 640
    height: Count = 480
    channels: Count = 1
    shape: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=4)] | None = None
    dtype: str | list[Any] = "u1"
    fps: Rate = 30.0
    scale: Scale = 1.0
    depth: bool = False
    buffers: Count = 1


class SyntheticSource(Source):
    """Draws `first_seq` + the number of grabs since open into each plane."""

    scales_itself = True

    def __init__(self, settings: Mapping[str, Any], clock: Clock | None = None) -> None:
        super().__init__(settings)
        self.clock = clock
        self.pace = Pace(0, clock)
        self.patterns: dict[str, Pattern] = {}
        self.grabbed, self.buffers = 0, 1

    def open(self) -> FrameSpec:
        asked = read_settings(SyntheticSettings, self.settings)
        planes = planes_of(asked)
        self.fps, self.buffers = asked.fps, asked.buffers
        self.pace = Pace(asked.fps, self.clock)
        self.patterns = {p.name: Pattern(p.shape, numpy_dtype(p.dtype)) for p in planes}
        self.grabbed = 0
        return FrameSpec(planes)

    def grab(self, wake: int) -> Grab | None:
        if not self.pace.wait(wake):
            return None
        t_sensor_ns, missed = self.pace.take_kept(self.buffers)
        self.grabbed += 1
        return Grab(t_sensor_ns, missed)

    def retrieve(self, frame: Frame) -> None:
        seq = self.first_seq + self.grabbed - 1
        for name, pattern in self.patterns.items():
            pattern.draw(seq, frame[name])

    def close(self) -> None:
        self.patterns = {}


class Pattern:
    """A gradient that runs to the left, drawn by one copy.

    The frame of each seq is a window into one strip of elements, which is a row
    longer than a frame.

    Args:
        shape: Of the plane.
        dtype: Of its elements; records are drawn as bytes.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if dtype.kind not in NUMBERS:
            shape, dtype = (*shape[:-1], shape[-1] * dtype.itemsize), np.dtype("u1")
        rows, self.columns, self.colours = picture_of(shape)
        levels = gradient(rows + 1, self.columns, self.colours)
        self.strip = to_dtype(levels, dtype)
        self.speed = 1 + self.columns // 160  # across the picture in some 160 frames

    def draw(self, seq: int, out: AnyArray) -> None:
        """Fill `out`, contiguous, from its first element to its last.

        In this order a reader that looks meanwhile finds two seqs.
        """
        flat = flatten(out)
        mark, n, size = encode(seq, flat.dtype), mark_size(flat), flat.size
        start = seq * self.speed % self.columns * self.colours
        flat[:n] = mark[:n]
        if size >= 2 * n:
            flat[n : size - n] = self.strip[start + n : start + size - n]
            flat[size - n :] = mark
        else:
            flat[n:] = self.strip[start + n : start + size]


def planes_of(asked: SyntheticSettings) -> tuple[Plane, ...]:
    """Give the planes, `image` and perhaps `depth`, at their final size."""
    colours = () if asked.channels == 1 else (asked.channels,)
    shape = asked.shape or (asked.height, asked.width, *colours)
    if len(shape) in {2, 3}:
        shape = (*(max(1, round(n * asked.scale)) for n in shape[:2]), *shape[2:])
    elif asked.depth or asked.scale != 1:
        setting = "depth" if asked.depth else "scale"
        raise SourceError(f"source.{setting}: a frame of shape {shape} has no image")
    image = Plane("image", shape, checked_dtype(asked.dtype))
    return (image, Plane("depth", shape[:2], "<u2")) if asked.depth else (image,)


def checked_dtype(given: str | list[Any]) -> str | list[Any]:
    """Give the dtype as a spec says it; refuse what numpy or a ring cannot hold."""
    try:
        dtype = numpy_dtype(given)
    except (TypeError, ValueError) as error:
        raise SourceError(f"source.dtype: {given!r}: {error}") from error
    if dtype.hasobject or not dtype.itemsize:
        raise SourceError(f"source.dtype: {given!r} has no size in memory")
    plain: str | list[Any] = plain_dtype(dtype)
    return plain


def picture_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """See any shape as rows, columns and colours."""
    has_colours = len(shape) > 2 and shape[-1] <= COLOURS
    colours = shape[-1] if has_colours else 1
    columns = shape[-2] if has_colours else shape[-1]
    return int(np.prod(shape)) // (columns * colours), columns, colours


def gradient(rows: int, columns: int, colours: int) -> AnyArray:
    """Give grey levels, u1, in a row; the end of a line fits the next one's start."""
    across = (np.arange(columns) * 256 // columns).astype(np.uint8)
    down = np.arange(rows).astype(np.uint8)
    tint = (np.arange(colours) * 85).astype(np.uint8)
    levels = down[:, None, None] + across[:, None] + tint  # wraps at 256
    return np.ascontiguousarray(levels).reshape(-1)


def to_dtype(levels: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Give grey levels over the range of another dtype; floats from 0 to 1."""
    if dtype.kind == "b":
        return levels >= 128
    if dtype.kind == "f":
        return (levels / 255).astype(dtype)
    if dtype.kind == "c":
        return (levels / 255 * (1 - 0.5j)).astype(dtype)
    if dtype.itemsize == 1:
        return levels.view(dtype)
    step = np.iinfo(dtype).max // 255
    return (levels.astype(np.uint64) * np.uint64(step)).astype(dtype)
