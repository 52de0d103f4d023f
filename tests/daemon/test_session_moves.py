"""A session only moves on, and comes to its end, whoever dies when.

Hypothesis draws what workers do, when they die and what is asked for meanwhile.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from imagemp.daemon.accounts import Stage

from .plans import ENCODER, callback, planned
from .played import Worker, World

PLANS = {
    "source": planned(),
    "recording": planned(ENCODER),
    "two encoders": planned('encoder = [{ name = "a" }, { name = "b" }]'),
    "with callbacks": planned(
        ENCODER + callback("motion") + callback("blobs", 'policy = "every"')
    ),
}
WHICH = st.integers(0, 10)
OVER = (Stage.COMPLETE, Stage.INCOMPLETE)
ROUNDS = 400  # of everybody doing what there is to do, and half a second


def rank(stage: Stage) -> int:
    """Give how far a stage is; both ends are as far."""
    return list(Stage).index(Stage.COMPLETE if stage in OVER else stage)


class Sessions(RuleBasedStateMachine):
    """One session, and all that may happen to it."""

    @initialize(plan=st.sampled_from(sorted(PLANS)), is_waiting=st.booleans())
    def begin(self, plan: str, is_waiting: bool) -> None:
        self.world = World(PLANS[plan], is_waiting=is_waiting)
        self.seen = [self.world.facts.stage]
        self.end: object = None

    def teardown(self) -> None:
        """Somebody stops it; when everybody works again, it comes to its end."""
        if not hasattr(self, "world"):
            return
        world = self.world
        try:
            world.act(world.session.ending.stop)
            for _ in range(ROUNDS):
                if world.facts.has_ended:
                    break
                world.everybody_works()
                world.time_passes(0.5)
            assert world.facts.has_ended, world.facts.stage
            self.it_only_moves_on()
            self.what_is_over_is_over()
        finally:
            world.close()

    def worker(self, which: int) -> Worker:
        workers = list(self.world.workers.values())
        return workers[which % len(workers)]

    # -- what workers do

    @rule(which=WHICH)
    def one_is_up(self, which: int) -> None:
        self.world.act(self.worker(which).is_up)

    @rule(which=WHICH, well=st.sampled_from([True, True, True, False]))
    def one_obeys(self, which: int, well: bool) -> None:
        self.world.act(lambda: self.worker(which).obeys(well=well))

    @rule()
    def all_obey(self) -> None:
        self.world.everybody_works()

    @rule(n=st.integers(1, 20))
    def frames_come(self, n: int) -> None:
        self.world.act(lambda: self.world.camera.grabs(n))

    @rule(which=WHICH, n=st.integers(1, 20))
    def one_reads(self, which: int, n: int) -> None:
        if self.world.readers:
            reader = self.world.readers[which % len(self.world.readers)]
            self.world.act(lambda: reader.reads(n))

    @rule(reason=st.sampled_from(["end_of_source", "frames", "failed"]))
    def the_source_ends(self, reason: str) -> None:
        self.world.act(lambda: self.world.camera.ends(reason))

    @rule()
    def the_source_fails_and_may_be_tried_again(self) -> None:
        self.world.act(lambda: self.world.camera.ends("failed", retry=True))

    # -- what happens to them

    @rule(which=WHICH, chance=st.floats(0, 1))
    def one_dies(self, which: int, chance: float) -> None:
        self.world.act(lambda: self.worker(which).exits(chance))

    @rule(which=WHICH)
    def one_is_restarted(self, which: int) -> None:
        self.world.act(self.worker(which).restart)

    @rule(seconds=st.sampled_from([0.5, 2.5, 12.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.time_passes(seconds)

    @rule()
    def its_time_comes(self) -> None:
        self.world.act(self.world.its_time_comes)

    # -- what is asked for

    @rule(now=st.booleans())
    def somebody_stops_it(self, now: bool) -> None:
        self.world.act(lambda: self.world.session.ending.stop(now=now))

    # -- what must hold

    @invariant()
    def it_only_moves_on(self) -> None:
        if hasattr(self, "world"):
            told = [rank(stage) for stage in self.world.stages]
            assert told == sorted(told), self.world.stages
            assert len(set(told)) == len(told), self.world.stages
            self.seen.append(self.world.facts.stage)
            assert rank(self.seen[-2]) <= rank(self.seen[-1]), self.seen

    @invariant()
    def the_law_holds(self) -> None:
        if hasattr(self, "world"):
            assert self.world.run.counts().broken() == []

    @invariant()
    def whoever_waits_is_answered_when_it_is_so(self) -> None:
        if hasattr(self, "world"):
            run, facts = self.world.run, self.world.facts
            assert run.done.done() == facts.has_ended
            if facts.stage is Stage.RUNNING or facts.has_ended:
                assert run.first.done()

    @invariant()
    def what_is_over_is_over(self) -> None:
        if not hasattr(self, "world") or not self.world.facts.has_ended:
            return
        facts = self.world.facts
        assert (facts.stage is Stage.INCOMPLETE) == (facts.problem is not None)
        told = (facts.stage, facts.reason, facts.problem, facts.counts)
        self.end = self.end or told
        assert told == self.end
        assert all(not ring.epochs for ring in self.world.run.rings.values())


class ManySessions(Sessions):
    """More of them, and longer ones."""


Sessions.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
ManySessions.TestCase.settings = settings(max_examples=500, stateful_step_count=50)
test_a_session_comes_to_its_end_whatever_happens = Sessions.TestCase
test_many_sessions_come_to_their_end = pytest.mark.system(ManySessions.TestCase)
