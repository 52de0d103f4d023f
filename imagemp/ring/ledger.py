"""The producer's books: which slot is whose. Pure, no I/O.

A slot is free if nothing pins it. Pins are: being filled or waiting for the spill
thread; standing in the window tail..next_index-1, which some `every` reader has
not released; each `latest` grant, and each slot a `latest` reader has taken.
"""

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from imagemp.errors import RingError

from .layout import Geometry

# A slot released is taken back within 8 frames, sooner if these are large: what is
# used in turn must fit the caches. Of 900 KB, 6 slots are as fast as 1, 32 take 1.6
# times as long.
SPREAD = 8
SPREAD_NBYTES = 4 << 20


class LedgerFaultError(RingError):
    """A reader gave back more than it was given."""


@dataclass(slots=True)
class Seat:
    """A reader's place, as the producer sees it.

    Attributes:
        every: True for policy `every`, False for `latest`.
        evictable: It may be thrown out when it alone is in the way.
        allowance: `every`: frames it may lag once slots are few; 0: any number.
        released: `every`: index of the first frame not given back.
        grant: `latest`: the slot offered to it, -1 for none.
        held: `latest`: slots it has taken, oldest first.
    """

    every: bool
    evictable: bool
    allowance: int
    released: int
    grant: int = -1
    held: deque[int] = field(default_factory=deque)


@dataclass(slots=True)
class Staged:
    """A filled RAM slot on its way; `overflow` -1: it stays where it is."""

    slot: int
    overflow: int
    stored: bool


