"""Sessions that begin at one instant: those of one request, or of one time of day.

Their sources need different times to open. So each says when it is ready, and all
go together; what a camera gives before the common instant is let go by its capture
worker. A timetable counts from there.
"""

import asyncio
from collections.abc import Callable

from imagemp.clock import boottime_ns

from .wallclock import instant_of

LEAD_S = 5.0  # before a time of day: what cameras get to open
PATIENCE_S = 10.0  # for the slowest, then the others go without it

Go = Callable[[int], None]


class Together:
    """Lets sessions go when all are ready; who comes late has the same instant.

    Args:
        sessions: How many they are.
        at_unix: Go at this time, whoever is ready then; None: when all are.

    Attributes:
        base_ns: The instant, CLOCK_BOOTTIME; None: it is not known yet.
    """

    def __init__(self, sessions: int = 1, at_unix: float | None = None) -> None:
        self.at_unix = at_unix
        self.base_ns: int | None = None
        self._sessions = sessions
        self._ready: dict[str, Go] = {}
        self._answered: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_common(self) -> bool:
        """Whether frames of before the instant are nobody's."""
        return self._sessions > 1 or self.at_unix is not None

    def opening(self) -> None:
        """Sources are being opened: from now on a time of day is an instant."""
        if self.at_unix is not None and self.base_ns is None:
            self.base_ns = max(instant_of(self.at_unix), boottime_ns())

    def ready(self, session: str, go: Go) -> None:
        """One is ready; `go` is called with the instant, now or later."""
        if self.base_ns is not None:
            go(self.base_ns)
            return
        self._ready[session] = go
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PATIENCE_S, self._go)
        self._answer(session)

    def leave(self, session: str) -> None:
        """One is over; if it had not begun, nobody waits for it any more."""
        self._ready.pop(session, None)
        self._answer(session)

    def _answer(self, session: str) -> None:
        self._answered.add(session)
        if len(self._answered) == self._sessions:
            self._go()

    def _go(self) -> None:
        """Let all go that are ready; the others follow."""
        if self._timer is not None:
            self._timer.cancel()
        ready, self._ready = self._ready, {}
        if ready and self.base_ns is None:
            self.base_ns = boottime_ns()
        for go in ready.values():
            go(self.base_ns or 0)
