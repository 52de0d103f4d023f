"""What can be saved of a video: every frame that is as it was written.

Frames stand back to back. Where none is, the next one is searched for: all have the
same mark in their heads. A frame that others are decoded from takes them with it, up
to the next key frame.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..disk import disk_errors
from ..tiff.pagerecord import OpenFile, opened
from ..video.files import CONTAINERS, Seekable, has_its_data, shown_us
from ..video.records import ALIGN, Container, Patch, VideoRecord
from .findings import FramePages, Loss, OnBytes, places_of, several

Part = VideoRecord | Loss


@dataclass(frozen=True, slots=True)
class VideoSalvage:
    """What a video holds; as `Found` has it.

    Attributes:
        end: Where its last good frame ends.
        file_end: Where the file should end: behind the index.
        wrong: What has to be mended, but for what stands behind the last frame.
        patches: What to write where for that.
        overhead: Bytes before the first frame; 0 if there are some, but no header
            to decode them with.
    """

    path: Path
    size: int
    frames: list[tuple[VideoRecord]]
    losses: list[Loss]
    end: int
    file_end: int
    wrong: list[str]
    patches: list[Patch]
    overhead: int
    unlinked: frozenset[int] = frozenset()

    @property
    def pages(self) -> list[VideoRecord]:
        """All frames; each is a page here."""
        return [record for (record,) in self.frames]

    @property
    def is_whole(self) -> bool:
        """Whether the file is just as it should be."""
        return not self.wrong and self.size == self.file_end

    def without(self, unwanted: Iterable[FramePages]) -> "VideoSalvage":
        """Give the same, these frames counted as lost; players see them still."""
        offsets = {frame[0].offset for frame in unwanted}
        lost = [record for record in self.pages if record.offset in offsets]
        losses = [Loss.of(self.path, record, "order") for record in lost]
        return replace(
            self,
            frames=[f for f in self.frames if f[0].offset not in offsets],
            losses=sorted([*self.losses, *losses], key=lambda loss: loss.at),
        )


def salvage_video(
    path: Path, *, pixels: bool = True, on_bytes: OnBytes = lambda _: None
) -> VideoSalvage:
    """Look through a video; nothing in it is believed, nothing is changed.

    Args:
        path: The file.
        pixels: Compare the data of all frames with its CRC.
        on_bytes: Told how far it has come, every now and then.

    Raises:
        DiskError: It cannot be read, which says nothing about what is in it.
    """
    container = CONTAINERS[path.suffix]
    with disk_errors(path), opened(path) as file:
        began = container.begins_at(file)
        parts = list(judged(path, file, laid_out(path, file, began), pixels, on_bytes))
        frames = [(part,) for part in parts if isinstance(part, VideoRecord)]
        end = frames[-1][0].end if frames else 0
        losses = [part for part in parts if isinstance(part, Loss)]
        gaps = [gap for gap in losses if gap.reason == "unreadable" and gap.at < end]
        filled = [(gap.at, container.filler(gap.nbytes)) for gap in gaps]
        index = index_of(file, container, [record for (record,) in frames])
        if losses and losses[-1].at == end and ends_with(file, end, index):
            losses.pop()  # it is the index
        torn = [patch for patch in filled if not is_there(file, patch)]
        stale = [patch for patch in index if not is_there(file, patch)]
        wrong = several(len(torn), "gap") + (["index"] if stale else [])
        return VideoSalvage(
            path,
            file.size,
            frames,
            losses,
            end,
            max([end, *(at + len(text) for at, text in index)]),
            wrong,
            torn + stale,
            began or (file.size if next_record(file, container, 0) == file.size else 0),
        )


def laid_out(path: Path, file: OpenFile, began: int) -> Iterator[Part]:
    """Give each frame where it stands, and the parts between that are none."""
    container = CONTAINERS[path.suffix]
    at, number = began, 0
    while at < file.size:
        record = container.read(file, number, at) if began else None
        if record is None:
            end = container.after_filler(file, at) if began else 0
            end = end or (next_record(file, container, at) if began else file.size)
            yield Loss(path.name, at, end - at, "unreadable")
            at = end
            continue
        yield record
        at, number = record.end, number + 1


def next_record(file: OpenFile, container: Container, at: int) -> int:
    """Search for a frame behind `at`; give where it stands, or the file's end."""
    mark, mark_at = container.mark, container.mark_at
    for found in places_of(file, at + ALIGN + mark_at, mark):
        offset = found - mark_at
        if offset % ALIGN == 0 and container.read(file, 0, offset) is not None:
            return offset
    return file.size


def judged(
    path: Path,
    file: OpenFile,
    parts: Iterable[Part],
    pixels: bool,
    on_bytes: OnBytes,
) -> Iterator[Part]:
    """Give each part; frames that cannot be decoded as losses."""
    is_broken = False
    for part in parts:
        if isinstance(part, Loss):
            is_broken = True
            on_bytes(part.nbytes)
            yield part
            continue
        on_bytes(part.end - part.offset)
        is_broken = is_broken and not part.is_key
        if pixels and not has_its_data(file, part):
            is_broken = True
            yield Loss.of(path, part, "pixels")
        elif is_broken:
            yield Loss.of(path, part, "reference")
        else:
            yield part


def index_of(
    file: OpenFile, container: Container, records: list[VideoRecord]
) -> list[Patch]:
    """Give the index as it should be; empty if there is no frame."""
    if not records:
        return []
    seekable = Seekable()
    for record in records:
        if record.is_key:
            seekable.add(record.t_us, record.offset)
    last, before = records[-1], records[-2:][0]
    length_us = last.t_us + shown_us(last.t_us, before.t_us)
    return container.index(file, seekable.keys, last.end, length_us)


def is_there(file: OpenFile, patch: Patch) -> bool:
    """Whether the file has these bytes there."""
    at, text = patch
    return file.read(at, len(text)) == text


def ends_with(file: OpenFile, end: int, index: list[Patch]) -> bool:
    """Whether nothing but the index stands behind the frames."""
    tail = b"".join(text for at, text in index if at >= end)
    return bool(tail) and file.read(end, file.size - end) == tail
