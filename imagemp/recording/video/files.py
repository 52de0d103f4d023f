"""The frames of a video of ours, found by their heads; its index.

Nothing in the file is believed: a head that is not as it was written ends the walk.
Knows no numpy and no PyAV.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...errors import RecordingError
from ..disk import disk_errors, write_all
from ..tiff.pagerecord import OpenFile, opened
from .matroska import Matroska
from .mp4 import Mp4
from .records import SECOND_US, Container, Key, VideoRecord

CONTAINERS: dict[str, Container] = {one.suffix: one for one in (Mp4(), Matroska())}
LONGEST_LAST_US = 10 * SECOND_US  # how long the last frame is shown, at most
USUAL_US = SECOND_US // 30  # how long a frame is shown if nobody knows better


class Seekable:
    """Key frames that a player may seek to: one a second at most, as they come."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def add(self, t_us: int, offset: int) -> None:
        """Tell of a key frame."""
        if not self.keys or t_us >= self.keys[-1][0] + SECOND_US:
            self.keys.append((t_us, offset))


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its name."""
    return path.suffix in CONTAINERS


def walk_video(path: Path) -> Iterator[VideoRecord]:
    """Give each frame in order, up to the first that is not wholly there.

    Raises:
        OSError: The file cannot be read, which says nothing about what is in it.
    """
    container = CONTAINERS[path.suffix]
    with opened(path) as file:
        offset, number = container.begins_at(file), 0
        while offset:
            record = container.read(file, number, offset)
            if record is None:
                offset = container.after_filler(file, offset)
                continue
            yield record
            offset, number = record.end, number + 1


def last_of(path: Path) -> VideoRecord | None:
    """Give the last frame that is wholly there; None if there is none."""
    last = None
    for last in walk_video(path):  # noqa: B007 - the last is what is asked for
        pass
    return last


def has_its_data(file: OpenFile, record: VideoRecord) -> bool:
    """Whether the packet is the one that was written."""
    return zlib.crc32(file.read(record.data_at, record.nbytes)) == record.crc


def shown_us(last_us: int, before_us: int) -> int:
    """Say how long the last frame of a file is shown: as long as the one before."""
    return min(last_us - before_us, LONGEST_LAST_US) or USUAL_US


def conclude(path: Path, most: int) -> int:
    """End a file that nobody writes any more with its last whole frame.

    What follows is cut off, and the index is made anew. A file without a frame is
    left empty.

    Args:
        path: The file.
        most: So many bytes may be cut off: of the one frame that can have been
            under way, or of an old index.

    Returns:
        How many frames it has.

    Raises:
        RecordingError: More follows: the file is damaged, not torn; it is as it was.
        DiskError: It cannot be read or written.
    """
    seekable, before, last = Seekable(), 0, None
    with disk_errors(path), opened(path) as file:
        for record in walk_video(path):
            if record.is_key:
                seekable.add(record.t_us, record.offset)
            before, last = (last or record).t_us, record
        if (torn := file.size - (last.end if last else 0)) > most:
            raise RecordingError(f"{path}: {torn} bytes after the last frame")
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, last.end if last else 0)
            if last is not None:
                ends = last.end, last.t_us + shown_us(last.t_us, before)
                write_index(fd, path.suffix, seekable, ends)
        finally:
            os.close(fd)
    return last.page + 1 if last else 0


def write_index(
    fd: int, suffix: str, seekable: Seekable, ends: tuple[int, int]
) -> None:
    """Tell players how long a file is, and where to seek; without, they search.

    Args:
        fd: Open for reading and writing.
        suffix: Of the file.
        seekable: Its key frames.
        ends: Where its frames end, in bytes and in microseconds.

    Raises:
        OSError: It could not be written; the frames are as they were.
    """
    try:
        for at, text in CONTAINERS[suffix].index(OpenFile(fd), seekable.keys, *ends):
            write_all(fd, [text], at)
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, ends[0])
        raise
