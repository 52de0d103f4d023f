"""A pipeline's timetable: which of the grabbed frames are wanted.

Pure, once made: the clock is an argument, in ns, any clock that never goes back
as long as it is always the same. The capture worker asks `due` once per grabbed
frame, with the frame's time, and takes the frame or lets it go. So a deadline
gets the first frame at or after it, never one before.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import msgspec

from imagemp.config import ScheduleConfig

from .times import ascending, listed, nanoseconds, run

SECOND = 10**9


class Schedule:
    """Free running: every frame is wanted, once it is time to start.

    Attributes:
        late: Deadlines whose first frame was not theirs: several had passed.
        skipped: Those of them that never get a frame.
    """

    def __init__(self, config: ScheduleConfig) -> None:
        self.late = self.skipped = 0
        self._start_in_ns = nanoseconds(config.start_in_s)
        self._start_ns: int | None = None

    @classmethod
    def from_config(
        cls, config: ScheduleConfig, generator: Iterable[Any] | None = None
    ) -> "Schedule":
        """Make the timetable that a configuration asks for.

        Args:
            config: Its `file` is read and its `generator` loaded here.
            generator: Seconds since the start, in place of the configured ones;
                taken one ahead of the clock, so it may go on for ever.

        Raises:
            ConfigError: The times do not ascend, or cannot be had.
            TargetError: There is no such generator.
        """
        if config.trigger:
            return OnTrigger(config)
        if config.every_s is not None and generator is None:
            return Timed(config, Every(config.every_s))
        if generator is None and config.generator is not None:
            generator = run(config.generator)
        if generator is not None:
            return Timed(config, Listed(ascending(generator, "schedule.generator")))
        key, seconds = listed(config)
        if seconds is None:
            return Schedule(config)
        return Timed(config, Listed(iter(list(ascending(seconds, key)))))

    @property
    def finished(self) -> bool:
        """Whether no frame will be wanted any more."""
        return False

    @property
    def start_ns(self) -> int:
        """When the first frame may be wanted, once it has begun."""
        return self._start_ns or 0

    def begin(self, start_ns: int, served_ns: int | None = None) -> None:
        """Start the clock.

        Args:
            start_ns: When the session began.
            served_ns: A worker before this one has served all until then.
        """
        self._start_ns = start_ns + self._start_in_ns
        if served_ns is not None:
            self._forget(served_ns - self._start_ns)

    def due(self, now_ns: int) -> bool:
        """Whether the frame of this time is wanted; if so, it counts as taken."""
        if self._start_ns is None or now_ns < self._start_ns:
            return False
        return self._take(now_ns - self._start_ns)

    def next_ns(self) -> int | None:
        """When a frame will be wanted; None: after a trigger, or never."""
        wait_ns = self._wait_ns()
        if self._start_ns is None or wait_ns is None:
            return None
        return self._start_ns + wait_ns

    def trigger(self, frames: int | None = None, at_ns: int = 0) -> None:
        """Ask for frames, besides those asked for before.

        Args:
            frames: None: `frames_per_trigger`. Only a triggered schedule obeys.
            at_ns: When they were asked for; no frame of before is one of them.
        """

    def _take(self, _elapsed_ns: int, /) -> bool:
        return True

    def _wait_ns(self) -> int | None:
        """From the start to the next wanted frame."""
        return 0

    def _forget(self, elapsed_ns: int) -> None:
        """Strike out what was wanted until then, uncounted."""


class OnTrigger(Schedule):
    """Nothing is wanted until a trigger; triggers pile up."""

    def __init__(self, config: ScheduleConfig) -> None:
        super().__init__(config)
        self._frames_per_trigger = config.frames_per_trigger
        self._asked: deque[list[int]] = deque()  # when, and frames still to take

    def trigger(self, frames: int | None = None, at_ns: int = 0) -> None:
        n = self._frames_per_trigger if frames is None else frames
        if n > 0:
            self._asked.append([at_ns, n])

    def _take(self, elapsed_ns: int, /) -> bool:
        wait_ns = self._wait_ns()
        if wait_ns is None or elapsed_ns < wait_ns:
            return False
        self._asked[0][1] -= 1
        if not self._asked[0][1]:
            self._asked.popleft()
        return True

    def _wait_ns(self) -> int | None:
        asked = self._asked
        return max(0, asked[0][0] - (self._start_ns or 0)) if asked else None


class Timed(Schedule):
    """A frame per deadline."""

    def __init__(self, config: ScheduleConfig, deadlines: "Every | Listed") -> None:
        super().__init__(config)
        self._deadlines = deadlines
        self._catches_up = config.late == "catch-up"
        self._last_ns = -1

    @property
    def finished(self) -> bool:
        return self._deadlines.next is None

    def _take(self, elapsed_ns: int, /) -> bool:
        deadline = self._deadlines.next
        if deadline is None or elapsed_ns < deadline:
            return False
        if self._catches_up:
            self.late += deadline <= self._last_ns  # another got that frame
            self._deadlines.drop_first()
        else:
            older = self._deadlines.drop_until(elapsed_ns) - 1
            self.late += older
            self.skipped += older
        self._last_ns = elapsed_ns
        return True

    def _wait_ns(self) -> int | None:
        return self._deadlines.next

    def _forget(self, elapsed_ns: int) -> None:
        self._deadlines.drop_until(elapsed_ns)


class Every:
    """Deadlines at 0, 1, 2... periods, each computed from its number: no drift.

    All times are ns since the start.
    """

    def __init__(self, seconds: float) -> None:
        period = Fraction(str(seconds)) * SECOND
        self._top, self._bottom = period.as_integer_ratio()
        self._number = 0

    @property
    def next(self) -> int:
        """The first deadline that is left."""
        return self._number * self._top // self._bottom

    def drop_first(self) -> None:
        """Go on to the one after it."""
        self._number += 1

    def drop_until(self, elapsed_ns: int) -> int:
        """Drop all that are not after this time; give their number."""
        # the first n with floor(n * period) > elapsed, however long the gap was
        first = -((-elapsed_ns - 1) * self._bottom // self._top)
        dropped = max(0, first - self._number)
        self._number += dropped
        return dropped


class Listed:
    """The same from an iterator, of which one is held; `next` may be None."""

    def __init__(self, deadlines: Iterator[int]) -> None:
        self._deadlines = deadlines
        self.next = next(deadlines, None)

    def drop_first(self) -> None:
        self.next = next(self._deadlines, None)

    def drop_until(self, elapsed_ns: int) -> int:
        dropped = 0
        while self.next is not None and self.next <= elapsed_ns:
            self.drop_first()
            dropped += 1
        return dropped


def schedule_from(plain: Mapping[str, Any]) -> Schedule:
    """Make the timetable from a `ScheduleConfig` that came as a message."""
    return Schedule.from_config(msgspec.convert(plain, ScheduleConfig))
