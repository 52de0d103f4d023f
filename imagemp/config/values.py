"""What the value of a key may be: annotated types, and sizes as text.

An annotation bears the range or the pattern of a value, and the words for what
was expected; `extra["text"]` says that the text in the file is not yet the value.
"""

import re
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from msgspec import Meta

Kind: TypeAlias = Any
"""An annotation of a field; there is no type for `Annotated[int, ...] | None`."""

SIZE_EXAMPLE = 'a size such as "2 GiB"'
MAX_SIZE = 2**60

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_NUMBER = r"([0-9]{1,18}(?:\.[0-9]{1,9})?)"
_SIZE = re.compile(rf"{_NUMBER} ?(?:([kmgt])(i?))?(b?)", re.IGNORECASE)

Size = Annotated[
    int, Meta(ge=0, le=MAX_SIZE, description=SIZE_EXAMPLE, extra={"text": "size"})
]
"""A number of bytes that the configuration holds as text with a unit."""

_PLAIN_NAME = "1 to 32 of a-z 0-9 _ -, the first a letter or a digit"
_TARGET = r"\A(?:[A-Za-z_][\w.]*|[^:\0]+\.py):[A-Za-z_]\w*\Z"

Name = Annotated[
    str, Meta(pattern=r"\A[a-z0-9][a-z0-9_-]{0,31}\Z", description=_PLAIN_NAME)
]
FilePath = Annotated[
    str, Meta(pattern=r"\A[^\0]+\Z", description="a path", extra={"text": "path"})
]
Target = Annotated[
    str,
    Meta(
        pattern=_TARGET,
        description='"package.module:Class" or "/path/file.py:Class"',
        extra={"text": "target"},
    ),
]
SourceKind = Annotated[
    str,
    Meta(
        pattern=_TARGET,
        description="synthetic, file, opencv, picamera2, stereo, "
        '"package.module:Class" or "/path/file.py:Class"',
    ),
]
Seconds = Annotated[float, Meta(ge=0, le=31_622_400)]  # a year
Interval = Annotated[float, Meta(ge=0.000_001, le=31_622_400)]
Fps = Annotated[float, Meta(ge=0, le=100_000)]
Pixels = Annotated[int, Meta(ge=1, le=65_536)]
Device = Annotated[
    Annotated[int, Meta(ge=0, le=255)] | Annotated[str, Meta(min_length=1)],
    Meta(description="an index, a path or a URL"),
]
Camera = Annotated[
    Annotated[int, Meta(ge=0, le=255)] | Annotated[str, Meta(min_length=1)],
    Meta(description="a number, or libcamera's name of a camera"),
]
FourCC = Annotated[str, Meta(pattern=r"\A[ -~]{4}\Z", description="four characters")]
Input = Annotated[str, Meta(pattern=r"\Acallback:.+\Z", description='"callback:NAME"')]
DType = Annotated[
    str,
    Meta(
        pattern=r"\A(?:bool|[<>=|]?(?:\?|b1|[ui][1248]|f[248]|c8|c16))\Z",
        description="one of u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 c8 c16 bool",
    ),
]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast",
    "medium", "slow", "slower", "veryslow",
]  # fmt: skip
Length = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def parse_size(text: str) -> int:
    """Give the bytes that a text like "3.9 GiB" means, rounded down.

    kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB of 1024. The unit may
    be missing from 0 alone: nobody should have to guess whether "4" is bytes.

    Raises:
        ValueError: The text is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or not (match[4] or Decimal(match[1]) == 0):
        raise ValueError(f"must be {SIZE_EXAMPLE}, is {text!r}")
    base = 1024 if match[3] else 1000
    nbytes = int(Decimal(match[1]) * base ** _POWERS[(match[2] or "").lower()])
    if nbytes > MAX_SIZE:
        raise ValueError(f"must be at most {format_size(MAX_SIZE)}, is {text!r}")
    return nbytes


def format_size(nbytes: int) -> str:
    """Give a size for people, "9.4 MiB"; at most four digits."""
    if nbytes < 1024:
        return f"{nbytes} B"
    size = float(nbytes)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def itemsize(dtype: str) -> int:
    """Give the bytes that one value of a `DType` takes: 16 for c16, 1 for bool."""
    digits = re.search(r"[0-9]+\Z", dtype)
    return int(digits[0]) if digits else 1


def without_none(kind: Kind) -> Kind:
    """Give `int` for `int | None`: None is how a field says that its key is absent."""
    if origin(kind) not in (Union, UnionType):
        return kind
    kinds = [k for k in get_args(kind) if k is not NoneType]
    return kinds[0] if len(kinds) == 1 else kind


def limits(kind: Kind) -> Meta:
    """Give the limits that an annotation bears, at best none."""
    (meta,) = getattr(kind, "__metadata__", (Meta(),))
    return meta


def bare(kind: Kind) -> Kind:
    """Give the type alone, without its limits."""
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def origin(kind: Kind) -> object:
    """Give `tuple` for `tuple[int, ...]`, and None for `int`."""
    return get_origin(kind)