class Ledger:
    """All slots of one ring, and who has them."""

    def __init__(self, geometry: Geometry, first_index: int = 0) -> None:
        slots, total = geometry.slots, geometry.total
        self.slots, self.mask = slots, geometry.mask
        self.next_index = self.tail = first_index
        self.order = [0] * (geometry.mask + 1)
        self.free = list(range(slots - 1, -1, -1))  # LIFO: the hot slot first
        self.free_overflow = list(range(total - 1, slots - 1, -1))
        self.overflow = total - slots
        self.short = -(-slots // 4)  # with fewer free ones frames go to overflow
        self.spread = min(SPREAD, max(1, SPREAD_NBYTES // geometry.stride))
        self.enough = max(self.short, slots - self.spread)  # with fewer: look at `done`
        self.pins = [0] * total
        self.seats: dict[int, Seat] = {}
        self.staged: deque[Staged] = deque()
        self._every: list[Seat] = []

    # -- slots

    def take_slot(self) -> int:
        """Give a RAM slot to fill, -1 if there is none."""
        if not self.free:
            return -1
        slot = self.free.pop()
        self.pins[slot] = 1
        return slot

    def give_back(self, slot: int) -> None:
        """Free a slot that was taken and will not be published."""
        self._unpin(slot)

    def publish(self, slot: int) -> int:
        """Put a filled slot at the head of the window; give its index."""
        index = self.next_index
        self.order[index & self.mask] = slot
        self.next_index = index + 1
        return index

    def advance(self) -> None:
        """Free what every reader has released."""
        tail = self.next_index
        for seat in self._every:
            if seat.released < tail:  # noqa: PLR1730 - min() takes 0.1 us a reader
                tail = seat.released
        for index in range(self.tail, tail):
            self._unpin(self.order[index & self.mask])
        self.tail = tail

    def looked(self) -> None:
        """All that was released is booked: free it; then not again for some frames."""
        self.advance()
        self.enough = max(self.short, len(self.free) - self.spread)

    # -- the spill thread's queue

    @property
    def is_short(self) -> bool:
        """Whether fewer than a quarter of the RAM slots are free."""
        return len(self.free) < self.short

    @property
    def must_stage(self) -> bool:
        """Whether the slot just filled has to queue instead of being published."""
        return bool(self.staged or (self.free_overflow and self.is_short))

    def stage(self, slot: int) -> int:
        """Queue a filled slot; give the overflow slot to copy it to, or -1."""
        spill = self.free_overflow and self.is_short
        overflow = self.free_overflow.pop() if spill else -1
        if overflow >= 0:
            self.pins[overflow] = 1
        self.staged.append(Staged(slot, overflow, stored=overflow < 0))
        return overflow

    def stored(self, slot: int, *, ok: bool) -> None:
        """The spill thread is done with a slot; if not `ok` it stays in RAM."""
        entry = next(entry for entry in self.staged if entry.slot == slot)
        entry.stored = True
        if not ok:
            self.give_back(entry.overflow)
            entry.overflow = -1

    def unstage(self) -> Staged | None:
        """Give the next queued frame if it can be published now."""
        if self.staged and self.staged[0].stored:
            return self.staged.popleft()
        return None

    # -- readers

    def attach(
        self, place: int, *, every: bool, evictable: bool, allowance: int = 0
    ) -> Seat:
        """Seat a reader: it gets all from `next_index` on."""
        seat = Seat(every, evictable, allowance, self.next_index)
        self.seats[place] = seat
        if every:
            self._every.append(seat)
        return seat

    def forget(self, place: int) -> None:
        """Free everything of a reader that is gone or evicted."""
        seat = self.seats.pop(place)
        if seat.every:
            self._every = [s for s in self._every if s is not seat]
            self.advance()
        for slot in seat.held:
            self._unpin(slot)
        if seat.grant >= 0:
            self._unpin(seat.grant)

    def released(self, place: int, n: int) -> int:
        """A reader gave back its oldest `n` frames; frees nothing of `every` yet.

        Returns:
            Where it stands now.

        Raises:
            LedgerFaultError: It did not have that many.
        """
        seat = self.seats[place]
        had = (
            self.next_index - seat.released
            if seat.every
            else len(seat.held) + (seat.grant >= 0)
        )
        if n > had:
            raise LedgerFaultError(f"place {place}: released {n} frames, had {had}")
        if seat.every:
            seat.released += n
            return seat.released
        for _ in range(n):
            if seat.held:
                self._unpin(seat.held.popleft())
            else:  # released, so it had been taken, though nobody noticed
                self._unpin(seat.grant)
                seat.grant = -1
        return seat.released

    def granted(self, place: int, slot: int) -> None:
        """A `latest` reader has been offered this slot."""
        self.pins[slot] += 1
        self.seats[place].grant = slot

    def revoked(self, place: int) -> None:
        """The offer was withdrawn before the reader took it."""
        seat = self.seats[place]
        slot, seat.grant = seat.grant, -1
        self._unpin(slot)

    def taken(self, place: int) -> None:
        """The offer turned out to have been taken."""
        seat = self.seats[place]
        seat.held.append(seat.grant)
        seat.grant = -1

    # -- what to do when no slot is free

    @property
    def lack(self) -> range:
        """The kind of slot that the next frame wants and none is free of."""
        if not self.free:
            return range(self.slots)
        if not self.free_overflow and len(self.free) <= self.short:
            return range(self.slots, len(self.pins))
        return range(0)

    def laggard(self) -> int:
        """A reader that lags past its allowance, or -1."""
        for place, seat in self.seats.items():
            if seat.every and 0 < seat.allowance < self.next_index - seat.released:
                return place
        return -1

    def revocable(self, kind: range) -> int:
        """A reader whose offer keeps a slot of this kind from being free, or -1.

        Several may have been offered that slot, as long as no one else has it.
        """
        grants = Counter(seat.grant for seat in self.seats.values())
        for place, seat in self.seats.items():
            slot = seat.grant
            if slot in kind and self.pins[slot] == grants[slot]:
                return place
        return -1

    def evictable(self, kind: range) -> int:
        """Whom to evict: one that is enough by itself, else the first; or -1."""
        candidates = [p for p, seat in self.seats.items() if seat.evictable]
        if not candidates or not self.has_slot_without(candidates, kind):
            return -1
        enough = (p for p in candidates if self.has_slot_without([p], kind))
        return next(enough, candidates[0])

    def has_slot_without(self, places: Collection[int], kind: range) -> bool:
        """Whether a slot of this kind would come free if these readers were gone."""
        others = [seat for p, seat in self.seats.items() if p not in places]
        tail = min((s.released for s in others if s.every), default=self.next_index)
        theirs = Counter(self.order[i & self.mask] for i in range(self.tail, tail))
        for place in places:
            theirs.update([*self.seats[place].held, self.seats[place].grant])
        return any(s in kind and self.pins[s] == n for s, n in theirs.items())

    @property
    def used(self) -> int:
        """RAM slots in use."""
        return self.slots - len(self.free)

    @property
    def overflow_used(self) -> int:
        """Overflow slots in use."""
        return self.overflow - len(self.free_overflow)

    def _unpin(self, slot: int) -> None:
        self.pins[slot] -= 1
        if self.pins[slot] == 0:
            (self.free if slot < self.slots else self.free_overflow).append(slot)
