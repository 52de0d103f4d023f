"""What one encoder left in a session's folder: its files, looked through.

Files are looked at one after the other, and of a file that is as it should be only
sums are kept: a day at 100 frames a second has nine million pages.
"""

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...spec import FrameSpec
from ..disk import disk_errors
from ..folder import log_path, segment_paths
from ..manifest import RecordedFile
from ..records import records_of
from ..tiff.pagerecord import opened, read_description, read_page
from ..tiff.tags import HEADER
from ..video.decoding import comment_of
from ..video.files import is_video
from .findings import Found, FramePages, Loss, OnBytes
from .recorded import look_through_file
from .relogging import LogCheck

UNSYNCED = 2  # files at the end that a power cut can have left without their pixels
MOST_LOSSES = 1000  # remembered one by one


@dataclass(slots=True)
class Holdings:
    """All that is known of an encoder's frames from its files.

    Attributes:
        spec: What a frame has; None if no file says so.
        description: What the first page of its files says.
        frames: Good ones.
        pages: Of these.
        after: The index after the last good frame.
        next_index: The index after the last frame that is known of, good or not.
        next_seq: Likewise.
        missed: Sum of `missed_before`.
        jumps: In how many places indexes are missing between two frames.
        disorder: How many frames have no higher seq than the one before.
        damaged: The indexes of these whose remains were found.
        t_unix_ns: Of the first and of the last frame; None if there is none.
        files: As they should be, those without a frame left out.
        torn: Those that are not as they should be.
        losses: The first ones; `lost_bytes` counts all.
        log: Whether the frame log agrees; None if no file says what it should have.
    """

    encoder: str
    spec: FrameSpec | None = None
    description: dict[str, Any] = field(default_factory=dict)
    frames: int = 0
    pages: int = 0
    after: int = 0
    next_index: int = 0
    next_seq: int = 0
    missed: int = 0
    jumps: int = 0
    disorder: int = 0
    damaged: set[int] = field(default_factory=set)
    t_unix_ns: tuple[int, int] | None = None
    files: list[RecordedFile] = field(default_factory=list)
    torn: list[Found] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    lost_bytes: int = 0
    log: LogCheck | None = None
    _last_seq: int = -1

    @property
    def gaps(self) -> int:
        """How many indexes below `next_index` have no frame."""
        return self.next_index - self.frames

    @property
    def frame_nbytes(self) -> int:
        """What a frame takes about, at least; 0 if there is none."""
        total = sum(file.bytes for file in self.files)
        return total // self.frames if self.frames else 0

    def add(self, found: Found) -> None:
        """Count what a file holds."""
        if not found.is_whole:
            self.torn.append(found)
        if found.frames:
            pages = len(found.pages)
            name = found.path.name
            self.files.append(RecordedFile(name, self.encoder, pages, found.file_end))
            self.pages += pages
        for frame in found.frames:
            self._count(frame)
        if found.frames:
            self._check_log(found)
        recorded = {frame[0].index for frame in found.frames}
        for loss in found.losses:
            self._count_loss(loss, recorded)

    def describe(self, paths: list[Path]) -> None:
        """Learn what the first page of a file says of all."""
        self.description = next(descriptions(paths), {})
        with suppress(msgspec.ValidationError, KeyError):
            self.spec = FrameSpec.from_plain(self.description["spec"])

    def open_log(self, folder: Path) -> None:
        """Begin to compare the frame log, once it is known how it should look."""
        if self.log is None and self.spec is not None:
            self.log = LogCheck(log_path(folder, self.encoder), self.spec.fields)

    def close(self) -> None:
        """No more files."""
        if self.log is not None:
            self.log.close()

    def _check_log(self, found: Found) -> None:
        first = found.frames[0][0]
        if self.log is None and not first.fields:  # nor had the source any
            self.log = LogCheck(log_path(found.path.parent, self.encoder), ())
        if self.log is not None:
            self.log.compare(found.path.name, (frame[0] for frame in found.frames))

    def _count(self, frame: FramePages) -> None:
        page = frame[0]
        self.disorder += page.seq <= self._last_seq
        self._last_seq = page.seq
        self.jumps += page.index > self.after
        self.frames += 1
        self.missed += page.missed_before
        self.after = page.index + 1
        self.next_index = max(self.next_index, self.after)
        self.next_seq = max(self.next_seq, page.seq + 1)
        self.damaged.discard(page.index)
        began = self.t_unix_ns[0] if self.t_unix_ns else page.t_unix_ns
        self.t_unix_ns = (began, page.t_unix_ns)

    def _count_loss(self, loss: Loss, recorded: set[int]) -> None:
        self.lost_bytes += loss.nbytes
        if len(self.losses) < MOST_LOSSES:
            self.losses.append(loss)
        if loss.index is None or loss.seq is None or loss.reason == "order":
            return
        self.next_index = max(self.next_index, loss.index + 1)
        self.next_seq = max(self.next_seq, loss.seq + 1)
        if loss.index not in recorded:
            self.damaged.add(loss.index)


