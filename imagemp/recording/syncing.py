"""A thread that makes durable what another thread writes.

It sleeps as long as nothing was written; then it waits a little, so that one sync
serves many frames, and syncs. `os.fdatasync` lets go of the GIL: the writer goes on.
"""

import threading
import time
from collections.abc import Callable


class SyncThread:
    """Calls `sync` no later than a period after each `mark`, never twice at once.

    Args:
        sync: What to do.
        period_s: How long it may wait for more.
        name: Of the thread, for those who look at a process from outside.

    Attributes:
        error: What `sync` raised; the thread has ended with it.
    """

    def __init__(
        self, sync: Callable[[], None], period_s: float, name: str = "sync"
    ) -> None:
        self.error: OSError | None = None
        self._sync = sync
        self._period_s = period_s
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._marked_at = 0.0
        self._under_way: float | None = None  # the oldest mark that is being synced
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def mark(self) -> None:
        """Say that there is something to sync."""
        if not self._dirty.is_set():
            self._marked_at = time.monotonic()
            self._dirty.set()

    def lag_s(self) -> float:
        """Give how long the oldest mark has waited for its sync; 0: there is none.

        Called by the thread that marks.
        """
        if self._closing.is_set():
            return 0.0  # who closes it syncs what is left
        if (oldest := self._under_way) is None:
            if not self._dirty.is_set():
                return 0.0
            oldest = self._marked_at
        return time.monotonic() - oldest

    def close(self) -> None:
        """End the thread, after the sync under way. May be called twice."""
        self._closing.set()
        self._dirty.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            if self._closing.wait(self._period_s):
                return
            self._under_way = self._marked_at
            self._dirty.clear()
            try:
                self._sync()
            except OSError as error:
                self.error = error
                return
            self._under_way = None
