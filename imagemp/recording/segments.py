"""The files of a recording, whatever their format.

A segment is one file; frames are appended to it by one thread, and `sync` and
`close` may be called by another.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..errors import RecordingError
from ..frames import Frame, plane_nbytes
from ..spec import FrameSpec
from .folder import log_path, segment_number, segment_path
from .framelog import FrameLog
from .plan import RecordingPlan
from .records import last_record, records_of
from .tiff.bigtiff import PageWriter
from .tiff.pages import Strips
from .video.files import conclude

MAX_INDEX = 1 << 22  # bytes of an index, and of a header without a frame


class SegmentWriter(Protocol):
    """One file, open for appending.

    Attributes:
        path: The file.
        frames: Whole frames in it.
        pages: Pages in it: planes times frames.
        nbytes: Its size.
        began_ns: `t_sensor_ns` of its first frame; None as long as it has none.
        next_index: `index` of its last frame + 1; 0 as long as it has none.
    """

    path: Path
    frames: int
    pages: int
    nbytes: int
    began_ns: int | None
    next_index: int

    def nbytes_with(self, frame: Frame, strips: Strips | None) -> int:
        """Give the size it is expected to have after one more frame.

        Args:
            frame: That is to be written.
            strips: Its pixels, if a press has compressed them; else None.
        """

    def append(self, frame: Frame, strips: Strips | None = None) -> None:
        """Write a frame; when this returns, a kill -9 does not take it.

        Args:
            frame: To be written.
            strips: Its pixels, if a press has compressed them; else None.

        Raises:
            DiskError: It cannot be written; the file is as it was before.
            FrameShapeError: The frame is not what the file holds.
        """

    def finish(self) -> None:
        """No more frames will come: write what readers find these by, if anything."""

    def sync(self) -> None:
        """Return when all that was appended is on the disk; raises OSError."""

    def close(self) -> None:
        """Close the file, without waiting for the disk. May be called twice."""

    def discard(self) -> None:
        """Close and delete the file, which has no frame."""


def create_segment(folder: Path, plan: RecordingPlan, number: int) -> SegmentWriter:
    """Begin a new file.

    Raises:
        ConfigError: Its format does not take such frames.
        DiskError: It is there already, or cannot be made.
    """
    if plan.video is not None:
        from .video.writer import VideoWriter

        suffix = f".{plan.video.format}"
        path = segment_path(folder, plan.name, number, suffix)
        return VideoWriter.create(path, plan)
    path = segment_path(folder, plan.name, number)
    spec, text = plan.spec, plan.text()
    return PageWriter.create(path, spec.planes, text, spec.fields, plan.compression)


def resume_segment(
    folder: Path, plan: RecordingPlan, paths: list[Path]
) -> SegmentWriter:
    """Open the last of `paths` for more, or a new one if it is damaged or none.

    Raises:
        DiskError: It cannot be read or written.
    """
    if plan.video is not None:
        return next_video(folder, plan, paths)
    number = 0
    if paths:
        with suppress(RecordingError):
            return PageWriter.resume(
                paths[-1],
                plan.spec.planes,
                plan.text(),
                plan.spec.fields,
                plan.compression,
            )
        number = segment_number(paths[-1]) + 1
    return create_segment(folder, plan, number)


def next_video(folder: Path, plan: RecordingPlan, paths: list[Path]) -> SegmentWriter:
    """Begin a new file after the last of `paths`, which is ended with its last frame.

    Raises:
        DiskError: It cannot be read or written.
    """
    number = segment_number(paths[-1]) + 1 if paths else 0
    with suppress(RecordingError):  # damaged: it is left as it is
        if paths and not conclude(paths[-1], most_torn(plan.spec)):
            paths[-1].unlink()
            number -= 1
    return create_segment(folder, plan, number)


def most_torn(spec: FrameSpec) -> int:
    """Say how much a killed writer may leave after the last frame of a video."""
    return 2 * sum(plane_nbytes(plane) for plane in spec.planes) + MAX_INDEX


def index_after(paths: list[Path]) -> int:
    """Give the index after the last frame of these segments; 0 if there is none."""
    tails = (last_record(path) for path in reversed(paths))
    return next((tail.index + 1 for tail in tails if tail), 0)


def resumed_log(
    folder: Path, plan: RecordingPlan, paths: list[Path], segment: SegmentWriter
) -> FrameLog:
    """Open the frame log, cut and completed to what the segments hold."""
    next_index = segment.next_index or index_after(paths)
    log = FrameLog.resume(log_path(folder, plan.name), plan.spec.fields, next_index)
    names = [path.name for path in paths]
    if log.rows.last_file in names:
        paths = paths[names.index(log.rows.last_file) :]
    if log.rows.last_index + 1 < next_index:
        for path in paths:
            rebuild_rows(log, path)
    log.flush()
    return log


def rebuild_rows(log: FrameLog, path: Path) -> None:
    """Add a row for each frame of a segment that the log has not."""
    for record in records_of(path):
        if record.index > log.rows.last_index:
            log.rebuild(path.name, record)


def sync_file(path: Path) -> None:
    """Make a file durable that somebody else wrote."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)
