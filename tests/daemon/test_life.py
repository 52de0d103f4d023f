"""Whatever the order of deaths and orders, a worker makes only moves that are legal.

Life is asked as a post asks it; what happens to processes is drawn by hypothesis.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from imagemp.daemon.life import KILLED_S, LEAVE_S, MOVES, Do, Due, Life, State
from imagemp.daemon.restarts import GATEWAY_CAP_S, JITTER, TOO_MANY

TIME = st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]) | st.floats(0, 40)
CHANCE = st.floats(0, 1)
EVEN = 0.5  # shifts no delay
ALIVE = {State.STARTING, State.RUNNING, State.STOPPING, State.STUCK}


class Lives(RuleBasedStateMachine):
    """A post whose process does what a process may do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.born = 0.0
        self.is_there = False  # as the kernel sees it
        self.deaths = self.told_of = self.failures = 0
        self.was_told_of_this_one = False
        self.is_awaited = False  # somebody waits for it to leave
        self.is_ordered = self.was_asked = False
        self.killed_at: float | None = None

    @initialize(of=st.sampled_from(["callback", "capture", "gateway"]))
    def begin(self, of: str) -> None:
        is_gateway = of == "gateway"
        self.life = Life.of_gateway() if is_gateway else Life(of == "capture")

    def do(self, deeds: list[Do]) -> None:
        for deed in deeds:
            if deed is Do.SPAWN:
                assert not self.is_there, "two processes at one post"
                self.is_there, self.born = True, self.now
                self.was_told_of_this_one = self.is_ordered = self.was_asked = False
                self.killed_at = None
            elif deed is Do.TELL_OF_DEATH:
                assert not self.was_told_of_this_one, "one death told twice"
                self.was_told_of_this_one = True
                self.told_of += 1
            elif deed is Do.TELL_IT_LEFT:
                self.is_awaited = False
            else:
                assert self.is_there, f"{deed} of nobody"
                self.act(deed)

    def act(self, deed: Do) -> None:
        if deed is Do.ASK_TO_LEAVE:
            assert not self.was_asked, "asked to leave twice"
            self.was_asked = True
        elif deed is Do.KILL and self.killed_at is None:
            self.killed_at = self.now

    # -- orders

    @rule()
    def start(self) -> None:
        self.do(self.life.start())
        assert self.life.has_process or self.life.state is State.BACKOFF

    @rule()
    def restart(self) -> None:
        self.is_ordered = self.is_there and self.life.state is not State.STUCK
        self.do(self.life.restart(self.now))
        assert self.is_there
        assert self.life.restarts.is_too_many(self.now) is False

    @rule()
    def renew(self) -> None:
        self.do(self.life.renew(self.now))

    @rule()
    def leave(self) -> None:
        self.is_awaited = True
        self.do(self.life.leave(self.now))

    @rule()
    def kill(self) -> None:
        self.do(self.life.kill(self.now))

    @rule()
    def abort(self) -> None:
        self.do(self.life.abort(self.now))

    # -- what happens

    @rule(passed=TIME)
    def time_passes(self, passed: float) -> None:
        """The alarm goes off when it is due, never before."""
        until = self.now + passed
        while self.life.alarm is not None and self.life.alarm[0] <= until:
            self.now = max(self.now, self.life.alarm[0])
            self.alarm_goes_off()
        self.now = until

    def alarm_goes_off(self) -> None:
        self.do(self.life.due(self.now))
        self.is_ordered &= self.life.state is not State.STUCK

    @precondition(lambda self: self.is_there)
    @rule()
    def process_is_ready(self) -> None:
        was = self.life.state
        assert self.life.ready() == (was is State.STARTING)

    @precondition(lambda self: self.is_there)
    @rule(chance=CHANCE)
    def process_exits(self, chance: float) -> None:
        is_to_leave = self.life.is_leaving or self.life.is_renewing
        is_ordered = self.is_ordered
        was_told = self.was_told_of_this_one
        self.is_there = False
        told_before = self.told_of
        lived = self.now - self.born
        self.do(self.life.exited(self.now, lived, chance))
        if not is_to_leave:
            assert self.told_of == told_before + (not was_told)
            self.failures += not is_ordered
        if is_ordered and not is_to_leave:
            assert self.life.alarm == (self.now, Due.SPAWN)

    @precondition(lambda self: not self.is_awaited)
    @rule(n=st.integers(1, 2 * TOO_MANY), chance=CHANCE)
    def it_fails_in_a_row(self, n: int, chance: float) -> None:
        """As one does that cannot begin: each ends as soon as it is there."""
        self.do(self.life.start())
        for _ in range(n):
            if self.life.state is State.BACKOFF:
                assert self.life.alarm is not None
                self.time_passes(max(0.0, self.life.alarm[0] - self.now))
            if self.is_there:
                self.process_exits(chance)

    # -- what must hold

    @invariant()
    def it_knows_whether_a_process_is_there(self) -> None:
        assert self.life.has_process == self.is_there
        assert self.is_there == (self.life.state in ALIVE)

    @invariant()
    def failures_are_counted(self) -> None:
        assert self.life.restarts.total == self.failures

    @invariant()
    def a_post_that_is_wanted_is_never_forgotten(self) -> None:
        """In backoff it has an alarm, and no longer than the policy says."""
        life = self.life
        if life.state is State.BACKOFF:
            assert life.alarm is not None
            assert life.alarm[1] is Due.SPAWN
            cap_s = life.restarts.cap_s
            assert life.alarm[0] <= self.now + cap_s * (1 + JITTER) + 1e-6
        elif life.alarm is not None:
            assert life.alarm[1] is not Due.SPAWN

    @invariant()
    def only_what_may_give_up_does_and_only_after_too_many(self) -> None:
        if self.life.state is State.FATAL:
            assert not self.life.never_gives_up
            assert self.failures >= TOO_MANY

    @invariant()
    def who_waits_for_it_to_leave_is_answered_in_time(self) -> None:
        if self.is_awaited:
            assert self.life.is_leaving
            assert self.life.alarm is not None
            assert self.life.alarm[0] <= self.now + LEAVE_S + KILLED_S

    @invariant()
    def what_is_being_killed_was_killed(self) -> None:
        if self.life.alarm is not None and self.life.alarm[1] is Due.STUCK:
            assert self.killed_at is not None

    @invariant()
    def who_survives_a_kill_is_called_stuck_in_time(self) -> None:
        if self.killed_at is not None and self.life.state in ALIVE - {State.STUCK}:
            assert self.life.alarm == (self.killed_at + KILLED_S, Due.STUCK)


