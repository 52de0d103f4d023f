"""The producer's books, against the definition of a free slot."""

from itertools import combinations

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

from imagemp.errors import RingError
from imagemp.ring.layout import Geometry
from imagemp.ring.ledger import Ledger, LedgerFaultError

from .ledger_model import Model, ModelFrame, ModelSeat


class Books(RuleBasedStateMachine):
    """Anything that may happen to a ledger, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.places = self.committed = 0
        self.freed: list[set[int]] = []  # RAM slots, by when they came free

    @initialize(
        slots=st.integers(1, 6),
        overflow=st.integers(0, 4),
        first=st.sampled_from([0, 7, 2**40]),
    )
    def open(self, slots: int, overflow: int, first: int) -> None:
        kind = "memory" if overflow else "none"
        self.ledger = Ledger(Geometry(slots, overflow, 64, 0, kind), first)
        self.model = Model(slots, slots + overflow, first)

    # -- slots

    @rule()
    def take_slot(self) -> None:
        slot = self.ledger.take_slot()

        if slot < 0:
            assert not self.model.free(self.model.ram)
            return
        assert slot in self.model.free(self.model.ram)
        if self.freed:
            assert slot in self.freed[-1], "not the slot freed last"
        self.model.filling.add(slot)

    @precondition(lambda self: self.model.filling)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.model.filling)))
        self.ledger.give_back(slot)
        self.model.filling.remove(slot)

    @precondition(lambda self: self.model.filling)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        self._commit(data.draw(st.sampled_from(sorted(self.model.filling))))

    @precondition(lambda self: self.model.free(self.model.ram))
    @rule()
    def grab_a_frame(self) -> None:
        slot = self.ledger.take_slot()
        self.model.filling.add(slot)
        self._commit(slot)

    def _commit(self, slot: int) -> None:
        model, ledger = self.model, self.ledger
        few = 4 * len(model.free(model.ram)) < model.slots
        spills = few and bool(model.free(model.overflow))
        number, self.committed = self.committed, self.committed + 1
        assert ledger.must_stage == bool(model.staged or spills)
        if not ledger.must_stage:
            self._publish(slot, number)
            return
        model.filling.remove(slot)
        overflow = ledger.stage(slot)
        assert (overflow >= 0) == spills
        assert overflow < 0 or overflow in model.free(model.overflow)
        to = overflow if spills else None
        model.staged.append(ModelFrame(number, slot, to, stored=not spills))

    @precondition(lambda self: any(not f.stored for f in self.model.staged))
    @rule(data=st.data(), ok=st.booleans())
    def stored(self, data: st.DataObject, ok: bool) -> None:
        waiting = [f for f in self.model.staged if not f.stored]
        frame = data.draw(st.sampled_from(waiting))
        self.ledger.stored(frame.slot, ok=ok)
        frame.stored = True
        if not ok:
            frame.overflow = None

    @rule()
    def unstage(self) -> None:
        entry, staged = self.ledger.unstage(), self.model.staged
        if not staged or not staged[0].stored:
            assert entry is None
            return
        frame = staged.pop(0)
        assert entry is not None
        assert entry.slot == frame.slot
        assert entry.overflow == (-1 if frame.overflow is None else frame.overflow)
        self.model.filling.add(frame.slot)
        if frame.overflow is None:
            self._publish(frame.slot, frame.number)
            return
        self.model.filling.add(frame.overflow)
        self._publish(frame.overflow, frame.number)
        self.ledger.give_back(frame.slot)
        self.model.filling.remove(frame.slot)

    def _publish(self, slot: int, number: int) -> None:
        """Publish, and offer the frame to `latest` readers, as the writer does."""
        model, ledger = self.model, self.ledger
        index = ledger.publish(slot)
        assert index == model.next
        model.filling.remove(slot)
        model.order[index] = slot
        model.frames.append(number)
        model.next += 1
        for place, seat in model.seats.items():
            if not seat.every:
                self._read_back(place)
                ledger.granted(place, slot)
                seat.grant = slot
        if not any(seat.every for seat in model.seats.values()):
            ledger.advance()

    # -- readers

    @precondition(lambda self: len(self.model.seats) < 5)
    @rule(every=st.booleans(), evictable=st.booleans())
    def attach(self, every: bool, evictable: bool) -> None:
        seat = self.ledger.attach(self.places, every=every, evictable=evictable)
        assert seat.released == self.model.next
        self.model.seats[self.places] = ModelSeat(every, evictable, self.model.next)
        self.places += 1

    @precondition(lambda self: self.model.seats)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(sorted(self.model.seats)))
        self.ledger.forget(place)
        del self.model.seats[place]

    @precondition(lambda self: self._offered())
    @rule(data=st.data())
    def readers_take_what_is_offered(self, data: st.DataObject) -> None:
        for place in data.draw(st.sets(st.sampled_from(self._offered()))):
            self.model.seats[place].has_taken = True

    @precondition(lambda self: self.model.seats)
    @rule(data=st.data(), too_many=st.sampled_from([0, 0, 0, 1, 2**63]))
    def released(self, data: st.DataObject, too_many: int) -> None:
        place = data.draw(st.sampled_from(sorted(self.model.seats)))
        seat = self.model.seats[place]
        had = self.model.next - seat.back if seat.every else len(seat.had)
        if too_many:
            # what was granted and not taken can be claimed: nobody else has it
            unread = not seat.every and seat.grant is not None and not seat.has_taken
            with pytest.raises(LedgerFaultError, match=f"place {place}"):
                self.ledger.released(place, had + unread + too_many)
            return
        n = data.draw(st.integers(0, had))
        self.ledger.released(place, n)
        self.ledger.advance()
        self._model_released(seat, n)

    def _model_released(self, seat: ModelSeat, n: int) -> None:
        if seat.every:
            seat.back += n
        elif n > len(seat.held):
            seat.held, seat.grant, seat.has_taken = [], None, False
        else:
            del seat.held[:n]

    # -- no slot

    @precondition(lambda self: self._kinds_lacking())
    @rule(data=st.data())
    def revoke_or_evict(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(self._kinds_lacking()))
        place = self.ledger.revocable(kind)
        assert (place >= 0) == bool(self._revocable(kind))
        if place >= 0:
            assert place in self._revocable(kind)
            self._read_back(place)
            return
        self._evict(kind)

    def _read_back(self, place: int) -> None:
        seat = self.model.seats[place]
        if seat.grant is None:
            return
        if seat.has_taken:
            self.ledger.taken(place)
            seat.held.append(seat.grant)
        else:
            self.ledger.revoked(place)
        seat.grant, seat.has_taken = None, False

    def _evict(self, kind: range) -> None:
        model = self.model
        candidates = [p for p, seat in model.seats.items() if seat.evictable]
        victim = self.ledger.evictable(kind)
        if not model.freed(kind, candidates):
            assert victim == -1
            return
        enough = [p for p in candidates if model.freed(kind, [p])]
        assert victim in (enough or candidates)
        self.ledger.forget(victim)
        del model.seats[victim]

    def _offered(self) -> list[int]:
        seats = self.model.seats.items()
        return [p for p, s in seats if s.grant is not None and not s.has_taken]

    def _kinds_lacking(self) -> list[range]:
        kinds = [self.model.ram, self.model.overflow]
        return [kind for kind in kinds if kind and not self.model.free(kind)]

    def _revocable(self, kind: range) -> list[int]:
        """Those offered a slot that nobody has but by an offer."""
        plain = self.model.used(granted=False)
        seats = self.model.seats.items()
        return [p for p, s in seats if s.grant in kind and s.grant not in plain]

    # -- after each step

    @invariant()
    def a_slot_is_free_if_and_only_if_nothing_uses_it(self) -> None:
        model, ledger = self.model, self.ledger
        assert sorted(ledger.free) == sorted(model.free(model.ram))
        assert sorted(ledger.free_overflow) == sorted(model.free(model.overflow))
        assert ledger.used == model.slots - len(ledger.free)
        assert ledger.overflow_used == len(model.overflow) - len(ledger.free_overflow)

    @invariant()
    def no_frame_in_the_window_is_lost_or_overtaken(self) -> None:
        model, ledger = self.model, self.ledger
        assert ledger.tail == model.tail()
        for index in range(model.tail(), model.next):
            assert ledger.order[index & ledger.mask] == model.order[index]
        assert model.frames == sorted(model.frames)

    @invariant()
    def what_would_come_free_agrees_with_the_definition(self) -> None:
        model, places = self.model, list(self.model.seats)
        for kind in (model.ram, model.overflow):
            for n in range(len(places) + 1):
                for without in combinations(places, n):
                    would = self.ledger.has_slot_without(without, kind)
                    assert would == bool(model.freed(kind, without))

    @invariant()
    def what_the_next_frame_lacks_agrees_with_the_definition(self) -> None:
        model, left = self.model, len(self.model.free(self.model.ram)) - 1
        if left < 0:
            expected = model.ram
        elif 4 * left < model.slots and not model.free(model.overflow):
            expected = model.overflow
        else:
            expected = range(0)
        assert self.ledger.lack == expected

    @invariant()
    def remember_when_slots_came_free(self) -> None:
        free = self.model.free(self.model.ram)
        known: set[int] = set().union(*self.freed)
        self.freed = [kept for batch in self.freed if (kept := batch & free)]
        if free - known:
            self.freed.append(free - known)


Books.TestCase.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None, database=None
)
TestBooks = Books.TestCase


# -- by example


def ledger_of(slots: int, overflow: int = 0) -> Ledger:
    return Ledger(Geometry(slots, overflow, 64, 0, "memory" if overflow else "none"))


def publish(ledger: Ledger, n: int = 1) -> list[int]:
    """Publish `n` frames that need not queue; give their slots."""
    slots = [ledger.take_slot() for _ in range(n)]
    for slot in slots:
        ledger.publish(slot)
    return slots


def test_the_slot_freed_last_is_taken_first() -> None:
    ledger = ledger_of(4)
    ledger.attach(0, every=True, evictable=False)
    first, second, _ = publish(ledger, 3)

    ledger.released(0, 2)
    ledger.advance()

    assert [ledger.take_slot(), ledger.take_slot()] == [second, first]


def test_nothing_is_freed_before_the_released_cell_could_be_stored() -> None:
    ledger = ledger_of(2)
    ledger.attach(0, every=True, evictable=False)
    publish(ledger, 2)

    ledger.released(0, 2)

    assert ledger.take_slot() == -1
    ledger.advance()
    assert ledger.take_slot() >= 0


def test_the_slowest_reader_keeps_the_slots() -> None:
    ledger = ledger_of(3)
    for place in range(2):
        ledger.attach(place, every=True, evictable=False)
    publish(ledger, 3)

    ledger.released(0, 3)
    ledger.released(1, 1)
    ledger.advance()

    assert ledger.used == 2
    assert ledger.tail == 1


def test_a_release_of_more_than_was_granted_changes_nothing() -> None:
    ledger = ledger_of(3)
    ledger.attach(0, every=True, evictable=False)
    publish(ledger, 2)

    with pytest.raises(LedgerFaultError, match="released 3 frames, had 2") as caught:
        ledger.released(0, 3)

    assert isinstance(caught.value, RingError)
    assert ledger.seats[0].released == 0


def test_a_release_of_an_unread_grant_is_a_grant_taken_unnoticed() -> None:
    ledger = ledger_of(2)
    ledger.attach(0, every=False, evictable=False)
    (slot,) = publish(ledger)
    ledger.granted(0, slot)
    ledger.advance()

    ledger.released(0, 1)

    assert ledger.seats[0].grant == -1
    assert ledger.used == 0


def test_a_reader_of_the_newest_gives_its_slots_back_oldest_first() -> None:
    ledger = ledger_of(3)
    ledger.attach(0, every=False, evictable=False)
    slots = []
    for _ in range(2):
        slots += publish(ledger)
        ledger.granted(0, slots[-1])
        ledger.advance()
        ledger.taken(0)

    ledger.released(0, 1)

    assert list(ledger.seats[0].held) == slots[1:]
    assert slots[0] in ledger.free


def test_a_slot_offered_to_several_readers_can_be_revoked_from_each() -> None:
    ledger = ledger_of(1)
    (slot,) = publish(ledger)
    for place in range(3):
        ledger.attach(place, every=False, evictable=True)
        ledger.granted(place, slot)
    ledger.advance()

    while (place := ledger.revocable(range(1))) >= 0:
        ledger.revoked(place)

    assert ledger.take_slot() == slot
    assert len(ledger.seats) == 3


def test_the_reader_that_alone_is_in_the_way_is_evicted() -> None:
    ledger = ledger_of(2)
    for place, evictable in enumerate([False, True, True]):
        ledger.attach(place, every=True, evictable=evictable)
    publish(ledger, 2)
    for place in (0, 1):
        ledger.released(place, 2)
    ledger.advance()

    assert ledger.evictable(range(2)) == 2


def test_nobody_is_evicted_for_a_slot_that_the_recording_needs() -> None:
    ledger = ledger_of(2)
    for place, evictable in enumerate([False, True]):
        ledger.attach(place, every=True, evictable=evictable)
    publish(ledger, 2)

    assert ledger.evictable(range(2)) == -1


def test_of_readers_that_are_in_the_way_together_the_first_is_evicted() -> None:
    ledger = ledger_of(2)
    for place in range(2):
        ledger.attach(place, every=True, evictable=True)
    publish(ledger, 2)

    assert ledger.evictable(range(2)) == 0


def test_a_later_frame_never_overtakes_one_that_is_being_spilled() -> None:
    ledger = ledger_of(4, overflow=1)
    ledger.attach(0, every=True, evictable=False)
    *_, spilled, later = (ledger.take_slot() for _ in range(4))

    assert ledger.stage(spilled) == 4
    assert ledger.stage(later) == -1

    assert ledger.unstage() is None
    ledger.stored(spilled, ok=True)
    assert [entry.slot for entry in iter(ledger.unstage, None)] == [spilled, later]


def test_a_frame_that_could_not_be_spilled_gives_its_overflow_slot_back() -> None:
    ledger = ledger_of(1, overflow=1)
    slot = ledger.take_slot()
    ledger.stage(slot)

    ledger.stored(slot, ok=False)

    entry = ledger.unstage()
    assert entry is not None
    assert (entry.slot, entry.overflow) == (slot, -1)
    assert ledger.overflow_used == 0