def take_stock(
    folder: Path,
    encoder: str,
    spec: FrameSpec | None = None,
    *,
    thorough: bool = True,
    on_bytes: OnBytes = lambda _: None,
) -> Holdings:
    """Look through an encoder's files and its frame log; change nothing.

    Args:
        folder: The session's.
        encoder: Its name.
        spec: Of its frames, as far as is known; the files know better.
        thorough: Compare all pixels with their CRC, not only those of the last files,
            which may not have been durable.
        on_bytes: Told how far it has come, every now and then.

    Raises:
        DiskError: A file cannot be read.
    """
    paths = segment_paths(folder, encoder)
    stock = Holdings(encoder, spec)
    with disk_errors(folder), closing(stock):
        stock.describe(paths)
        stock.open_log(folder)
        limits = first_indexes(paths)
        for number, path in enumerate(paths):
            is_doubted = thorough or number >= len(paths) - UNSYNCED
            found = look_through_file(path, pixels=is_doubted, on_bytes=on_bytes)
            stock.add(in_order(found, stock.after, limits[number]))
    return stock


def spec_in(folder: Path, encoder: str) -> FrameSpec | None:
    """Give what an encoder's files say a frame has; None if none of them does."""
    stock = Holdings(encoder)
    stock.describe(segment_paths(folder, encoder))
    return stock.spec


def descriptions(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Give what each file says of all its frames, if it can be read."""
    for path in paths:
        text = comment_of(path) if is_video(path) else first_description(path)
        with suppress(json.JSONDecodeError):
            if isinstance(found := json.loads(text), dict):
                yield found


def first_description(path: Path) -> str:
    """Give what the first page of a TIFF file says."""
    with opened(path) as file:
        page = read_page(file, 0, len(HEADER))
        return read_description(file, page) if page is not None else ""


def first_indexes(paths: list[Path]) -> list[int]:
    """Give, for each file, the lowest index that later ones begin with."""
    limits, limit = [], 2**64
    for path in reversed(paths):
        limits.append(limit)
        first = next(records_of(path), None)
        limit = min(limit, first.index) if first else limit
    return limits[::-1]


def in_order(found: Found, after: int, limit: int) -> Found:
    """Leave out frames that came earlier, or that are in a later file as well.

    What links lead to comes first: a frame that they do not lead to may have been
    written again elsewhere.

    Args:
        found: What a file holds.
        after: The index after the last frame before it.
        limit: The first index of later files.
    """
    unwanted = []
    for frame in reversed(found.frames):
        if frame[0].offset not in found.unlinked:
            limit = min(limit, frame[0].index)
        elif frame[0].index >= limit:
            unwanted.append(frame)
    late = {frame[0].offset for frame in unwanted}
    for frame in found.frames:
        if frame[0].offset in late:
            continue
        if frame[0].index < after:
            unwanted.append(frame)
        after = max(after, frame[0].index + 1)
    return found.without(unwanted) if unwanted else found
