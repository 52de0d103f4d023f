"""Which frames an encoder records, which it holds, and which it lets go. Pure.

A frame outside all spans is held for a while: a trigger may still ask for it.
"""

import enum
from collections.abc import Sequence

from imagemp.config.holding import SLACK_S

PlainSpans = Sequence[tuple[int, int]]

FOREVER = 2**62  # ns
ALWAYS: PlainSpans = [(0, FOREVER)]
ORDER_S = 0.05  # an order is heard so long after its instant, if all is well


class Verdict(enum.Enum):
    """What becomes of a frame."""

    RECORD = enum.auto()
    HOLD = enum.auto()
    LET_GO = enum.auto()


class Gate:
    """The spans of one encoder, and how long it waits for more.

    Args:
        spans: To be recorded, in order.
        is_armed: Whether triggers matter.
        pre_s: How far they reach back.

    Attributes:
        pre_s: As given.
        cause: What is let go is skipped under it.
        is_last: No more spans will come: nothing is held any more.
    """

    def __init__(self, spans: PlainSpans, *, is_armed: bool, pre_s: float) -> None:
        self.spans, self.is_armed = spans, is_armed
        self.cause = "not_triggered" if is_armed else "not_recording"
        self.pre_s, self.is_last = pre_s, False
        self._pre_ns = round(pre_s * 1e9)
        self._keep_ns = self._pre_ns + round((SLACK_S if is_armed else ORDER_S) * 1e9)

    def wants_any(self, first_ns: int, last_ns: int) -> bool:
        """Whether a span reaches into this stretch of time."""
        return any(start <= last_ns and first_ns < end for start, end in self.spans)

    def is_wanted(self, arrival_ns: int) -> bool:
        """Whether a frame of this time lies in a span."""
        return any(start <= arrival_ns < end for start, end in self.spans)

    def judge(self, arrival_ns: int, heard_ns: int) -> Verdict:
        """Say what becomes of a frame of this time.

        Args:
            arrival_ns: When it came.
            heard_ns: Every order that was given before has been heard.
        """
        if self.is_wanted(arrival_ns):
            return Verdict.RECORD
        if self.is_last or self.due_ns(arrival_ns) <= heard_ns:
            return Verdict.LET_GO
        return Verdict.HOLD

    def due_ns(self, arrival_ns: int) -> int:
        """When a frame of this time, outside all spans, may be let go."""
        return arrival_ns + self._keep_ns

    def is_early(self, arrival_ns: int, now_ns: int) -> bool:
        """Whether a trigger of this instant would still reach that frame."""
        return self.is_armed and now_ns - arrival_ns < self._pre_ns
