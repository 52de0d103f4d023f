"""One frame: its arrays, and when it was taken.

A frame is one or more numpy planes in memory that someone else owns. Its spec
says how to read that memory; it never changes while a ring lives.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from .errors import FrameShapeError
from .spec import Field, FrameSpec, Plane

AnyArray = npt.NDArray[Any]
ALIGN = 64  # a cache line: planes start on one


class FrameInfo(msgspec.Struct):
    """Which frame this is, and when it was taken.

    Attributes:
        seq: Counts every frame the source gave, dropped ones too.
        index: Counts published frames; dense.
        t_sensor_ns: CLOCK_BOOTTIME at the start of exposure, or of arrival.
        t_arrival_ns: CLOCK_BOOTTIME when the source handed it over.
        t_unix_ns: Wall clock of `t_sensor_ns`.
        exposure_us: 0.0 where the source does not know it.
        gain: 0.0 where the source does not know it.
        missed_before: Frames that the sensor's clock says are missing before.
        ring_used: RAM slots in use when it was published, its own included; up to 7
            of them may have been released just before.
        overflow_used: Overflow slots in use then.
        fields: The user's own, by name.
    """

    seq: int = 0
    index: int = 0
    t_sensor_ns: int = 0
    t_arrival_ns: int = 0
    t_unix_ns: int = 0
    exposure_us: float = 0.0
    gain: float = 0.0
    missed_before: int = 0
    ring_used: int = 0
    overflow_used: int = 0
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class Frame(Mapping[str, AnyArray]):
    """Named planes and their `FrameInfo`.

    The arrays are views. A reader's frame is read-only and valid until it is
    released; `copy()` gives one for keeping.
    """

    __slots__ = ("info", "planes")

    def __init__(self, planes: Mapping[str, AnyArray], info: FrameInfo) -> None:
        self.planes = planes
        self.info = info

    def __getitem__(self, name: str) -> AnyArray:
        return self.planes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.planes)

    def __len__(self) -> int:
        return len(self.planes)

    @property
    def image(self) -> AnyArray:
        """The plane called `image`, or the first one."""
        return self.planes.get("image", next(iter(self.planes.values())))

    def copy(self) -> "Frame":
        """Give a frame with arrays and an info of its own, writable."""
        info = msgspec.structs.replace(self.info, fields=dict(self.info.fields))
        return Frame({name: a.copy() for name, a in self.planes.items()}, info)


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """Where each plane of a spec lies in a slot, in bytes."""

    spec: FrameSpec
    offsets: tuple[int, ...]
    nbytes: int

    @classmethod
    def of(cls, spec: FrameSpec) -> Self:
        """Lay the planes one after the other, each on a cache line."""
        offsets, end = [], 0
        for plane in spec.planes:
            start = -(-end // ALIGN) * ALIGN
            offsets.append(start)
            end = start + plane_nbytes(plane)
        return cls(spec, tuple(offsets), end)

    def views(self, memory: AnyArray) -> dict[str, AnyArray]:
        """Give each plane as a view of `memory`, u1 and `nbytes` long."""
        views = {}
        for plane, start in zip(self.spec.planes, self.offsets, strict=True):
            raw = memory[start : start + plane_nbytes(plane)]
            views[plane.name] = raw.view(numpy_dtype(plane.dtype)).reshape(plane.shape)
        return views


def numpy_dtype(plain: Any) -> np.dtype[Any]:  # noqa: ANN401 - str or nested lists
    """Give the dtype behind what a spec says, lists of fields included."""
    if isinstance(plain, str):
        return np.dtype(plain)
    fields = [(item[0], numpy_dtype(item[1]), *map(tuple, item[2:])) for item in plain]
    return np.dtype(fields)


def plain_dtype(dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 - str or nested lists
    """Give a dtype as a spec says it.

    Raises:
        FrameShapeError: It has padding between its fields.
    """
    if dtype.names is not None and numpy_dtype(dtype.descr) != dtype:
        raise FrameShapeError(f"dtype {dtype}: fields must stand without gaps")
    return dtype.str if dtype.names is None else [list(item) for item in dtype.descr]


def plane_nbytes(plane: Plane) -> int:
    """How many bytes the plane takes."""
    return int(np.prod(plane.shape, dtype=np.int64)) * numpy_dtype(plane.dtype).itemsize


def check_plane(plane: Plane, pixels: AnyArray) -> None:
    """Raise `FrameShapeError` unless `pixels` fits this plane."""
    dtype = numpy_dtype(plane.dtype)
    if pixels.shape != plane.shape or pixels.dtype != dtype:
        raise FrameShapeError(
            f"plane {plane.name}: is {pixels.shape} {pixels.dtype}, "
            f"expected {plane.shape} {dtype}"
        )


def fields_dtype(fields: tuple[Field, ...]) -> np.dtype[Any]:
    """Give the packed structured dtype of a spec's user fields."""
    return np.dtype([(f.name, f.dtype, f.shape) for f in fields])


def spec_of(
    planes: Mapping[str, AnyArray], fields: tuple[Field, ...] = ()
) -> FrameSpec:
    """Give the spec that these arrays have, with fields of another."""
    found = (Plane(n, a.shape, plain_dtype(a.dtype)) for n, a in planes.items())
    return FrameSpec(tuple(found), fields)
