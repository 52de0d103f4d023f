"""The pages of a file, found by following its links.

Nothing in the file is believed: a link that leads nowhere, back, or to a page that
is not wholly there ends the walk. Knows no numpy, so that imagectl may use it.
"""

import os
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .tags import (
    ALIGN,
    COUNT,
    ENTRY,
    FIRST_LINK_AT,
    HEADER,
    LINK,
    STAMP,
    WIDTHS,
    Tag,
    aligned,
)

MAX_TAGS = 64  # ours have 18 at most
MAX_NAME = 1024
GLANCE = 512  # more than the tags of a page of ours take

RawTag = tuple[int, int, bytes]  # kind, count, value or where it is


class PageRecord(msgspec.Struct, frozen=True):
    """One page: where it lies, and which plane of which frame it is.

    Attributes:
        page: Counts pages of the file, from 0.
        offset: Where its IFD starts.
        link_at: Where the offset of the next page stands.
        following: That offset; 0 in the last page.
        data_at: Where its pixels start.
        nbytes: Size of the pixels.
        crc: CRC-32 of the pixels, as they were when the page was written.
        plane: Which plane of the frame, from 0.
        planes: How many planes the frame has.
        sample_format: 1 unsigned, 2 signed, 3 float, 6 complex.
    """

    page: int
    offset: int
    link_at: int
    following: int
    data_at: int
    nbytes: int
    seq: int
    index: int
    t_sensor_ns: int
    t_unix_ns: int
    crc: int
    plane: int
    planes: int
    plane_name: str
    rows: int
    columns: int
    samples: int
    bits: int
    sample_format: int

    @property
    def end(self) -> int:
        """Where the next page may start."""
        return aligned(self.data_at + self.nbytes)


