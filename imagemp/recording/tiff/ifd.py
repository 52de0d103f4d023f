"""The directory of tags (IFD) in front of a page's pixels.

Built once for each plane; from page to page only a few numbers are patched in.
The pixels follow it at once, in one strip.

Any array fits, though TIFF knows only pictures: (h, w) and (h, w, 1) are grey,
(h, w, 3) and (h, w, 4) colour, a 1-D array is one row, and anything else rows of
its last axis. bool is stored as u1, 0 or 1. What TIFF has no number for
(structured, text, dates, 80-bit floats) is stored as rows of bytes, u1. The shape
and dtype it had are in the recording's spec.
"""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import FrameShapeError
from ...frames import numpy_dtype
from ...spec import Plane
from ..stamp import CHECK, CHECK_AT
from .tags import (
    COUNT,
    ENTRY,
    LINK,
    WIDTHS,
    Compressed,
    Kind,
    Predictor,
    SampleFormat,
    Tag,
    aligned,
)

GREY, RGB = 1, 2  # PhotometricInterpretation
FORMATS = {
    "b": SampleFormat.UINT,
    "u": SampleFormat.UINT,
    "i": SampleFormat.INT,
    "f": SampleFormat.FLOAT,
    "c": SampleFormat.COMPLEX,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag of a page and its value."""

    code: Tag
    kind: Kind
    count: int
    value: bytes

    @classmethod
    def number(cls, code: Tag, kind: Kind, *numbers: int) -> "Entry":
        """Give a tag that holds numbers."""
        value = b"".join(n.to_bytes(WIDTHS[kind], "little") for n in numbers)
        return cls(code, kind, len(numbers), value)

    @classmethod
    def text(cls, code: Tag, text: str) -> "Entry":
        """Give a tag that holds text; what is not ASCII is escaped."""
        value = text.encode("ascii", "backslashreplace") + b"\0"
        return cls(code, Kind.ASCII, len(value), value)


@dataclass(frozen=True, slots=True)
class Picture:
    """A plane as TIFF sees it."""

    rows: int
    columns: int
    samples: int
    bits: int
    sample_format: SampleFormat

    @classmethod
    def of(cls, plane: Plane) -> "Picture":
        """Say how the plane is stored.

        Raises:
            FrameShapeError: It holds nothing; a page cannot be empty.
        """
        dtype, shape = numpy_dtype(plane.dtype), plane.shape
        if not dtype.itemsize or not math.prod(shape):
            raise FrameShapeError(f"plane {plane.name}: {shape} {dtype} holds nothing")
        if not is_number(dtype):
            columns = (shape[-1] if shape else 1) * dtype.itemsize
            return cls(math.prod(shape[:-1]), columns, 1, 8, SampleFormat.UINT)
        bits, sample_format = dtype.itemsize * 8, FORMATS[dtype.kind]
        if len(shape) == 3 and (shape[2] == 1 or is_colour(plane)):
            return cls(*shape, bits, sample_format)
        columns = shape[-1] if shape else 1
        return cls(math.prod(shape[:-1]), columns, 1, bits, sample_format)

    @property
    def nbytes(self) -> int:
        """Bytes of a page's pixels before they are compressed."""
        return self.rows * self.columns * self.samples * self.bits // 8

    def entries(
        self,
        compressed: Compressed = Compressed.NONE,
        predictor: Predictor = Predictor.NONE,
    ) -> list[Entry]:
        """Give the tags that a reader needs."""
        number = Entry.number
        every = [1] * self.samples
        photometric = GREY if self.samples == 1 else RGB
        entries = [
            number(Tag.NEW_SUBFILE_TYPE, Kind.LONG, 0),
            number(Tag.IMAGE_WIDTH, Kind.LONG, self.columns),
            number(Tag.IMAGE_LENGTH, Kind.LONG, self.rows),
            number(Tag.BITS_PER_SAMPLE, Kind.SHORT, *(self.bits * n for n in every)),
            number(Tag.COMPRESSION, Kind.SHORT, compressed),
            number(Tag.PHOTOMETRIC, Kind.SHORT, photometric),
            number(Tag.STRIP_OFFSETS, Kind.LONG8, 0),
            number(Tag.SAMPLES_PER_PIXEL, Kind.SHORT, self.samples),
            number(Tag.ROWS_PER_STRIP, Kind.LONG, self.rows),
            number(Tag.STRIP_BYTE_COUNTS, Kind.LONG8, self.nbytes),
            number(Tag.PLANAR_CONFIGURATION, Kind.SHORT, 1),
            number(
                Tag.SAMPLE_FORMAT, Kind.SHORT, *(self.sample_format * n for n in every)
            ),
        ]
        if predictor != Predictor.NONE:
            entries.append(number(Tag.PREDICTOR, Kind.SHORT, predictor))
        if self.samples == 4:
            entries.append(number(Tag.EXTRA_SAMPLES, Kind.SHORT, 2))  # plain alpha
        return entries


class Ifd:
    """A directory in memory, good for any place in the file.

    Attributes:
        nbytes: Its size, a multiple of 16; the pixels follow.
        link_at: Where in it the offset of the next page stands.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        tags = sorted(padded(entries), key=lambda entry: entry.code)
        self.link_at = COUNT.size + ENTRY.size * len(tags)
        self._distant: list[tuple[int, int]] = []  # where an offset stands, to what
        places = self._places = dict[Tag, int]()
        self._template = bytearray(self.link_at + LINK.size)
        COUNT.pack_into(self._template, 0, len(tags))
        for number, entry in enumerate(tags):
            self._place(COUNT.size + ENTRY.size * number, entry)
        self._strip_at = places[Tag.STRIP_OFFSETS]
        self._nbytes_at, self._stamp_at = (
            places[Tag.STRIP_BYTE_COUNTS],
            places[Tag.STAMP],
        )
        self._template.extend(bytes(-len(self._template) % 16))
        self.nbytes = len(self._template)

    def _place(self, at: int, entry: Entry) -> None:
        value_at, inline = at + ENTRY.size - 8, entry.value
        if len(entry.value) > 8:
            distance, inline = len(self._template), b""
            self._distant.append((value_at, distance))
            self._template.extend(
                entry.value.ljust(aligned(len(entry.value), 8), b"\0")
            )
            self._places[entry.code] = distance
        else:
            self._places[entry.code] = value_at
        ENTRY.pack_into(self._template, at, entry.code, entry.kind, entry.count, inline)

    def at(
        self, offset: int, nbytes: int, stamp: bytes, following: int = 0
    ) -> bytearray:
        """Give the bytes of this directory for one page.

        Args:
            offset: Where in the file it will stand.
            nbytes: Size of the strip.
            stamp: The value of the private tag, with 0 for the check.
            following: Where the next page stands; 0 if that is not yet known.
        """
        page = self._template.copy()
        for place, distance in self._distant:
            LINK.pack_into(page, place, offset + distance)
        LINK.pack_into(page, self._strip_at, offset + self.nbytes)
        LINK.pack_into(page, self._nbytes_at, nbytes)
        page[self._stamp_at : self._stamp_at + len(stamp)] = stamp
        CHECK.pack_into(page, self._stamp_at + CHECK_AT, zlib.crc32(page))
        LINK.pack_into(page, self.link_at, following)
        return page


def padded(entries: Iterable[Entry]) -> list[Entry]:
    """Make their number even, which puts the link on a multiple of 8.

    A link that lay across two pages of memory could be cut in two by a crash.
    """
    tags = list(entries)
    if len(tags) % 2:
        tags.append(Entry.number(Tag.ORIENTATION, Kind.SHORT, 1))
    return tags


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether TIFF readers know such a sample."""
    return dtype.kind in FORMATS and dtype.itemsize <= (16 if dtype.kind == "c" else 8)


def is_colour(plane: Plane) -> bool:
    """Whether the plane is stored as RGB or RGBA."""
    dtype = numpy_dtype(plane.dtype)
    return len(plane.shape) == 3 and plane.shape[2] in (3, 4) and dtype.kind in "buif"
