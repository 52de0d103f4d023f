"""A session that begins with the daemon, and again for as long as it cannot begin.

A camera may be plugged in, or a disk mounted, an hour after the machine started.
"""

import random
import time
from collections.abc import Callable

from .accounts import Facts
from .restarts import Restarts
from .timers import Timers


class Autostart:
    """Decides when a session that nobody asked for is tried again.

    Args:
        begin: Begins a session, and has `ended` called with what came of it.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        self._timers, self._failures = Timers(), Restarts()

    @property
    def is_waiting(self) -> bool:
        """Whether another try is to come."""
        return "again" in self._timers

    def ended(self, facts: Facts) -> float | None:
        """A session is over; give the seconds until the next try, None: there is none.

        One that had begun has had its chance: what ends it then would end the next.
        """
        if not facts.is_void or facts.reason == "stopped":
            return None
        delay = self._failures.failed(time.monotonic(), 0.0, random.random())  # noqa: S311
        self._timers.set("again", delay, self._begin)
        return delay

    def cancel(self) -> None:
        """Try no more: somebody else decides now."""
        self._timers.cancel()
