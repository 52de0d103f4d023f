"""What looking through a file of a recording finds, whatever its format."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from ..records import Record
from ..tiff.pagerecord import OpenFile
from ..video.records import Patch

CHUNK = 4 << 20

FramePages = tuple[Record, ...]
OnBytes = Callable[[int], None]


class Loss(msgspec.Struct, frozen=True):
    """A part of a file that is no good frame.

    Attributes:
        file: Its name.
        at: Where it begins.
        nbytes: How long it is.
        reason: `unreadable`, no page can be made out; `pixels`, they are not those
            that were written; `plane`, another one of the frame is not there;
            `order`, the frame stands behind one that came later, or behind itself;
            `reference`, a frame that this one is decoded from is lost.
        seq: Of the frame; None if that cannot be made out.
        index: Of the frame.
    """

    file: str
    at: int
    nbytes: int
    reason: str
    seq: int | None = None
    index: int | None = None

    @classmethod
    def of(cls, path: Path, page: Record, reason: str) -> "Loss":
        """Give the loss of a page whose numbers are right."""
        size = page.end - page.offset
        return cls(path.name, page.offset, size, reason, page.seq, page.index)


class Found(Protocol):
    """What a file holds.

    Attributes:
        path: The file.
        size: As it is.
        frames: The good ones, in order; their pages are numbered as they should be.
        pages: All pages of these.
        losses: All else, in order; what was being written at the end too.
        unlinked: Offsets of the good frames that may be in another file as well.
        overhead: Bytes before the first frame.
        wrong: What has to be mended, but for what stands behind the last frame.
        patches: What to write where for that.
        file_end: Where the file should end.
        is_whole: Whether it is just as it should be.
    """

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def frames(self) -> Sequence[FramePages]: ...
    @property
    def pages(self) -> Sequence[Record]: ...
    @property
    def losses(self) -> Sequence[Loss]: ...
    @property
    def unlinked(self) -> frozenset[int]: ...
    @property
    def overhead(self) -> int: ...
    @property
    def wrong(self) -> list[str]: ...
    @property
    def patches(self) -> list[Patch]: ...
    @property
    def file_end(self) -> int: ...
    @property
    def is_whole(self) -> bool: ...

    def without(self, unwanted: Iterable[FramePages]) -> "Found":
        """Give the same, these frames counted as lost."""


def places_of(file: OpenFile, at: int, mark: bytes) -> Iterator[int]:
    """Give each place from `at` on where these bytes stand."""
    while chunk := file.read(at, CHUNK):
        found = chunk.find(mark)
        while found >= 0:
            yield at + found
            found = chunk.find(mark, found + 1)
        if len(chunk) < len(mark):
            return
        at += len(chunk) - len(mark) + 1  # one may lie across the border


def several(n: int, what: str) -> list[str]:
    """Say how many there are; nothing if there are none."""
    return [f"{n} {what}{'s' if n > 1 else ''}"] if n else []
