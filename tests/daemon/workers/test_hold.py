"""What is held, for how long, and when it has to give way. Real rings, no clock."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event

import pytest

from imagemp.daemon.workers.gate import ALWAYS, FOREVER, Gate, Verdict
from imagemp.daemon.workers.ringroom import RingRoom
from imagemp.ring.feed import Feed
from imagemp.ring.handover import Enter
from imagemp.ring.spill import Store
from tests.ring.rig import Rig

MS = 10**6
KEEP_MS = 1500  # pre_s and what a trigger may be late
FPS = 30.0
MakeRoom = Callable[..., tuple[RingRoom, Feed, Rig]]


def gate(*spans: tuple[int, int], is_armed: bool = True) -> Gate:
    return Gate(spans, is_armed=is_armed, pre_s=1.0 if is_armed else 0.0)


def test_a_frame_in_a_span_is_recorded_at_once() -> None:
    judge = gate((100, 200)).judge

    assert [judge(t, 0) for t in (100, 199)] == [Verdict.RECORD] * 2
    assert [judge(t, 0) for t in (99, 200)] == [Verdict.HOLD] * 2


def test_a_frame_outside_is_held_as_long_as_a_trigger_may_ask_for_it() -> None:
    judge = gate((0, 5)).judge

    assert judge(10, 10 + KEEP_MS * MS - 1) is Verdict.HOLD
    assert judge(10, 10 + KEEP_MS * MS) is Verdict.LET_GO


def test_without_triggers_it_is_held_for_the_way_of_an_order_alone() -> None:
    judge = gate(is_armed=False).judge

    assert judge(0, 49 * MS) is Verdict.HOLD
    assert judge(0, 50 * MS) is Verdict.LET_GO


def test_at_the_end_nothing_is_held() -> None:
    last = gate((100, 200))
    last.is_last = True

    assert last.judge(99, 0) is Verdict.LET_GO
    assert last.judge(100, 0) is Verdict.RECORD


@pytest.mark.parametrize(
    ("is_armed", "cause"), [(True, "not_triggered"), (False, "not_recording")]
)
def test_the_cause_says_what_the_encoder_waited_for(
    *, is_armed: bool, cause: str
) -> None:
    assert gate(is_armed=is_armed).cause == cause


def test_only_a_frame_that_a_trigger_would_reach_goes_too_early() -> None:
    assert gate().is_early(0, 999 * MS)
    assert not gate().is_early(0, 1000 * MS)
    assert not gate(is_armed=False).is_early(0, 1)


def test_always_is_from_the_beginning_for_ever() -> None:
    always = Gate(ALWAYS, is_armed=False, pre_s=0)

    assert always.judge(0, 0) is always.judge(FOREVER - 1, 0) is Verdict.RECORD


@pytest.fixture
def make() -> Iterator[MakeRoom]:
    made: list[tuple[Feed, Rig]] = []

    def build(
        slots: int = 32, overflow: int = 0, *, is_armed: bool = True
    ) -> tuple[RingRoom, Feed, Rig]:
        ring, feed = Rig(slots=slots, overflow=overflow), Feed()
        place = ring.seat(every=True, evictable=False)
        fds = [ring.writer.segment.fd, *ring.counters[place][:2]]
        copies = [os.dup(fd) for fd in fds]
        feed.enter(Enter(0, place, "every", ring.spec.to_plain(), FPS), copies)
        made.append((feed, ring))
        return RingRoom(feed, is_armed=is_armed), feed, ring

    yield build
    for feed, ring in made:
        with closing(ring):
            feed.clear()


@pytest.fixture
def stuck(make: MakeRoom) -> Iterator[Event]:  # noqa: ARG001 - closed after this
    """Give what the spill thread waits for; in the end it goes on."""
    event = Event()
    yield event
    event.set()


def waiting_for(event: Event) -> Store:
    """Give a store that stores nothing until then."""

    def store(_slot: int, _to: int) -> None:
        event.wait()

    return store


def test_a_quarter_of_the_slots_is_left_to_capture(make: MakeRoom) -> None:
    room, _, ring = make(slots=64)

    ring.publish(48)
    assert not room.must_give(0)
    ring.publish(1)
    assert room.must_give(0)
    assert not room.must_give(1)


def test_who_only_waits_for_an_order_holds_half_of_the_slots(make: MakeRoom) -> None:
    room, _, ring = make(slots=64, overflow=64, is_armed=False)

    ring.publish(33)

    assert room.must_give(0)
    assert not room.must_give(1)


def test_what_is_held_gives_way_when_frames_are_stuck_on_their_way_to_overflow(
    make: MakeRoom, stuck: Event
) -> None:
    room, feed, ring = make(slots=32, overflow=64)
    ring.use_store(waiting_for(stuck))
    held = []

    def is_short() -> bool:
        while (frame := feed.take()) is not None:
            held.append(frame)
        return room.must_give(held[0].info.index)

    ring.publish(24)
    assert not is_short()
    ring.publish(5)
    gone = 0
    while is_short():
        feed.release(held.pop(0))
        gone += 1

    assert gone == 8
    assert ring.publish(8) == 8


def test_frames_that_are_stuck_are_waited_for_only_while_more_come(
    make: MakeRoom, stuck: Event
) -> None:
    room, _, ring = make(slots=32, overflow=64)
    ring.publish(20)
    unhurried = room.patience_s(0.0)
    ring.use_store(waiting_for(stuck))
    ring.publish(8)

    assert unhurried is None
    assert room.patience_s(1.0) == pytest.approx(4 / FPS)
    assert room.patience_s(1.1) == pytest.approx(4 / FPS - 0.1)
    assert room.patience_s(1.2) is None
    ring.publish(1)
    assert room.patience_s(2.0) == pytest.approx(4 / FPS)
