"""When the next report is due. Pure: the clock is an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class Cadence:
    """At most one report a period, and none while nothing has changed.

    Attributes:
        period_s: Least time between two reports.
    """

    period_s: float
    _last: float = 0.0
    _changed: bool = False

    def mark(self) -> None:
        """Something has changed that the next report will tell."""
        self._changed = True

    def timeout(self, now: float) -> float | None:
        """Seconds to wait for; None: for ever, nothing is due."""
        if not self._changed:
            return None
        return max(0.0, self._last + self.period_s - now)

    def take(self, now: float) -> bool:
        """Whether a report is due; it counts as made."""
        if not self._changed or now < self._last + self.period_s:
            return False
        self._last, self._changed = now, False
        return True