class ManyLives(Lives):
    """More of them, and longer ones."""


Lives.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
ManyLives.TestCase.settings = settings(max_examples=2000, stateful_step_count=100)
test_whatever_happens_in_whatever_order = Lives.TestCase
test_whatever_happens_in_many_orders = pytest.mark.system(ManyLives.TestCase)


def test_a_move_that_is_not_legal_is_an_error() -> None:
    life = Life()

    with pytest.raises(AssertionError, match="stopped > running"):
        life._move(State.RUNNING)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {to for moves in MOVES.values() for to in moves}

    assert reached == set(State) == set(MOVES)
    assert all(MOVES.values())


def test_a_process_that_is_renewed_has_not_failed() -> None:
    life = Life()
    life.start()
    life.ready()

    asked = life.renew(0.0)
    follows = life.exited(1.0, 1.0, 0.5)

    assert (asked, follows) == ([Do.ASK_TO_LEAVE], [Do.SPAWN])
    assert (life.state, life.restarts.total) == (State.STARTING, 0)


def test_a_restart_that_is_ordered_is_no_failure_and_does_not_wait() -> None:
    life = Life()
    life.start()
    life.ready()

    ordered = [life.restart(1.0), life.exited(1.5, 1.5, 0.5)]

    assert ordered == [[Do.KILL], [Do.TELL_OF_DEATH]]
    assert life.alarm == (1.5, Due.SPAWN)
    assert life.restarts.total == 0
    assert (life.due(1.5), life.is_restarting) == ([Do.SPAWN], False)


@pytest.mark.parametrize(
    ("life", "waits_s"),
    [
        (Life.of_gateway(), [0.25, 0.5, 1.0, *[GATEWAY_CAP_S] * 7]),
        (Life(never_gives_up=True), [0.25, 0.5, 1.0, 2.0, *[30.0] * 6]),
    ],
)
def test_a_gateway_that_dies_10_times_at_once_is_back_each_time_within_2_s(
    life: Life, waits_s: list[float]
) -> None:
    found = []
    do = life.start()
    for _ in waits_s:
        assert do == [Do.SPAWN]
        life.ready()
        life.exited(0.0, 0.0, EVEN)
        assert life.alarm is not None
        found.append(life.alarm[0])
        do = life.due(life.alarm[0])

    assert found == waits_s
