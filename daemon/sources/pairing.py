"""Which frame of one camera belongs to which of another, by the sensors' clock. Pure.

Two cameras run at one rate, not in step: each frame has at most one partner, within
half a period. One without is an orphan: its partner was lost, or never made.
"""

from collections import deque
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """Whatever was taken at a time."""

    @property
    def t_sensor_ns(self) -> int:
        """When its first row began to be exposed."""


T = TypeVar("T", bound=Timed)


class Pairing(Generic[T]):
    """Two streams in, pairs out; each stream in order of time.

    Attributes:
        period_ns: From one frame to the next, in either stream.
        orphans: How many each stream has had.
    """

    def __init__(self, period_ns: int) -> None:
        self.period_ns = period_ns
        self._waiting: tuple[deque[T], deque[T]] = (deque(), deque())
        self.orphans = [0, 0]

    def add(self, side: int, item: T) -> None:
        """The next item of stream 0 or 1."""
        self._waiting[side].append(item)

    def take(self) -> tuple[tuple[T, T] | None, list[T]]:
        """Give the next pair, None if none is there yet, and the orphans before it."""
        left, right = self._waiting
        orphans: list[T] = []
        while left and right:
            skew_ns = right[0].t_sensor_ns - left[0].t_sensor_ns
            if abs(skew_ns) < self.period_ns // 2:
                return (left.popleft(), right.popleft()), orphans
            side = 0 if skew_ns > 0 else 1
            orphans.append(self._waiting[side].popleft())
            self.orphans[side] += 1
        return None, orphans

    def clear(self) -> list[T]:
        """Forget what waits; give it back, to be let go."""
        waiting = [item for stream in self._waiting for item in stream]
        for stream in self._waiting:
            stream.clear()
        return waiting
