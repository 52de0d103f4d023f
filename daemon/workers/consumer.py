"""What encoder and callback share: they read a ring and account for each frame.

The law of a consumer: handled = recorded + skipped(cause). What is published and
not yet handled is in flight.
"""

import math
import select
import time
from collections import Counter, deque
from typing import Any

from imagemp.clock import boottime_ns
from imagemp.errors import Evicted
from imagemp.frames import Frame
from imagemp.link import Link, close_all
from imagemp.ring.feed import Feed
from imagemp.ring.handover import End, Enter
from imagemp.spec import FrameSpec

from .base import Worker
from .cadence import Cadence
from .loaded import changed_file
from .orders import (
    Discard,
    Drained,
    LeftEpoch,
    Opened,
    OpenSession,
    Report,
    Stale,
    ToWorker,
)

BATCH = 8  # frames between two looks at the link
REPORT_S = 0.25
LAGS = 512  # how many lags the percentiles are taken of


class Consumer(Worker):
    """Deals with each frame by `handle`, which says what became of it."""

    def __init__(self, link: Link[ToWorker]) -> None:
        super().__init__(link)
        self.feed = Feed()
        self.session, self.place = "", -1
        self.handled = self.recorded = 0
        self.skipped: Counter[str] = Counter()
        self._next = 0  # index of the frame to be taken next
        self._left = 0  # epochs before this one are finished, and that was told
        self._cadence = Cadence(REPORT_S)
        self._discarding = self._is_drained = self._has_begun = False
        self._lags: deque[int] = deque(maxlen=LAGS)

    # -- for the child

    def open(self, order: OpenSession) -> str:
        """A session begins; give its folder, if this worker has one.

        Raises:
            ImagempError: It cannot begin.
        """
        raise NotImplementedError

    def begin(self, spec: FrameSpec) -> None:
        """The first ring that this process sees of the session is there."""

    def handle(self, frame: Frame) -> str | None:
        """Deal with a frame; "" if it was, else the cause it is skipped under.

        None: it is kept, and `settle` will be told what became of it.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """All frames of the session have been taken; settle those that were kept."""

    def patience_s(self) -> float | None:
        """How long until frames that were kept can be dealt with; None: not by time."""
        return None

    @property
    def gap_cause(self) -> str:
        """What frames are skipped under that never reached us."""
        return "behind"

    def numbers(self) -> dict[str, Any]:
        """What else a report should tell."""
        return {}

    def extra_files(self) -> list[Any]:
        """What else to wake for; then `on_extra` is called."""
        return []

    def on_extra(self) -> None:
        """One of the extra files may be readable."""

    def broken(self, order: OpenSession, error: Exception) -> None:
        """The session cannot begin: tell why, let go of what was opened."""
        raise NotImplementedError

    # -- orders

    def on_open_session(self, order: OpenSession, _fds: list[int]) -> None:
        self.feed.clear()
        if not order.resume and (file := changed_file()) is not None:
            self.session = ""
            self.tell(Stale(order.session, file))
            return
        self.session = order.session
        self.handled = self.recorded = self._next = self._left = 0
        self.skipped.clear()
        self._lags.clear()
        self._discarding = self._is_drained = self._has_begun = False
        try:
            folder = self.open(order)
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            self.broken(order, error)
            self.session = ""
        else:
            self.go_on_from(self.handled)
            self.tell(Opened(order.session, folder))

    def on_enter(self, order: Enter, fds: list[int]) -> None:
        if not self.session:  # it could not begin here
            close_all(fds)
            return
        self.feed.enter(order, fds)
        self.place = order.place
        if not self._has_begun and self.feed.spec is not None:
            self._has_begun, self._left = True, order.epoch
            self.begin(self.feed.spec)

    def on_end(self, order: End, _fds: list[int]) -> None:
        self.feed.end(order)

    def on_discard(self, _order: Discard, _fds: list[int]) -> None:
        self._discarding = True

    # -- the loop

    def step(self) -> None:
        self._wait()
        self.serve_link()
        self.on_extra()
        if not self.session:
            return
        self._take_frames()
        self._tell_left()
        if self._cadence.take(time.monotonic()):
            self.report()
        if self._can_drain:
            self._drain()

    def report(self) -> None:
        """Tell the numbers of this instant."""
        numbers = self.numbers()
        if numbers.get("durable_lag_ms"):
            self._cadence.mark()  # it will change, though no frame may come
        self.tell(
            Report(
                self.session,
                self.handled,
                self.recorded,
                self.durable,
                dict(self.skipped),
                numbers | {"lag_ms": percentiles(self._lags), "place": self.place},
            )
        )

    @property
    def durable(self) -> int:
        """Recorded frames that would outlive a power cut."""
        return 0

    def settle(self, frame: Frame, cause: str = "") -> None:
        """Account for a frame and give it back; `cause`: it is skipped."""
        if cause:
            self.skip(cause)
        else:
            self.handled += 1
            self.recorded += 1
            self._cadence.mark()
        self._lags.append(boottime_ns() - frame.info.t_arrival_ns)
        self.feed.release(frame)

    def skip(self, cause: str, n: int = 1) -> None:
        """Account for frames that were given up."""
        self.handled += n
        self.skipped[cause] += n
        self._cadence.mark()

    def _wait(self) -> None:
        if self._has_work:
            return
        poll = select.poll()
        poll.register(self.outbox, select.POLLIN)
        if self.session and self.feed.fileno() >= 0 and not self._is_drained:
            poll.register(self.feed, select.POLLIN)
        for file in self.extra_files():
            poll.register(file, select.POLLIN)
        timeouts = [self._cadence.timeout(time.monotonic())]
        if self.session and not self._is_drained:
            timeouts.append(self.patience_s())
        timeout = min((t for t in timeouts if t is not None), default=None)
        poll.poll(None if timeout is None else math.ceil(timeout * 1000))

    @property
    def _has_work(self) -> bool:
        """Whether there is something to do though nothing is readable."""
        if not self.session or self._is_drained:
            return False
        if self.feed.is_pending or self.feed.is_finished:
            return True
        return self.patience_s() == 0

    @property
    def _can_drain(self) -> bool:
        if self._is_drained or not self.feed.is_finished:
            return False
        return self.patience_s() != 0

    def _take_frames(self) -> None:
        for _ in range(BATCH):
            try:
                frame = self.feed.take()
                if frame is None:
                    return
                self._account(frame)
            except Evicted:
                self.feed.leave()
                return

    def _tell_left(self) -> None:
        """Say which epochs have no frame that we need, taken or not."""
        for left in range(self._left, self.feed.epoch):
            self.tell(LeftEpoch(left))
        self._left = max(self._left, self.feed.epoch)

    def _account(self, frame: Frame) -> None:
        index = frame.info.index
        self.catch_up(index)
        if index < self._next:  # an earlier process of this worker has dealt with it
            self.feed.release(frame)
            return
        cause = "undrained" if self._discarding else self.handle(frame)
        self._next = index + 1  # only now: one that is evicted in our hand never came
        if cause is not None:
            self.settle(frame, cause)

    def catch_up(self, index: int) -> None:
        """Frames between the last one and this never reached us."""
        if index > self._next:
            self.skip(self.gap_cause, index - self._next)
            self._next = index

    def go_on_from(self, index: int) -> None:
        """Frames before this one have been dealt with, by a process before."""
        self._next = max(self._next, index)

    def _drain(self) -> None:
        self.catch_up(self.feed.end_index)
        self.finish()
        self._is_drained = True
        self.report()
        self.tell(Drained(self.session))


def percentiles(lags_ns: deque[int]) -> dict[str, float]:
    """Give median and 99th percentile in ms; empty without lags."""
    if not lags_ns:
        return {}
    ordered = sorted(lags_ns)
    middle, late = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return {"p50": round(middle / 1e6, 3), "p99": round(late / 1e6, 3)}
