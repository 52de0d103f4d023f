"""What can be saved of a file: every good frame, those behind damage too.

Pages stand back to back, so the walk goes from each to where it ends and asks no
link. Where no page is, the next one is searched for: all begin with the same bytes,
the check of each says whether its numbers are right, and its offsets fit no other
place. A frame is good if all its planes are there with the pixels that were written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import msgspec

from ..disk import disk_errors
from ..tiff.chain import walk_pages
from ..tiff.pagerecord import OpenFile, PageRecord, has_its_pixels, opened, read_page
from ..tiff.tags import ALIGN, COUNT, ENTRY, FIRST_LINK_AT, HEADER, LINK, Kind, Tag
from ..video.records import Patch
from .findings import FramePages, Loss, OnBytes, places_of, several

# How every page begins, behind the number of its tags: their order is fixed.
FIRST_TAG = ENTRY.pack(Tag.NEW_SUBFILE_TYPE, Kind.LONG, 1, b"")

PageFrame = tuple[PageRecord, ...]


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a TIFF file holds; as `Found` has it.

    Attributes:
        header: As it is.
        unlinked: Offsets of the good frames that links did not lead to.
    """

    path: Path
    size: int
    header: bytes
    frames: list[PageFrame]
    losses: list[Loss]
    unlinked: frozenset[int]

    overhead: ClassVar[int] = len(HEADER)

    @property
    def pages(self) -> list[PageRecord]:
        """All pages of good frames."""
        return [page for frame in self.frames for page in frame]

    @property
    def file_end(self) -> int:
        """Where the file should end."""
        return self.frames[-1][-1].end if self.frames else len(HEADER)

    @property
    def wrong(self) -> list[str]:
        """What has to be mended, but for what stands behind the last frame."""
        told = [] if self.is_headed else ["header"]
        return told + several(len(self.wrong_links()), "link")

    @property
    def patches(self) -> list[Patch]:
        """What to write where for that."""
        links = [(at, LINK.pack(right)) for at, right in self.wrong_links()]
        return [(0, HEADER[:FIRST_LINK_AT]), *links]

    def wrong_links(self) -> list[tuple[int, int]]:
        """Give where a link is not as it should be, and how it should be."""
        pages = self.pages
        first = int.from_bytes(self.header[FIRST_LINK_AT:], "little")
        places = [FIRST_LINK_AT, *(page.link_at for page in pages)]
        found = [first, *(page.following for page in pages)]
        wanted = [*(page.offset for page in pages), 0]
        links = zip(places, found, wanted, strict=True)
        return [(at, right) for at, is_now, right in links if is_now != right]

    @property
    def is_headed(self) -> bool:
        """Whether it begins as it should."""
        return self.header[:FIRST_LINK_AT] == HEADER[:FIRST_LINK_AT]

    @property
    def is_whole(self) -> bool:
        """Whether the file is just as it should be."""
        return not self.wrong and self.size == self.file_end

    def without(self, unwanted: Iterable[FramePages]) -> "Salvage":
        """Give the same, these frames counted as lost."""
        offsets = {frame[0].offset for frame in unwanted}
        lost = [f for f in self.frames if f[0].offset in offsets]
        losses = [Loss.of(self.path, page, "order") for frame in lost for page in frame]
        return replace(
            self,
            frames=numbered(f for f in self.frames if f[0].offset not in offsets),
            losses=sorted([*self.losses, *losses], key=lambda loss: loss.at),
        )


def salvage(
    path: Path, *, pixels: bool = True, on_bytes: OnBytes = lambda _: None
) -> Salvage:
    """Look through a file; nothing in it is believed, nothing is changed.

    Args:
        path: The file.
        pixels: Compare the pixels of all pages with their CRC. If not, only of those
            that links do not lead to.
        on_bytes: Told how far it has come, every now and then.

    Raises:
        DiskError: It cannot be read, which says nothing about what is in it.
    """
    with disk_errors(path), opened(path) as file:
        linked = {page.offset for page in walk_pages(path)}
        parts: list[PageRecord | Loss] = []
        for part in laid_out(path, file):
            parts.append(part)
            if isinstance(part, Loss):
                on_bytes(part.nbytes)
                continue
            on_bytes(part.end - part.offset)
            is_doubted = pixels or part.offset not in linked
            if is_doubted and not has_its_pixels(file, part):
                parts[-1] = Loss.of(path, part, "pixels")
        frames, losses = grouped(path, parts)
        found = numbered(frames)
        header = file.read(0, len(HEADER)).ljust(len(HEADER), b"\0")
        unlinked = frozenset(f[0].offset for f in found) - linked
        return Salvage(path, file.size, header, found, losses, unlinked)


def laid_out(path: Path, file: OpenFile) -> Iterator[PageRecord | Loss]:
    """Give each page where it stands, and the parts between that are none."""
    at = len(HEADER)
    while at < file.size:
        page = read_page(file, 0, at)
        if page is None:
            page = next_page(file, at + ALIGN)
            end = file.size if page is None else page.offset
            yield Loss(path.name, at, end - at, "unreadable")
        if page is None:
            return
        yield page
        at = page.end


def next_page(file: OpenFile, at: int) -> PageRecord | None:
    """Search for a page from `at` on."""
    for place in places_of(file, at + COUNT.size, FIRST_TAG):
        offset = place - COUNT.size
        if offset % ALIGN == 0 and (page := read_page(file, 0, offset)) is not None:
            return page
    return None


def grouped(
    path: Path, parts: Iterable[PageRecord | Loss]
) -> tuple[list[PageFrame], list[Loss]]:
    """Put pages together to frames; those that lack others are lost."""
    frames: list[PageFrame] = []
    losses: list[Loss] = []
    waiting: list[PageRecord] = []
    for part in parts:
        if isinstance(part, Loss) or not belongs(part, waiting):
            losses += [Loss.of(path, page, "plane") for page in waiting]
            waiting = []
        if isinstance(part, Loss):
            losses.append(part)
        elif part.plane == len(waiting):
            waiting.append(part)
        else:
            losses.append(Loss.of(path, part, "plane"))
        if waiting and len(waiting) == waiting[0].planes:
            frames.append(tuple(waiting))
            waiting = []
    losses += [Loss.of(path, page, "plane") for page in waiting]
    return frames, losses


def belongs(page: PageRecord, frame: list[PageRecord]) -> bool:
    """Whether `page` is the next one of a frame."""
    if page.plane != len(frame):
        return False
    if not frame:
        return True
    one, follows = frame[0], page.offset == frame[-1].end
    same = (page.seq, page.index, page.planes) == (one.seq, one.index, one.planes)
    return same and follows


def numbered(frames: Iterable[PageFrame]) -> list[PageFrame]:
    """Give frames with their pages numbered from 0."""
    number, found = 0, []
    for frame in frames:
        pages = (
            msgspec.structs.replace(page, page=n)
            for n, page in enumerate(frame, number)
        )
        found.append(tuple(pages))
        number += len(frame)
    return found
