"""When a dead worker is started again. Pure: clock and chance are arguments."""

from collections import deque
from dataclasses import dataclass, field

FIRST_S = 0.25
RETRY_S = 1.0  # before a source that could not be opened again is tried anew
CAP_S = 30.0
GATEWAY_CAP_S = 2.0  # without it nobody is answered: the daemon looks dead
JITTER = 0.2
STABLE_S = 10.0
MOST_DOUBLED = 10  # beyond the cap; a camera may fail all night
TOO_MANY = 5
WITHIN_S = 60.0


@dataclass(slots=True)
class Restarts:
    """The failures of one worker.

    Attributes:
        cap_s: The longest wait for a successor.
        total: Failures since the daemon began, each with a restart.
    """

    cap_s: float = CAP_S
    total: int = 0
    _row: int = 0
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=TOO_MANY))

    def failed(self, now: float, lived_s: float, chance: float) -> float:
        """Give the seconds to wait: 0.25 s, doubled with each failure in a row.

        Args:
            now: Monotonic seconds.
            lived_s: How long the process lived; 10 s and it counts as stable.
            chance: 0 to 1; shifts the delay by up to 20 % either way.
        """
        self._row = 0 if lived_s >= STABLE_S else self._row
        delay = min(self.cap_s, FIRST_S * 2.0**self._row)
        self._row = min(self._row + 1, MOST_DOUBLED)
        self.total += 1
        self._recent.append(now)
        return delay * (1 + JITTER * (2 * chance - 1))

    def is_too_many(self, now: float) -> bool:
        """Whether it failed 5 times within the last minute."""
        return len(self._recent) == TOO_MANY and now - self._recent[0] <= WITHIN_S

    def forgive(self) -> None:
        """Begin anew: somebody asked for it, or a session begins."""
        self._row = 0
        self._recent.clear()


def retry_s(tries: int) -> float:
    """Give the seconds until a source is opened again: 1, doubled, 30 at most."""
    return min(CAP_S, RETRY_S * 2.0 ** min(tries - 1, MOST_DOUBLED))
