"""The files of a recording, whatever their format.

A segment is one file; frames are appended to it by one thread, and `sync` and
`close` may be called by another.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..errors import RecordingError
from ..frames import Frame
from .bigtiff import PageWriter
from .chain import last_good, walk_frames
from .folder import segment_number, segment_path
from .framelog import FrameLog
from .plan import RecordingPlan


class SegmentWriter(Protocol):
    """One file, open for appending.

    Attributes:
        path: The file.
        frames: Whole frames in it.
        pages: Pages in it: planes times frames.
        nbytes: Its size.
        frame_nbytes: What the next frame is expected to take.
        began_ns: `t_sensor_ns` of its first frame; None as long as it has none.
        next_index: `index` of its last frame + 1; 0 as long as it has none.
    """

    path: Path
    frames: int
    pages: int
    nbytes: int
    frame_nbytes: int
    began_ns: int | None
    next_index: int

    def append(self, frame: Frame) -> None:
        """Write a frame; when this returns, a kill -9 does not take it.

        Raises:
            DiskError: It cannot be written; the file is as it was before.
            FrameShapeError: The frame is not what the file holds.
        """

    def sync(self) -> None:
        """Return when all that was appended is on the disk; raises OSError."""

    def close(self) -> None:
        """Close the file, without waiting for the disk. May be called twice."""

    def discard(self) -> None:
        """Close and delete the file, which has no frame."""


def create_segment(folder: Path, plan: RecordingPlan, number: int) -> SegmentWriter:
    """Begin a new file.

    Raises:
        DiskError: It is there already, or cannot be made.
    """
    path = segment_path(folder, plan.name, number)
    return PageWriter.create(path, plan.spec.planes, plan.text())


def resume_segment(
    folder: Path, plan: RecordingPlan, paths: list[Path]
) -> SegmentWriter:
    """Open the last of `paths` for more, or a new one if it is damaged or none.

    Raises:
        DiskError: It cannot be read or written.
    """
    number = 0
    if paths:
        with suppress(RecordingError):
            return PageWriter.resume(paths[-1], plan.spec.planes, plan.text())
        number = segment_number(paths[-1]) + 1
    return create_segment(folder, plan, number)


def index_after(paths: list[Path]) -> int:
    """Give the index after the last frame of these segments; 0 if there is none."""
    tails = (last_good(path).last for path in reversed(paths))
    return next((tail.index + 1 for tail in tails if tail), 0)


def rebuild_rows(log: FrameLog, path: Path) -> None:
    """Add a row for each frame of a segment that the log has not."""
    for frame in walk_frames(path):
        if frame[0].index > log.rows.last_index:
            log.rebuild(path.name, frame[0])


def sync_file(path: Path) -> None:
    """Make a file durable that somebody else wrote."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)
