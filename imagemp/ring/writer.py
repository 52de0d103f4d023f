"""The producer's end of a ring: the ledger's decisions, carried out.

Role P of docs/ring.md. One thread calls it; only the spill thread runs beside it.
The order of the stores below is the contract: desc and pixels, `order`,
`published`, then the `ready` counters; `released` before anything is freed.
"""

import os
from collections.abc import Callable

import numpy as np

from imagemp.frames import AnyArray, Frame, FrameInfo, FrameLayout

from . import layout
from .desc import Descriptions
from .layout import DROPPED, GRABBED, PUBLISHED, RELEASED
from .ledger import Ledger, LedgerFaultError
from .seated import Seated, Table
from .segment import Segment
from .spill import Spill, storing

_write_counter = os.eventfd_write
_read_counter = os.eventfd_read


class Writer:
    """Publishes frames into a segment.

    Args:
        segment: Made by `Segment.create`; the writer closes it.
        frames: Where the planes lie in a slot.
        first_seq: Seq of the first frame; goes on where the epoch before ended.
        first_index: Likewise for the index.
        on_evicted: Told the place, and how many frames it was behind.
        on_fault: Told the place of a reader of ours that gave back too much.
    """

    def __init__(
        self,
        segment: Segment,
        frames: FrameLayout,
        *,
        first_seq: int = 0,
        first_index: int = 0,
        on_evicted: Callable[[int, int], None] = lambda _place, _behind: None,
        on_fault: Callable[[int], None] | None = None,
    ) -> None:
        self.segment, self._frames, self._on_evicted = segment, frames, on_evicted
        self._on_fault = on_fault
        self.ledger = Ledger(segment.geometry, first_index)
        self._cells, self._order = segment.cells, segment.order
        self._views: list[dict[str, AnyArray] | None] = [None] * segment.geometry.slots
        self._desc = Descriptions(segment, frames.spec)
        self._seats = Table()
        self._high = self._beyond = 0
        self.spill = Spill(storing(segment)) if segment.geometry.overflow else None
        cells = self._cells
        cells[layout.GRABBED0] = cells[GRABBED] = first_seq
        cells[layout.PUBLISHED0] = cells[PUBLISHED] = first_index

    # -- frames

    def count_grab(self) -> int:
        """A frame is there: count it before anything else; give its seq."""
        seq = self._cells[GRABBED]
        self._cells[GRABBED] = seq + 1
        return seq

    def acquire(self) -> int:
        """Give a slot to fill, or -1: nothing can be freed just now."""
        ledger = self.ledger
        if ledger.staged:
            self.publish_spilled()
        if len(ledger.free) <= ledger.enough:
            self._collect()
            if len(ledger.free) <= ledger.short:  # else nothing lacks
                self._make_room()
        return ledger.take_slot()

    def planes(self, slot: int) -> dict[str, AnyArray]:
        """Give the planes of a RAM slot, writable."""
        views = self._views[slot]
        if views is None:
            raw = np.frombuffer(self.segment.slot(slot), np.uint8)
            views = self._views[slot] = self._frames.views(raw)
        return views

    def commit(self, slot: int, info: FrameInfo) -> None:
        """The slot is filled: publish it, now or after what is queued."""
        ledger = self.ledger
        is_plain = len(ledger.free) >= ledger.short and not ledger.staged
        if not is_plain:
            self._evict_laggards()
        info.ring_used, info.overflow_used = self._show_use()
        self._desc.write(slot, info, ledger.next_index)
        if is_plain or not ledger.must_stage:
            self._publish(slot)
        else:
            self._stage(slot)

    def drop(self, cause: str) -> None:
        """Give up the frame just grabbed, under a name in DROP_CAUSES."""
        self._cells[DROPPED + layout.DROP_CAUSES.index(cause)] += 1

    def drop_for_want_of_a_slot(self) -> None:
        """Give it up as `overflow_slow` if frames wait for the spill thread."""
        self.drop("overflow_slow" if self.ledger.staged else "ring_full")

    def give_back(self, slot: int) -> None:
        """Free a slot from `acquire` that could not be filled."""
        self.ledger.give_back(slot)

    def publish_spilled(self) -> None:
        """Publish the queued frames whose copy is complete, in order."""
        ledger = self.ledger
        if self.spill is not None:
            for slot, ok in self.spill.finished():
                ledger.stored(slot, ok=ok)
        while (entry := ledger.unstage()) is not None:
            self._desc.write_index(entry.slot, ledger.next_index)
            if entry.overflow < 0:
                self._publish(entry.slot)
                continue
            self._desc.move(entry.slot, entry.overflow)
            self._publish(entry.overflow)
            ledger.give_back(entry.slot)

    def reclaim(self) -> None:
        """Publish what the spill thread has finished; take back what was released."""
        if self.ledger.staged:
            self.publish_spilled()
        self._collect()

    def tidy(self) -> None:
        """Between two frames: take back what was released, if it is time.

        Not of large frames: the slot used last is to be the next one.
        """
        ledger = self.ledger
        if ledger.spread > 1 and len(ledger.free) <= ledger.enough:
            self._collect()

    @property
    def is_drained(self) -> bool:
        """Whether every frame taken in has been published or dropped."""
        return not self.ledger.staged

    def fileno(self) -> int:
        """Readable when a reader has released something."""
        return self._seats.fileno()

    # -- readers

    def attach(self, seated: Seated, *, evictable: bool, allowance: int = 0) -> None:
        """Seat a reader; the writer owns its counters from now on."""
        seat = self.ledger.attach(
            seated.place, every=seated.every, evictable=evictable, allowance=allowance
        )
        self._cells[RELEASED + seated.cell] = seat.released
        self._seats.add(seated)
        if seated.every:
            _write_counter(seated.ready, (seat.released + 1) << 16)

    def succeed(self, place: int, ready: int, done: int, evicted: int = -1) -> bool:
        """Hand a dead reader's place to its successor; False: no such place."""
        places = self._seats.places
        if place in places:
            self._drain(places[place])  # evicts one that released too much
            self.ledger.advance()
        if (old := places.get(place)) is None:
            Seated(place, 0, ready, done, evicted, every=True).close()
            return False
        seat = self.ledger.seats[place]
        seat.evictable = evicted >= 0
        self._seats.remove(old)
        self._seats.add(Seated(place, old.cell, ready, done, evicted, every=True))
        behind = self.ledger.next_index - seat.released
        _write_counter(ready, ((seat.released + 1) << 16) + behind)
        return True

    def forget(self, place: int) -> None:
        """The reader is gone for good; unknown places are ignored."""
        if (seated := self._seats.places.get(place)) is not None:
            self._seats.remove(seated)
            self.ledger.forget(place)

    def close(self) -> None:
        """End the spill thread and let go of everything. May be called twice."""
        if self.spill is not None:
            self.spill.close()
        self._seats.close()
        self._views.clear()
        self.segment.close()

    # -- steps

    def _publish(self, slot: int) -> None:
        ledger, seats = self.ledger, self._seats
        index = ledger.next_index
        self._order[index & ledger.mask] = slot
        self._cells[PUBLISHED] = index + 1
        for ready in seats.every:
            _write_counter(ready, 1)
        ledger.publish(slot)
        if seats.latest:
            self._offer(index, slot)
        if not seats.every:
            ledger.advance()

    def _stage(self, slot: int) -> None:
        """Queue the frame, by way of overflow if there is a slot."""
        overflow = self.ledger.stage(slot)
        if overflow >= 0 and self.spill is not None:
            self.spill.put(slot, overflow)
        self.publish_spilled()
        self._show_use()

    def _offer(self, index: int, slot: int) -> None:
        for seated in self._seats.latest:
            if self.ledger.seats[seated.place].grant >= 0:
                self._revoke(seated)
            self.ledger.granted(seated.place, slot)
            _write_counter(seated.ready, (index << 16 | slot) + 1)

    def _make_room(self) -> None:
        """Withdraw offers and evict until nothing lacks, or nothing helps."""
        ledger = self.ledger
        while lack := ledger.lack:
            if (place := ledger.revocable(lack)) >= 0:
                self._revoke(self._seats.places[place])
                self._collect()
            elif (place := ledger.evictable(lack)) >= 0:
                self._evict(place)
            else:
                break  # without an overflow slot the frame stays in RAM

    def _revoke(self, seated: Seated) -> None:
        """Withdraw an offer. The reader may have it already: then it holds it."""
        try:
            _read_counter(seated.ready)
        except BlockingIOError:
            self.ledger.taken(seated.place)
        else:
            self.ledger.revoked(seated.place)

    def _collect(self) -> None:
        for seated in self._seats.shown():
            self._drain(seated)
        self.ledger.looked()

    def _drain(self, seated: Seated) -> None:
        try:
            n = _read_counter(seated.done)
        except BlockingIOError:
            return
        try:
            released = self.ledger.released(seated.place, n)
        except LedgerFaultError:
            if self.ledger.seats[seated.place].evictable:
                self._evict(seated.place)
            elif self._on_fault is not None:
                self._on_fault(seated.place)  # what it gave back does not count
            else:
                raise
            return
        if seated.every:
            self._cells[RELEASED + seated.cell] = released

    def _evict(self, place: int) -> None:
        seated, seat = self._seats.places[place], self.ledger.seats[place]
        behind = self.ledger.next_index - seat.released if seat.every else 0
        _write_counter(seated.evicted, 1)
        self.forget(place)
        self._on_evicted(place, behind)

    def _evict_laggards(self) -> None:
        ledger = self.ledger
        while ledger.is_short and (place := ledger.laggard()) >= 0:
            self._evict(place)

    def _show_use(self) -> tuple[int, int]:
        """Show how full the ring is; give the slots in use, RAM and overflow."""
        ledger, cells = self.ledger, self._cells
        used = ledger.slots - len(ledger.free)
        beyond = ledger.overflow - len(ledger.free_overflow)
        cells[layout.RING_USED] = used
        if used > self._high:
            self._high = cells[layout.RING_HIGH] = used
        if beyond != self._beyond:
            self._beyond = cells[layout.OVERFLOW_USED] = beyond
            cells[layout.OVERFLOW_HIGH] = max(cells[layout.OVERFLOW_HIGH], beyond)
        return used, beyond


def new_frame(writer: Writer, slot: int, info: FrameInfo) -> Frame:
    """Give a slot as a frame for a source to fill."""
    return Frame(writer.planes(slot), info)
