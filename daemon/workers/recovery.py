"""The recovery worker: repairs what sessions before have left, then leaves.

It has no time of its own: processor and disk are its when nobody else wants them. It
touches no session that somebody has locked, and asks before each other one: one that
is on is unlocked for a moment while its encoder is replaced.
"""

import fcntl
import logging
import os
import select
import signal
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from imagemp.errors import ImagempError, RecordingError
from imagemp.link import Link
from imagemp.recording.folder import SessionFolder, session_path
from imagemp.recording.reading import unended

from ..logs import fields
from .base import Worker
from .orders import Event, Recover, Search, ToWorker, Unended

if TYPE_CHECKING:
    from imagemp.recording.mend.repairing import Repair

log = logging.getLogger(__name__)
ORPHANS_S = 20.0  # what encoders without a supervisor may take to write and leave


class Recovery(Worker):
    """One search through the sessions of one pipeline."""

    kind: ClassVar[str] = "recovery"

    def __init__(self, link: Link[ToWorker]) -> None:
        super().__init__(link)
        self._folder = Path()
        self._found: deque[str] = deque()
        self._busy: list[str] = []
        self._may_wait = True

    def set_up(self) -> None:
        be_idle()

    def step(self) -> None:
        select.select([self.outbox], [], [])
        self.serve_link()

    def on_search(self, order: Search, _fds: list[int]) -> None:
        self._folder = session_path(Path(order.data_dir), order.pipeline, "x").parent
        found = unended(Path(order.data_dir), order.pipeline)
        self._found.extend(session.path.name for session in found)
        self._go_on()

    def on_recover(self, order: Recover, _fds: list[int]) -> None:
        if order.go:
            self._recover(order.session)
        self._go_on()

    def _go_on(self) -> None:
        """Ask about the next one; those that were locked come once more, last."""
        if not self._found and self._may_wait:
            self._may_wait = False
            for session in self._busy:
                wait_for_orphans(self._folder / session)
            self._found.extend(self._busy)
        if self._found:
            self.tell(Unended(self._found.popleft()))
        else:
            self.leaving = True

    def _recover(self, session: str) -> None:
        path = self._folder / session
        try:
            SessionFolder.open(path, alone=True).close()
        except RecordingError:
            self._busy.append(session)
            return
        except ImagempError:
            return  # it has been deleted meanwhile
        self._repair(path)

    def _repair(self, path: Path) -> None:
        from imagemp.recording.mend.repairing import repair_session  # imports numpy

        try:
            repair = repair_session(path, thorough=False)
        except Exception as error:
            if not isinstance(error, ImagempError):
                log.exception("not recovered", extra=fields(session=path.name))
            told = {"session": path.name, "message": str(error)}
            self.tell(Event("not_recovered", told))
        else:
            self.tell(Event("recovered", details(repair)))


def be_idle() -> None:
    """Run when nobody else wants to; the disk's turn follows the processor's."""
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def wait_for_orphans(path: Path) -> None:
    """Wait until nobody has the folder's lock, but not for ever.

    Encoders outlive a supervisor that was killed, to write what is in the ring.
    """
    signal.signal(signal.SIGALRM, _give_up)
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            signal.setitimer(signal.ITIMER_REAL, ORPHANS_S)
            fcntl.flock(fd, fcntl.LOCK_EX)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.close(fd)


def details(repair: "Repair") -> dict[str, Any]:
    """Give what the event says."""
    told = ("frames", "damaged", "lost_bytes")
    summary = repair.summary
    return {
        "session": summary["session"],
        "state": summary["state"],
        "dir": summary["dir"],
        "encoders": {
            name: {key: found[key] for key in told}
            for name, found in summary["encoders"].items()
        },
    }


def _give_up(_number: int, _frame: object) -> NoReturn:
    raise TimeoutError
