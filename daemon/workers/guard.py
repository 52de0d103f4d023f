"""Watches the disk that a session is recorded on, beside the recording.

Disks may take seconds to answer, and deleting a large file does: so a thread of its
own asks and deletes. It looks when it is told that something was written, and leaves
what it found to the thread that owns the link.
"""

import errno
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from imagemp.config.machine import existing
from imagemp.errors import DiskError
from imagemp.recording.disk import disk_error, disk_errors
from imagemp.recording.folder import checked
from imagemp.recording.pruning import Removed, nbytes_in, remove_oldest
from imagemp.recording.room import QUOTA, FillRate, NoRoomError, Room, RoomPlan
from imagemp.recording.syncing import SyncThread
from imagemp.recording.writer import Recording

from .orders import Event, Failed, Told

LOOKAHEAD_S = 1.0  # of writing: until the next look, and until the source has stopped


class DiskGuard:
    """Keeps a floor of free space and a quota, for one session of one encoder.

    Args:
        plan: What to keep.
        data_dir: Where all recordings are.
        pipeline: Whose session it is.
        session: Its id, the name of its folder.
        tell: Sends to the supervisor; called by the thread of `make_room` and `serve`.

    Attributes:
        told: What there is, for a report; as of the last look.
    """

    def __init__(
        self,
        plan: RoomPlan,
        data_dir: Path,
        pipeline: str,
        session: str,
        tell: Callable[[Told], object],
    ) -> None:
        self.plan, self.told = plan, dict[str, int]()
        self._data_dir, self._pipeline = data_dir, checked("pipeline", pipeline)
        self._session, self._tell = session, tell
        self._place: tuple[int, int] | None = None  # device and inode of the folder
        self._others = 0  # bytes of the pipeline's other sessions
        self._written, self._backlog, self._expected = 0, 0, 0.0
        self._to_disk, self._to_folder = FillRate(), FillRate()
        self._is_over = self._has_rung = False
        self._found: deque[Removed | DiskError] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread: SyncThread | None = None

    @property
    def folder(self) -> Path:
        """The pipeline's folder."""
        return self._data_dir / self._pipeline

    def make_room(self) -> None:
        """See to it that a session may begin; its folder need not be there.

        Raises:
            NoRoomError: There is too little, and nothing that may be deleted.
            DiskError: The disk does not tell.
        """
        with disk_errors(self._data_dir):
            self._recount()
            room = self._measure()
            short = self._make_room(room) if self.plan.shortage(room) else None
        self.serve()
        if short is not None:
            raise short

    def begin(self) -> None:
        """Watch; the session's folder is there."""
        with disk_errors(self.folder):
            self._place = self._find_place()
            self._recount()
        self._thread = SyncThread(self._look, 0.0, "disk")
        self._thread.mark()

    def mark(self, recording: Recording, waiting: int, fps: float) -> None:
        """Something was written: have a look, soon.

        Args:
            recording: What there is by now.
            waiting: Frames that are yet to be written.
            fps: How many come in a second, nominally.
        """
        if self._thread is None or not recording.recorded:
            return
        self._written = recording.bytes_written
        each = self._written // recording.recorded
        self._backlog, self._expected = max(0, waiting) * each, fps * each
        self._thread.mark()

    @property
    def is_open(self) -> bool:
        """Whether `fileno` may be waited for."""
        return self._wake >= 0

    def fileno(self) -> int:
        """Readable when `serve` has something to do."""
        return self._wake

    def serve(self) -> DiskError | None:
        """Tell what was found; give what makes further writing useless, if anything."""
        if not self._has_rung:
            return None
        self._has_rung = False
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._found:
            found = self._found.popleft()
            if isinstance(found, NoRoomError):
                self._tell(Event(found.reason, found.details))
                told = (self._session, found.code, str(found), found.hint)
                self._tell(Failed(*told, reason=found.reason))
            elif isinstance(found, DiskError):
                return found
            else:
                self._tell_removed(found)
        return None

    def close(self) -> None:
        """End the watch, after the look under way. May be called twice."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None
        if self._wake >= 0:
            for found in self._found:
                if isinstance(found, Removed):
                    self._tell_removed(found)
            self._found.clear()
            os.close(self._wake)
            self._wake, self._has_rung = -1, False

    # -- in the thread, and in `make_room`

    def _look(self) -> None:
        if self._is_over:
            return
        try:
            if self._find_place() != self._place:
                raise FileNotFoundError(errno.ENOENT, "is no longer what it was")
            room = self._look_ahead(self._measure())
            if self.plan.shortage(room) and (short := self._make_room(room)):
                self._is_over = True
                self._find(short)
        except OSError as error:
            self._is_over = True
            found = error if isinstance(error, DiskError) else None
            self._find(found or disk_error(self.folder / self._session, error))

    def _make_room(self, room: Room) -> NoRoomError | None:
        """Delete what may go; say why that was not enough."""
        if self.plan.quota:
            self._recount()  # someone may have deleted what is still counted
            room = self._measure(room)
        while short := self.plan.shortage(room):
            removed = self._remove_oldest() if short == QUOTA else None
            if removed is None:
                return self.plan.refusal(short, room, self.folder)
            self._find(removed)
            self._others = max(0, self._others - removed.nbytes)
            room = self._measure(room)
        return None

    def _remove_oldest(self) -> Removed | None:
        if not self.plan.delete_oldest:
            return None
        return remove_oldest(self._data_dir, self._pipeline, self._session)

    def _measure(self, before: Room | None = None) -> Room:
        """Look what there is; what is on its way is as it was before."""
        disk = os.statvfs(existing(self.folder))
        used = 0
        if self.plan.quota:
            used = self._others + nbytes_in(self.folder / self._session)
        room = replace(before or Room(0), free=disk.f_bavail * disk.f_frsize, used=used)
        self.told = {"free": room.free, "left": self.plan.left(room)}
        if self.plan.quota:
            self.told["used"] = used
        return room

    def _look_ahead(self, room: Room) -> Room:
        """Add what will be written before a session could be stopped."""
        now, own = time.monotonic(), (self._written, self._backlog, self._expected)
        written, backlog, expected = own
        rates = (
            self._to_disk.take(now, written, room.free, expected),
            self._to_folder.take(now, written, -room.used, expected),
        )
        to_disk, to_folder = (backlog + int(rate * LOOKAHEAD_S) for rate in rates)
        return replace(room, to_disk=to_disk, to_folder=to_folder)

    def _recount(self) -> None:
        if self.plan.quota:
            self._others = nbytes_in(self.folder, but=self._session)

    def _find_place(self) -> tuple[int, int]:
        found = (self.folder / self._session).stat()
        return found.st_dev, found.st_ino

    def _find(self, found: Removed | DiskError) -> None:
        self._found.append(found)
        os.eventfd_write(self._wake, 1)
        self._has_rung = True  # last: whoever reads the counter must find it there

    def _tell_removed(self, found: Removed) -> None:
        details = {"session": found.session, "bytes": found.nbytes}
        self._tell(Event("deleted", details))
