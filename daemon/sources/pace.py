"""Waiting for the next deadline, and for `wake` beside it.

Deadlines lie on an exact grid, so a source of 29.97 fps has not drifted by a
microsecond after a week. Nothing here spins: one select sleeps until then.
"""

import select
import time
from fractions import Fraction

from imagemp.clock import boottime_ns

FD_SETSIZE = 1024  # select(2) has no bit for this descriptor and those above
SECOND_NS = 1_000_000_000
MS_NS = 1_000_000


class Clock:
    """CLOCK_BOOTTIME, and waiting for a time on it; tests pass their own."""

    def now(self) -> int:
        """Nanoseconds, the clock of every stamp in a frame."""
        return boottime_ns()

    def wait(self, until_ns: int, wake: int) -> bool:
        """Sleep until then; False at once if `wake` is or becomes readable."""
        while True:
            left = until_ns - self.now()
            if is_readable(wake, max(left, 0)):
                return False
            if left <= 0:
                return True


class Pace:
    """Deadlines `start + k * period`, exact fractions rounded down to the ns.

    The first deadline is the moment of the first `wait`. With `fps` 0 every
    deadline is now.

    Attributes:
        period_ns: Exact, as numerator and denominator; 0 for as fast as possible.
        start_ns: When deadline 0 was; None before the first `wait`.
        k: The next deadline.
    """

    def __init__(self, fps: float, clock: Clock | None = None) -> None:
        # by its digits, so that 29.97 is 2997/100 and not the nearest double
        period = SECOND_NS / Fraction(str(fps)) if fps else Fraction(0)
        self.period_ns = period.as_integer_ratio()
        self.clock = clock or Clock()
        self.start_ns: int | None = None
        self.k = 0

    def wait(self, wake: int) -> bool:
        """Sleep until the next deadline; False as soon as `wake` is readable."""
        return self.clock.wait(self.deadline_ns, wake)

    def take_newest(self) -> tuple[int, int]:
        """Take the newest deadline that has passed; what was before it is lost."""
        return self.take_kept(1)

    def take_kept(self, buffers: int) -> tuple[int, int]:
        """Take the oldest deadline that a camera of so many buffers still has.

        Returns:
            Its time, and how many before it went by and are lost.
        """
        if not self.period_ns[0]:
            return self.clock.now(), 0
        newest = max(self.k, self.last_before(self.clock.now()))
        oldest = max(self.k, newest - buffers + 1)
        missed, self.k = oldest - self.k, oldest
        taken_ns = self.deadline_ns
        self.k += 1
        return taken_ns, missed

    def take_next(self) -> int:
        """Take each deadline in turn, as a player does; give the time it is now.

        Late by a period or more, the grid begins anew here: what comes after
        keeps its distance and does not come in a burst.
        """
        now = self.clock.now()
        if self.last_before(now) > self.k:
            self.start_ns, self.k = now, 0
        self.k += 1
        return now

    @property
    def deadline_ns(self) -> int:
        """When deadline `k` is."""
        numerator, denominator = self.period_ns
        return self.begin() + self.k * numerator // denominator

    def last_before(self, now_ns: int) -> int:
        """Give the number of the last deadline at or before `now_ns`."""
        numerator, denominator = self.period_ns
        if not numerator:
            return self.k
        return ((now_ns - self.begin() + 1) * denominator - 1) // numerator

    def begin(self) -> int:
        """Start the grid now, unless it has started."""
        if self.start_ns is None:
            self.start_ns = self.clock.now()
        return self.start_ns


def is_readable(fd: int, within_ns: int) -> bool:
    """Wait at most this long; may return False early if `fd` is 1024 or above.

    select knows microseconds but only small descriptors, poll all of them but
    only milliseconds. So there the last millisecond is slept, deaf to `fd`.
    """
    if fd < FD_SETSIZE:
        return bool(select.select([fd], [], [], within_ns / SECOND_NS)[0])
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    whole_ms, rest_ns = divmod(within_ns, MS_NS)
    if poller.poll(whole_ms):
        return True
    if not whole_ms:
        time.sleep(rest_ns / SECOND_NS)
    return False
