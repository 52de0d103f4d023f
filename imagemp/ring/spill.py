"""The spill thread: copies filled RAM slots to overflow slots, nothing else.

`os.pwrite` and numpy's copy both let other threads run meanwhile. Storing to the
disk through a map in the capture thread stalled it up to 130 ms under memory
pressure; this thread may stall as long as RAM slots last.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from .segment import Segment

log = logging.getLogger(__name__)
Store = Callable[[int, int], None]


class Spill:
    """One thread, and what it has finished.

    Args:
        store: Copies a RAM slot to an overflow slot; may raise OSError.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._todo: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self._done: deque[tuple[int, bool]] = deque()
        self._finished = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name="spill", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Readable when something is finished."""
        return self._finished

    def put(self, slot: int, overflow: int) -> None:
        """Have a slot copied; both stay untouched until it is finished."""
        self._todo.put((slot, overflow))

    def finished(self) -> list[tuple[int, bool]]:
        """Give the slots that are finished, in order, and whether it went well."""
        try:
            n = os.eventfd_read(self._finished)
        except BlockingIOError:
            return []
        return [self._done.popleft() for _ in range(n)]

    def close(self) -> None:
        """Finish what was put, then end the thread. May be called twice."""
        if self._finished < 0:
            return
        self._todo.put(None)
        self._thread.join()
        os.close(self._finished)
        self._finished = -1

    def _run(self) -> None:
        while (job := self._todo.get()) is not None:
            ok = True
            try:
                self._store(*job)
            except OSError as error:
                if not self._has_failed:  # once: per frame it is telemetry
                    log.warning("overflow: frames kept in RAM: %s", error)
                ok, self._has_failed = False, True
            self._done.append((job[0], ok))
            os.eventfd_write(self._finished, 1)


def storing(segment: Segment) -> Store:
    """Give what copies a slot to this segment's overflow, wherever that is."""
    if segment.geometry.overflow_kind == "memory":
        return lambda slot, to: _copy(segment, slot, to)
    return lambda slot, to: _write(segment, slot, to)


def _copy(segment: Segment, slot: int, to: int) -> None:
    np.copyto(
        np.frombuffer(segment.slot(to), np.uint8),
        np.frombuffer(segment.slot(slot), np.uint8),
    )


def _write(segment: Segment, slot: int, to: int) -> None:
    data, (_, at) = segment.slot(slot), segment.geometry.slot_at(to)
    while data:
        n = os.pwrite(segment.overflow_fd, data, at)
        data, at = data[n:], at + n
