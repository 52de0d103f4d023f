"""What a frame looks like, as plain data.

Knows no numpy, so that the supervisor and imagectl may import it; `frames.py`
puts arrays behind it.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec


class Plane(msgspec.Struct, frozen=True):
    """One array of a frame.

    Attributes:
        name: What readers ask for, `frame["depth"]`.
        shape: As numpy has it, rows first; (480, 640, 3) is 640 wide.
        dtype: What `numpy.dtype` takes: `u1`, `<u2`, or a list of fields.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Any


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether a plane of this shape has rows, columns and at most 4 channels."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4)


class Field(msgspec.Struct, frozen=True):
    """One value that a source adds to each frame.

    Attributes:
        name: The key in `frame.info.fields`, and the column in `frames.csv`.
        dtype: What `numpy.dtype` takes: `f8`, `u4`, `S16`.
        shape: () for a single value, (3, 3) for a matrix.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()


class FrameSpec(msgspec.Struct, frozen=True):
    """The planes and user fields of every frame of a ring, in order."""

    planes: tuple[Plane, ...]
    fields: tuple[Field, ...] = ()

    @classmethod
    def image(
        cls, shape: tuple[int, ...], dtype: str = "u1", fields: tuple[Field, ...] = ()
    ) -> Self:
        """Give the spec of a frame with one plane, `image`."""
        return cls((Plane("image", shape, dtype),), fields)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_plain` wrote."""
        return msgspec.convert(plain, cls)

    def to_plain(self) -> dict[str, Any]:
        """Give this spec as dicts, lists, strings and numbers."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain
