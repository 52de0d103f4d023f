"""Whatever happens in whatever order, every frame of a session is under a name.

A real ring with its keeper, over all its epochs; hypothesis draws frames, deaths,
evictions, skips and ends. The readers count as the workers of their kind do.
"""

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from imagemp.counts import Counts
from imagemp.daemon.accounts import Facts, close_law
from imagemp.daemon.pipeline import SOURCE
from imagemp.daemon.workers.orders import Report
from imagemp.errors import Evicted
from imagemp.ring.handover import Enter
from imagemp.ring.layout import MISS_CAUSES, MISSED

from .keeper import Rig
from .plans import ENCODER, callback, planned

PLAN = planned(ENCODER + callback("motion") + callback("blobs", 'policy = "every"'))
READERS = [reader.worker for reader in PLAN.rings[0].readers]
READER = st.sampled_from(READERS)
SLOTS = 8
FEW = st.integers(1, 2 * SLOTS)
ALL = 1000
CAUSES = ["", "", "filtered", "callback_error"]
Line = dict[str, int]


@dataclass
class Ledger:
    """The numbers of one consumer, and which process counts them.

    Attributes:
        keeps_books: Its recording outlives it and says how far it came.
        next: Index of the frame to be taken next.
        inherited: The place of the last report of a process before this one.
    """

    keeps_books: bool
    handled: int = 0
    recorded: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    next: int = 0
    inherited: int = -1

    def report(self, place: int) -> Report:
        told = (self.handled, self.recorded, self.recorded, dict(self.skipped))
        return Report("s1", *told, {"place": place})

    def succeed(self, last: Report) -> None:
        """Another process goes on from what is known."""
        if not self.keeps_books:
            self.handled, self.recorded = last.handled, last.recorded
            self.skipped = Counter(last.skipped)
            self.inherited = last.numbers.get("place", -1)
        self.next = self.handled

    def catch_up(self, index: int, place: int) -> None:
        """What lies before never came; or a process before had released it."""
        if place == self.inherited and index > self.handled:
            self.recorded += index - self.handled
            self.handled = self.next = index
        self.inherited = -1
        if index > self.next:
            self._skip("behind", index - self.next)

    def deal(self, index: int, place: int, cause: str) -> None:
        self.catch_up(index, place)
        if index < self.next:
            return  # a process before this one has dealt with it
        if cause:
            self._skip(cause, 1)
            return
        self.handled += 1
        self.recorded += 1
        self.next += 1

    def _skip(self, cause: str, n: int) -> None:
        self.handled += n
        self.next += n
        self.skipped[cause] += n


class Accounting(RuleBasedStateMachine):
    """One session of a source, an encoder and two callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig().keep(*PLAN.rings[0].readers).begin(SLOTS)
        self.facts = Facts("s1", PLAN, 0)
        self.ledgers = {name: Ledger(name == "main") for name in READERS}
        self.grabbed = self.missed = 0
        self.before = Counts()

    def teardown(self) -> None:
        """It ends, and each reader comes to the end or is given up."""
        with closing(self.rig):
            self.it_ends()
            for name in READERS:
                if name in self.rig.dead:
                    self.it_is_back(name)
                if name not in self.facts.given_up:
                    self.drain(name)
            self.the_law_holds_and_no_count_falls()
            self.everything_is_under_a_name(self.counts())

    def counts(self) -> Counts:
        return close_law(self.facts, {SOURCE: self.rig.keeper.totals()})

    def is_producing(self) -> bool:
        return self.rig.keeper.live is not None and not self.rig.keeper.is_over

    # -- the source

    @precondition(is_producing)
    @rule(n=FEW)
    def frames_come(self, n: int) -> None:
        self.grabbed += n
        self.rig.publish(n)

    @precondition(is_producing)
    @rule(n=FEW)
    def frames_cannot_be_fetched(self, n: int) -> None:
        self.grabbed += n
        self.rig.drop(n)

    @precondition(is_producing)
    @rule(n=FEW, cause=st.sampled_from(MISS_CAUSES))
    def the_clock_misses_frames(self, n: int, cause: str) -> None:
        self.missed += n
        self.rig.writer.segment.cells[MISSED + MISS_CAUSES.index(cause)] += n

    @precondition(is_producing)
    @rule(has_grabbed=st.booleans())
    def it_dies(self, has_grabbed: bool) -> None:
        """With a frame in its hands, or between two."""
        if has_grabbed:
            self.grabbed += 1
            self.rig.grab()
        self.rig.kill_producer()

    @precondition(lambda self: self.rig.keeper.live is None)
    @rule()
    def it_is_there_again(self) -> None:
        if not self.rig.keeper.is_over:
            self.rig.begin(SLOTS)

    @precondition(lambda self: self.grabbed > 3 * SLOTS)
    @rule()
    def it_ends(self) -> None:
        if self.rig.keeper.live is None:
            self.rig.keeper.give_up()
        elif not self.rig.keeper.is_over:
            self.rig.end()

    # -- the readers

    @rule(name=READER, n=FEW, cause=st.sampled_from(CAUSES))
    def frames_are_dealt_with(self, name: str, n: int, cause: str) -> None:
        if name not in self.rig.dead and name not in self.facts.given_up:
            self.deal(name, n, "" if name == "main" else cause)

    @rule(name=READER)
    def it_reports(self, name: str) -> None:
        if name not in self.facts.given_up:
            self.report(name)

    @rule(name=READER, n=st.integers(0, SLOTS))
    def a_reader_dies(self, name: str, n: int) -> None:
        """With frames in its hands, or with none."""
        if name not in self.rig.dead and name not in self.facts.given_up:
            with suppress(Evicted):
                held = [self.rig.feeds[name].take() for _ in range(n)]
                assert len(held) == n
            self.rig.kill(name)

    @rule(name=READER)
    def it_is_back(self, name: str) -> None:
        if name in self.rig.dead and name not in self.facts.given_up:
            last = self.facts.reports.get(name, Report("s1"))
            self.ledgers[name].succeed(last)
            self.rig.revive(name)

    @precondition(lambda self: self.grabbed > 3 * SLOTS)
    @rule(name=READER, cause=st.sampled_from(["callback_error", "undrained"]))
    def it_is_given_up(self, name: str, cause: str) -> None:
        if name in self.rig.dead:
            self.facts.given_up.setdefault(name, cause)
            self.rig.keeper.reader_gone(name)

    # -- steps

    def deal(self, name: str, n: int, cause: str = "") -> None:
        feed, ledger = self.rig.feeds[name], self.ledgers[name]
        epoch = feed.epoch
        for _ in range(n):
            try:
                frame = feed.take()
            except Evicted:
                feed.leave()
                continue
            if frame is None:
                break
            ledger.deal(frame.info.index, self.place(name), cause)
            feed.release(frame)
        for left in range(epoch, feed.epoch):
            self.rig.keeper.left(name, left)

    def drain(self, name: str) -> None:
        self.deal(name, ALL)
        feed = self.rig.feeds[name]
        assert feed.is_finished, f"{name} never comes to the end"
        self.ledgers[name].catch_up(feed.end_index, self.place(name))
        self.report(name)

    def place(self, name: str) -> int:
        """Where it sits, as it was told last."""
        entered = self.rig.orders(name, Enter)
        return entered[-1].place if entered else -1

    def report(self, name: str) -> None:
        if name not in self.rig.dead:
            self.facts.reports[name] = self.ledgers[name].report(self.place(name))

    # -- what must hold

    @invariant()
    def the_law_holds_and_no_count_falls(self) -> None:
        counts = self.counts()
        assert counts.broken() == []
        assert counts.staged >= 0
        before, now = numbers(self.before), numbers(counts)
        assert [name for name, n in before.items() if now.get(name, 0) < n] == []
        assert all(n >= 0 for n in in_flight(counts))
        self.before = counts

    @invariant()
    def what_the_source_gave_is_what_was_captured(self) -> None:
        counts = self.counts()
        assert counts.captured == self.grabbed
        assert counts.expected == self.grabbed + self.missed

    def everything_is_under_a_name(self, counts: Counts) -> None:
        main = counts.encoders["main"]
        lost = sum(counts.dropped.values()) + sum(main.skipped.values())
        assert counts.staged == 0
        assert self.grabbed == main.recorded + lost
        assert main.skipped == {} or "main" in self.facts.given_up
        assert in_flight(counts) == [0, 0, 0]


def in_flight(counts: Counts) -> list[int]:
    """Give what each reader has yet to deal with."""
    encoders, callbacks = counts.encoders.values(), counts.callbacks.values()
    return [*(one.in_flight for one in encoders), *(one.in_flight for one in callbacks)]


def numbers(counts: Counts) -> Line:
    """Give all that may only grow, by name."""
    found = {
        "captured": counts.captured,
        "published": counts.published,
        "expected": counts.expected,
        **{f"dropped {cause}": n for cause, n in counts.dropped.items()},
        **{f"missed {cause}": n for cause, n in counts.missed.items()},
    }
    for name, encoder in counts.encoders.items():
        found[f"{name} recorded"] = encoder.recorded
        found |= {f"{name} {cause}": n for cause, n in encoder.skipped.items()}
    for name, one in counts.callbacks.items():
        found[f"{name} delivered"] = one.delivered
        found |= {f"{name} {cause}": n for cause, n in one.skipped.items()}
    return found


class LongAccounting(Accounting):
    """More sessions, and longer ones."""


Accounting.TestCase.settings = settings(max_examples=40, stateful_step_count=40)
LongAccounting.TestCase.settings = settings(max_examples=1000, stateful_step_count=80)
test_every_frame_is_under_a_name_whatever_happens = Accounting.TestCase
test_every_frame_is_under_a_name_in_many_sessions = pytest.mark.system(
    LongAccounting.TestCase
)
