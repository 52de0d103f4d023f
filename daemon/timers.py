"""Timers by name: one of each name, cancelled together."""

import asyncio
from collections.abc import Callable

from .wallclock import Alarm


class Timers:
    """What the loop is to call later."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handles: dict[str, asyncio.TimerHandle | Alarm] = {}

    @property
    def now(self) -> float:
        """The clock that they go by, in monotonic seconds."""
        return self._loop.time()

    def __contains__(self, name: str) -> bool:
        return name in self._handles

    def set(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Call later; a timer of this name that is still set is replaced."""
        self.cancel(name)
        self._handles[name] = self._loop.call_later(seconds, self._fire, name, call)

    def set_at(self, name: str, unix_s: float, call: Callable[[], None]) -> None:
        """Call when the wall clock shows a time, at once if it has passed."""
        self.cancel(name)
        self._handles[name] = Alarm(unix_s, lambda: self._fire(name, call))

    def cancel(self, *names: str) -> None:
        """Cancel those of these names that are set; all, if none is named."""
        for name in names or list(self._handles):
            if (handle := self._handles.pop(name, None)) is not None:
                handle.cancel()

    def _fire(self, name: str, call: Callable[[], None]) -> None:
        del self._handles[name]
        call()
