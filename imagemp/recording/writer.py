"""A recording: what an encoder leaves of the frames it was given.

Frames go to pages, pages to segments, a row of each to the frame log. All is called
by one thread. Beside it the sync thread writes the rows, waits for the disk, and
closes segments that are full; and where frames are compressed, a press does that.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from ..errors import DiskError, RecordingError
from ..frames import Frame
from .disk import disk_error, disk_errors, sync_folder
from .folder import log_path, segment_number, segment_paths
from .framelog import FrameLog
from .manifest import RecordedFile
from .plan import RecordingPlan
from .segments import (
    SegmentWriter,
    create_segment,
    resume_segment,
    resumed_log,
    sync_file,
)
from .syncing import SyncThread
from .tiff.pages import Strips
from .tiff.press import Press


class Recording:
    """Pages, frame log and their durability; made by `create` or `resume`.

    Attributes:
        next_index: `index` of the last recorded frame + 1; 0 if there is none.
        recorded: Frames in the recording, those of a predecessor too.
        durable: How many of them a power cut does not take.
        last_place: File and page of the frame that was recorded last.
    """

    def __init__(
        self, folder: Path, plan: RecordingPlan, segment: SegmentWriter, log: FrameLog
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.next_index = log.rows.last_index + 1
        self.recorded = sum(log.rows.frames.values())
        self.durable = 0
        self.last_place = ("", 0)
        self._planes = len(plan.spec.planes)
        self._segment, self._log = segment, log
        self._press = Press.of(plan)
        self._full: list[SegmentWriter] = []  # for the sync thread to close
        self._ended: list[RecordedFile] = []
        self._folder_changed = True
        self._closed = False
        self._not_durable: OSError | None = None
        self._changed = threading.Condition()  # guards the segments and `durable`
        self._syncing = SyncThread(self._sync, plan.sync_ms / 1000)

    @classmethod
    def create(cls, folder: Path, plan: RecordingPlan) -> Self:
        """Begin a recording in a session's folder.

        Raises:
            DiskError: Files of this encoder are there already, or cannot be made.
        """
        segment = create_segment(folder, plan, 0)
        try:
            log = FrameLog.create(log_path(folder, plan.name), plan.spec.fields)
        except DiskError:
            segment.discard()
            raise
        return cls(folder, plan, segment, log)

    @classmethod
    def resume(cls, folder: Path, plan: RecordingPlan) -> Self:
        """Go on where an encoder that died left off; begin if it left nothing.

        Ghosts are cut off the last segment, and the frame log is made to agree.

        Raises:
            DiskError: The files cannot be read or written.
        """
        paths = segment_paths(folder, plan.name)
        with disk_errors(folder):
            for path in paths[:-1]:
                sync_file(path)  # it may have died before it came to that
            segment = resume_segment(folder, plan, paths)
            log = resumed_log(folder, plan, paths, segment)
        recording = cls(folder, plan, segment, log)
        recording._ended = [recording._entry(p) for p in paths if p != segment.path]
        if recording.recorded:
            recording._syncing.mark()
        return recording

    @property
    def bytes_written(self) -> int:
        """Size of all segments."""
        return self._segment.nbytes + sum(file.bytes for file in self._ended)

    @property
    def durable_lag_s(self) -> float:
        """How long the oldest frame has been recorded that is not durable."""
        return self._syncing.lag_s()

    @property
    def in_flight(self) -> int:
        """Frames that were submitted and are not yet recorded."""
        return len(self._press) if self._press is not None else 0

    @property
    def most_in_flight(self) -> int:
        """So many keep all threads busy; 0 where frames are recorded at once."""
        return self._press.most if self._press is not None else 0

    def fileno(self) -> int:
        """Readable when `settle` has something to do; -1 where it never has."""
        return self._press.fileno() if self._press is not None else -1

    def submit(self, frame: Frame) -> bool:
        """Take a frame. True: it is recorded. False: `settle` will give it back.

        A frame is recorded when a kill -9 does not take it any more. One that is in
        flight must stay as it is; nobody but the caller bounds how many there are.

        Raises:
            DiskError: The disk is full or failing, `errno` says which; the recording
                is closed, and whole up to the frame before.
            FrameShapeError: The frame has other planes than the recording.
            RecordingError: The recording is closed.
        """
        if self._closed:
            raise RecordingError(f"{self._segment.path}: the recording is closed")
        if self._press is None:
            self._write(frame, None)
            return True
        self._press.put(frame)
        return False

    def settle(self, *, wait: bool = False) -> Frame | None:
        """Record the oldest frame in flight and give it back.

        Args:
            wait: Until it is compressed. None then means that there is none.

        Raises:
            DiskError: As `submit` does; what was in flight is not recorded.
        """
        taken = self._press.take(wait=wait) if self._press is not None else None
        if taken is None:
            return None
        self._write(*taken)
        return taken[0]

    def append(self, frame: Frame) -> None:
        """Submit a frame, and wait until it is recorded."""
        if not self.submit(frame):
            self._settle_all()

    def wait_durable(self, frames: int, timeout_s: float) -> bool:
        """Wait until so many frames are durable; False if they are not by then."""
        with self._changed:
            return self._changed.wait_for(lambda: self.durable >= frames, timeout_s)

    def files(self) -> list[RecordedFile]:
        """Give all segments, as the manifest lists them."""
        if not self._segment.pages:
            return list(self._ended)
        return [*self._ended, self._entry(self._segment.path)]

    def close(self) -> None:
        """Record what is in flight, make all durable, and close.

        A segment without a frame goes away.

        May be called twice.

        Raises:
            DiskError: What was recorded could not be made durable.
        """
        if self._closed:
            return
        self._settle_all()
        if self._press is not None:
            self._press.close()
        self._closed = True
        self._syncing.close()
        self._segment.finish()
        try:
            with disk_errors(self.folder):
                self._sync_last()
        finally:
            for segment in [*self._full, self._segment]:
                segment.close()
            self._log.close()
            if not self._segment.pages:
                self._segment.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _settle_all(self) -> None:
        while self.settle(wait=True) is not None:
            pass

    def _write(self, frame: Frame, strips: Strips | None) -> None:
        try:
            if self._syncing.error:
                raise disk_error(self.folder, self._syncing.error)
            if not self._has_place(frame, strips):
                self._begin_segment()
            page = self._segment.pages
            self._segment.append(frame, strips)
        except DiskError:
            self._give_up()
            raise
        self.last_place = (self._segment.path.name, page)
        self._log.add(frame.info, *self.last_place)
        self.next_index = frame.info.index + 1
        self.recorded += 1
        self._syncing.mark()

    def _give_up(self) -> None:
        if self._press is not None:
            self._press.close()
        with suppress(DiskError):
            self.close()

    def _has_place(self, frame: Frame, strips: Strips | None) -> bool:
        segment = self._segment
        if segment.began_ns is None:
            return True
        nbytes = segment.nbytes_with(frame, strips)
        age_ns = frame.info.t_sensor_ns - segment.began_ns
        return self.plan.limits.allow(nbytes, segment.pages + self._planes, age_ns)

    def _begin_segment(self) -> None:
        number = segment_number(self._segment.path) + 1
        segment = create_segment(self.folder, self.plan, number)
        self._segment.finish()
        with self._changed:
            self._ended.append(self._entry(self._segment.path))
            self._full.append(self._segment)
            self._segment = segment
            self._folder_changed = True

    def _entry(self, path: Path) -> RecordedFile:
        pages = self._log.rows.frames.get(path.name, 0) * self._planes
        size = path.stat().st_size
        return RecordedFile(path.name, self.plan.name, pages, size)

    def _sync(self) -> None:
        try:
            self._log.flush()
        finally:  # a log that cannot be written must not cost a page
            self._sync_pages()

    def _sync_last(self) -> None:
        try:
            self._log.flush_last()
        finally:
            self._sync_pages()

    def _sync_pages(self) -> None:
        # After an fdatasync that failed, the next one says what is not true.
        if self._not_durable:
            raise self._not_durable
        try:
            self._make_durable()
        except OSError as error:
            self._not_durable = error
            raise

    def _make_durable(self) -> None:
        with self._changed:
            recorded, segment, full = self.recorded, self._segment, list(self._full)
            folder_changed, self._folder_changed = self._folder_changed, False
        for written in [*full, segment]:
            written.sync()
        if folder_changed or self._closed:
            self._log.sync()  # not each time: pages can tell the rows since
            sync_folder(self.folder)
        with self._changed:
            self._full = self._full[len(full) :]
            self.durable = recorded
            self._changed.notify_all()
        for written in full:
            written.close()