Trust = Callable[[Path, PageRecord], bool]


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a file's last whole frame ends.

    Attributes:
        first: The first page; None if there is no whole frame.
        last: The last page of the last whole frame.
        size: Bytes the file has, ghosts included.
    """

    first: PageRecord | None
    last: PageRecord | None
    size: int

    @property
    def end(self) -> int:
        """Where the next page belongs."""
        return self.last.end if self.last else len(HEADER)

    @property
    def link_at(self) -> int:
        """Where the offset of the next page belongs."""
        return self.last.link_at if self.last else FIRST_LINK_AT

    @property
    def frames(self) -> int:
        """Whole frames in the file."""
        return self.pages // self.last.planes if self.last else 0

    @property
    def pages(self) -> int:
        """Pages of whole frames."""
        return self.last.page + 1 if self.last else 0


def walk_pages(path: Path) -> Iterator[PageRecord]:
    """Give each page in order, up to the first that is not wholly there.

    Raises:
        OSError: The file cannot be read, which says nothing about what is in it.
    """
    with opened(path) as file:
        header = file.read(0, len(HEADER))
        if (
            len(header) < len(HEADER)
            or header[:FIRST_LINK_AT] != HEADER[:FIRST_LINK_AT]
        ):
            return
        (offset,) = LINK.unpack_from(header, FIRST_LINK_AT)
        number, end = 0, len(HEADER)
        while offset >= end and offset % ALIGN == 0:
            page = read_page(file, number, offset)
            if page is None:
                return
            yield page
            number, offset, end = number + 1, page.following, page.end


def walk_frames(path: Path) -> Iterator[list[PageRecord]]:
    """Give the pages of each frame, up to the first that lacks a plane."""
    yield from whole_frames(walk_pages(path))


def whole_frames(pages: Iterable[PageRecord]) -> Iterator[list[PageRecord]]:
    """Group pages into frames; stop at one that lacks a plane."""
    frame: list[PageRecord] = []
    for page in pages:
        if page.plane != len(frame) or page.index != (frame or [page])[0].index:
            return
        frame.append(page)
        if len(frame) == page.planes:
            yield frame
            frame = []


def last_good(path: Path, trusted: Trust | None = None) -> Tail:
    """Find the last frame that is linked, wholly there, and trusted.

    Args:
        path: The file.
        trusted: Asked about each page from the end on, until it says yes to all
            pages of a frame.
    """
    frames = deque(walk_frames(path), maxlen=None if trusted else 1)
    while trusted and frames and not all(trusted(path, page) for page in frames[-1]):
        frames.pop()
    size = path.stat().st_size
    if not frames:
        return Tail(None, None, size)
    return Tail(next(walk_pages(path)), frames[-1][-1], size)


def crc_matches(path: Path, page: PageRecord) -> bool:
    """Whether the pixels are the ones that were written."""
    import imagecodecs

    with opened(path) as file:
        data = file.read(page.data_at, page.nbytes)
    return bool(imagecodecs.deflate_crc32(data) == page.crc)


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
        page = parse_page(file, number, offset)
    except (KeyError, ValueError, struct.error):
        return None
    return page if page.data_at + page.nbytes <= file.size else None


def parse_page(file: OpenFile, number: int, offset: int) -> PageRecord:
    """Make a record of the IFD at `offset`.

    Raises:
        KeyError: A tag is missing, or is of an unknown kind.
        ValueError: A number cannot be true.
        struct.error: The file ends within it.
    """
    tags, link_at, following = read_tags(file, offset)
    stamp = STAMP.unpack(read_value(file, tags[Tag.STAMP], STAMP.size))
    seq, index, t_sensor_ns, t_unix_ns, crc, plane, planes = stamp
    name = read_value(file, tags[Tag.PAGE_NAME], MAX_NAME)
    page = PageRecord(
        page=number,
        offset=offset,
        link_at=link_at,
        following=following,
        data_at=first_number(tags[Tag.STRIP_OFFSETS]),
        nbytes=first_number(tags[Tag.STRIP_BYTE_COUNTS]),
        seq=seq,
        index=index,
        t_sensor_ns=t_sensor_ns,
        t_unix_ns=t_unix_ns,
        crc=crc,
        plane=plane,
        planes=planes,
        plane_name=name.decode().rstrip("\0"),
        rows=first_number(tags[Tag.IMAGE_LENGTH]),
        columns=first_number(tags[Tag.IMAGE_WIDTH]),
        samples=first_number(tags[Tag.SAMPLES_PER_PIXEL]),
        bits=first_number(tags[Tag.BITS_PER_SAMPLE]),
        sample_format=first_number(tags[Tag.SAMPLE_FORMAT]),
    )
    if page.data_at < link_at + LINK.size or not page.nbytes:
        raise ValueError(f"pixels at {page.data_at}, IFD at {offset}")
    return page


def read_tags(file: OpenFile, offset: int) -> tuple[dict[int, RawTag], int, int]:
    """Give the tags of the IFD at `offset`, where its link stands, and the link."""
    head = file.read(offset, GLANCE)
    (count,) = COUNT.unpack_from(head)
    if not 0 < count <= MAX_TAGS:
        raise ValueError(f"{count} tags")
    end = COUNT.size + ENTRY.size * count
    if end + LINK.size > len(head):
        head = file.read(offset, end + LINK.size)
    (following,) = LINK.unpack_from(head, end)
    entries = ENTRY.iter_unpack(head[COUNT.size : end])
    tags = {code: (kind, n, value) for code, kind, n, value in entries}
    return tags, offset + end, following


def first_number(tag: RawTag) -> int:
    """Give the first number of a tag; ours never have so many that it is far."""
    kind, _, value = tag
    return int.from_bytes(value[: WIDTHS[kind]], "little")


def read_value(file: OpenFile, tag: RawTag, limit: int) -> bytes:
    """Give the bytes of a tag, wherever they are."""
    _, count, value = tag
    if count > limit:
        raise ValueError(f"tag of {count} bytes, at most {limit}")
    if count <= len(value):
        return value[:count]
    return file.read(int.from_bytes(value, "little"), count)
