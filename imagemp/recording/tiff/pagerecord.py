"""What is known of one page without its pixels.

Nothing in the file is believed: a page is one of ours if all of its IFD but the link
is as it was written, which a CRC-32 in its stamp tells. Knows no numpy.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..stamp import CHECK, CHECK_AT, STAMP, Stamped, read_stamp
from .tags import COUNT, ENTRY, LINK, WIDTHS, Kind, Tag, aligned

MAX_TAGS = 64  # ours have 18 at most
MAX_IFD = 1 << 20  # bytes; the first page of a file has the configuration in it
GLANCE = 1024  # more than most IFDs of ours take

RawTag = tuple[int, int, bytes]  # kind, count, value or where it is
NO_PREDICTOR: RawTag = (Kind.SHORT, 1, b"\1\0")


class PageRecord(Stamped, frozen=True, kw_only=True):
    """One page: where it lies, and which plane of which frame it is.

    Attributes:
        page: Counts pages of the file, from 0.
        offset: Where its IFD starts.
        link_at: Where the offset of the next page stands.
        following: That offset; 0 in the last page.
        data_at: Where its strip starts.
        nbytes: Size of the strip: of the pixels as they are stored.
        sample_format: 1 unsigned, 2 signed, 3 float, 6 complex.
        compressed: How the pixels are stored: 1 as they are, 8 zlib, 50000 zstd.
        predictor: 1 none, 2 differences, 3 differences of floats.
    """

    page: int
    offset: int
    link_at: int
    following: int
    data_at: int
    nbytes: int
    plane_name: str
    rows: int
    columns: int
    samples: int
    bits: int
    sample_format: int
    compressed: int
    predictor: int

    @property
    def end(self) -> int:
        """Where the next page may start."""
        return aligned(self.data_at + self.nbytes)


class OpenFile:
    """A file for reading, as long as it was when it was opened."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size

    def read(self, offset: int, nbytes: int) -> bytes:
        """Give `nbytes` bytes, fewer or none where the file ends."""
        if offset >= self.size:  # any 64-bit number; the kernel refuses the largest
            return b""
        return os.pread(self._fd, min(nbytes, self.size - offset), offset)


@contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """Open for reading; closed on leaving."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield OpenFile(fd)
    finally:
        os.close(fd)


def read_page(file: OpenFile, number: int, offset: int) -> PageRecord | None:
    """Read the page at `offset`; None unless it is a whole one of ours."""
    try:
        page = parse_page(Directory.read(file, offset), number)
    except (KeyError, ValueError, struct.error):
        return None
    return page if page.data_at + page.nbytes <= file.size else None


def has_its_pixels(file: OpenFile, page: PageRecord) -> bool:
    """Whether the pixels are the ones that were written."""
    import imagecodecs

    data = file.read(page.data_at, page.nbytes)
    return bool(imagecodecs.deflate_crc32(data) == page.crc)


def read_description(file: OpenFile, page: PageRecord) -> str:
    """Give the text that the first page of a file bears; others have none."""
    directory = Directory.read(file, page.offset)
    if Tag.IMAGE_DESCRIPTION not in directory.tags:
        return ""
    return directory.value(Tag.IMAGE_DESCRIPTION).decode("ascii").rstrip("\0")


@dataclass(frozen=True, slots=True)
class Directory:
    """An IFD that is as it was written.

    Attributes:
        offset: Where it starts.
        text: All its bytes, up to the strip.
        tags: By number.
        link_at: Where its link stands, counted from its start.
    """

    offset: int
    text: bytes
    tags: Mapping[int, RawTag]
    link_at: int

    @classmethod
    def read(cls, file: OpenFile, offset: int) -> Self:
        """Read the IFD at `offset`.

        Raises:
            KeyError: A tag is missing, or is of an unknown kind.
            ValueError: A number cannot be true, or its check does not match.
            struct.error: The file ends within it.
        """
        text = file.read(offset, GLANCE)
        (count,) = COUNT.unpack_from(text)
        if not 0 < count <= MAX_TAGS:
            raise ValueError(f"{count} tags")
        link_at = COUNT.size + ENTRY.size * count
        if link_at + LINK.size > len(text):
            text = file.read(offset, link_at + LINK.size)
        entries = ENTRY.iter_unpack(text[COUNT.size : link_at])
        tags = {code: (kind, n, value) for code, kind, n, value in entries}
        size = first_number(tags[Tag.STRIP_OFFSETS]) - offset
        if not link_at + LINK.size <= size <= MAX_IFD:
            raise ValueError(f"pixels {size} bytes behind the IFD")
        text = text[:size] if size <= len(text) else file.read(offset, size)
        directory = cls(offset, text, tags, link_at)
        directory.check()
        return directory

    @property
    def following(self) -> int:
        """The offset of the next page, which the check does not vouch for."""
        (following,) = LINK.unpack_from(self.text, self.link_at)
        return int(following)

    def check(self) -> None:
        """Raise `ValueError` unless all but the link is as it was written."""
        _, count, value = self.tags[Tag.STAMP]
        at = int.from_bytes(value, "little") - self.offset
        if count < STAMP.size or not 0 < at <= len(self.text) - count:
            raise ValueError("no stamp")
        plain = bytearray(self.text)
        (check,) = CHECK.unpack_from(plain, at + CHECK_AT)
        CHECK.pack_into(plain, at + CHECK_AT, 0)
        LINK.pack_into(plain, self.link_at, 0)
        if zlib.crc32(plain) != check:
            raise ValueError("the check does not match")

    def number(self, code: Tag) -> int:
        """Give the first number of a tag."""
        return first_number(self.tags[code])

    def value(self, code: Tag) -> bytes:
        """Give the bytes of a tag, wherever they are."""
        _, count, value = self.tags[code]
        if count <= len(value):
            return value[:count]
        at = int.from_bytes(value, "little") - self.offset
        return self.text[at : at + count]


def parse_page(found: Directory, number: int) -> PageRecord:
    """Make a record of an IFD.

    Raises:
        KeyError: A tag is missing, or is of an unknown kind.
        ValueError: A number cannot be true.
    """
    stamp = found.value(Tag.STAMP)
    page = PageRecord(
        **read_stamp(stamp),
        page=number,
        offset=found.offset,
        link_at=found.offset + found.link_at,
        following=found.following,
        data_at=found.number(Tag.STRIP_OFFSETS),
        nbytes=found.number(Tag.STRIP_BYTE_COUNTS),
        fields=stamp[STAMP.size :],
        plane_name=found.value(Tag.PAGE_NAME).decode().rstrip("\0"),
        rows=found.number(Tag.IMAGE_LENGTH),
        columns=found.number(Tag.IMAGE_WIDTH),
        samples=found.number(Tag.SAMPLES_PER_PIXEL),
        bits=found.number(Tag.BITS_PER_SAMPLE),
        sample_format=found.number(Tag.SAMPLE_FORMAT),
        compressed=found.number(Tag.COMPRESSION),
        predictor=first_number(found.tags.get(Tag.PREDICTOR, NO_PREDICTOR)),
    )
    if not page.nbytes or not page.planes:
        raise ValueError(f"{page.nbytes} bytes of pixels, {page.planes} planes")
    return page


def first_number(tag: RawTag) -> int:
    """Give the first number of a tag; ours never have so many that it is far."""
    kind, _, value = tag
    return int.from_bytes(value[: WIDTHS[kind]], "little")
