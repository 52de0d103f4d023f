"""The frames that an encoder has taken and not yet decided on, oldest first.

Without this a frame is recorded when it is taken. Here it waits for its turn: the
oldest is judged, and none overtakes another.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from imagemp.clock import boottime_ns
from imagemp.frames import Frame, FrameInfo
from imagemp.recording.writer import Recording
from imagemp.ring.feed import Feed

from .gate import ALWAYS, Gate, PlainSpans, Verdict
from .orders import Event, Told
from .papers import EncoderPlan
from .recorder import ALARM
from .ringroom import RingRoom
from .spanlog import SpanLog

BATCH = 8  # frames between two looks at the link
LEAST_S = 0.001  # a wait that does not spin

Taken = tuple[Frame, Frame, str]
"""A frame of the ring, what is to be recorded of it, and why not, or ""."""


class Hold:
    """Passes frames on when it is known what becomes of them.

    Args:
        feed: Where they come from.
        record: Given the frame, what to record of it, and why not, or "". Gives the
            cause to settle it under, or None: it is settled later.
        settle: Accounts for a frame.
        tell: Sends to the supervisor.

    Attributes:
        is_idle: Whether all is recorded, and always was: nothing is held.
        heard_ns: All orders that were given before this instant have been obeyed.
    """

    def __init__(
        self,
        feed: Feed,
        record: Callable[[Frame, Frame, str], str | None],
        settle: Callable[[Frame, str], None],
        tell: Callable[[Told], object],
    ) -> None:
        self.is_idle, self.heard_ns = True, 0
        self._feed, self._tell = feed, tell
        self._record, self._settle = record, settle
        self._taken: deque[Taken] = deque()
        self._told_s: float | None = None  # how much was held, when it was too little
        self._gate = Gate(ALWAYS, is_armed=False, pre_s=0)
        self._room = RingRoom(feed, is_armed=False)
        self._log = SpanLog("", tell)

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def cause(self) -> str:
        """What is let go is skipped under it."""
        return self._gate.cause

    def begin(self, plan: EncoderPlan, session: str, spans: PlainSpans | None) -> None:
        """A session begins, or this process comes back into one."""
        self._taken.clear()
        spans = ALWAYS if spans is None else spans
        self._gate = Gate(spans, is_armed=plan.is_armed, pre_s=plan.pre_s)
        self._log = SpanLog(session, self._tell)
        self._log.want(spans)
        self._room = RingRoom(self._feed, is_armed=plan.is_armed)
        self.is_idle, self._told_s = list(spans) == ALWAYS, None

    def take_over(self, recording: Recording) -> None:
        """There are frames in it that were not settled by way of here."""
        self._log.take_over(recording, boottime_ns())

    def hear(self) -> None:
        """All orders that were given before now are about to be obeyed."""
        self.heard_ns = boottime_ns()

    def want(self, spans: PlainSpans, recording: Recording | None) -> None:
        """These are the spans from now on."""
        if self.is_idle and recording is not None:
            self.take_over(recording)
        self._gate.spans, self.is_idle = spans, False
        self._log.want(spans)

    def settled(self, info: FrameInfo, cause: str, recording: Recording | None) -> None:
        """A frame was recorded, or skipped under a cause."""
        if self.is_idle:
            return
        if cause or recording is None:
            self._log.skipped(info, recording)
        else:
            self._log.recorded(info, recording)

    def end(self, recording: Recording | None) -> None:
        """All frames are settled: so is every span."""
        if not self.is_idle:
            self._log.end(recording)

    def add(self, frame: Frame, result: Frame, cause: str) -> None:
        """A frame has been taken."""
        self._taken.append((frame, result, cause))

    def pass_some(self) -> None:
        """Pass on a few of those that can be decided on."""
        if not self._taken:
            return
        self._gate.is_last = self._feed.is_finished
        for _ in range(BATCH):
            if not self._taken or (verdict := self._judge()) is Verdict.HOLD:
                return
            frame, result, cause = self._taken.popleft()
            lets_go = verdict is Verdict.LET_GO
            self._pass_on(frame, result, self.cause if lets_go else cause)

    def give_up(self) -> None:
        """What is held and wanted will not be recorded any more."""
        while self._taken:
            frame, result, _ = self._taken.popleft()
            is_wanted = self._gate.is_wanted(frame.info.t_arrival_ns)
            self._pass_on(frame, result, "undrained" if is_wanted else self.cause)

    def patience_s(self) -> float | None:
        """How long until the oldest can be decided on; None: until another comes."""
        if not self._taken:
            return None
        gate = self._gate
        oldest, newest = (self._taken[n][0].info.t_arrival_ns for n in (0, -1))
        if self._feed.is_finished or gate.judge(oldest, self.heard_ns) != Verdict.HOLD:
            return 0.0
        waits = [self._room.patience_s(time.monotonic())]
        if gate.wants_any(oldest, newest):  # they wait behind the oldest
            waits.append(max(LEAST_S, (gate.due_ns(oldest) - boottime_ns()) / 1e9))
        return min((wait for wait in waits if wait is not None), default=None)

    def numbers(self) -> dict[str, Any]:
        """How much is held, for a report."""
        return {} if self.is_idle else {"held": len(self), "held_s": self._held_s()}

    def _pass_on(self, frame: Frame, result: Frame, cause: str) -> None:
        with ALARM:
            settled = self._record(frame, result, cause)
            if settled is not None:
                self._settle(frame, settled)

    def _judge(self) -> Verdict:
        info = self._taken[0][0].info
        verdict = self._gate.judge(info.t_arrival_ns, self.heard_ns)
        if verdict is Verdict.HOLD and self._room.must_give(info.index):
            if self._gate.is_early(info.t_arrival_ns, self.heard_ns):
                self._tell_short()
            return Verdict.LET_GO
        return verdict

    def _held_s(self) -> float:
        if not self._taken:
            return 0.0
        oldest, newest = self._taken[0][0].info, self._taken[-1][0].info
        return round((newest.t_arrival_ns - oldest.t_arrival_ns) / 1e9, 3)

    def _tell_short(self) -> None:
        """The ring is too small: say how much is held, now and when it halves."""
        held_s = self._held_s()
        if self._told_s is None or held_s < self._told_s / 2:
            self._told_s = held_s
            self._tell(Event("held_short", {"seconds": held_s}))
