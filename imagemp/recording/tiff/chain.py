"""The pages of a file, found by following its links.

Nothing in the file is believed: a link that leads nowhere, back, or to a page that
is not wholly there ends the walk. Knows no numpy, so that imagectl may use it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .pagerecord import PageRecord, opened, read_page
from .tags import ALIGN, FIRST_LINK_AT, HEADER, LINK


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
        if not header.startswith(HEADER[:FIRST_LINK_AT]) or len(header) < len(HEADER):
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


def last_good(path: Path) -> Tail:
    """Find the last frame that is linked and wholly there."""
    frames = deque(walk_frames(path), maxlen=1)
    size = path.stat().st_size
    if not frames:
        return Tail(None, None, size)
    return Tail(next(walk_pages(path)), frames[-1][-1], size)
