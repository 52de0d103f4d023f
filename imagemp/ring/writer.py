"""The producer's end of a ring: the ledger's decisions, carried out.

RING-SPEC's role P. One thread calls it; only the spill thread runs beside it.
The order of the stores below is the contract: desc and pixels, `order`,
`published`, then the `ready` counters; `released` before anything is freed.
"""

import os
import select
from collections.abc import Callable

import numpy as np

from imagemp.frames import AnyArray, Frame, FrameInfo, FrameLayout

from . import layout
from .desc import Descriptions
from .layout import DROPPED, GRABBED, PUBLISHED, RELEASED
from .ledger import Ledger, LedgerFaultError
from .seated import Seated
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
        self._seats: dict[int, Seated] = {}
        self._every_ready: list[int] = []
        self._latest: list[Seated] = []
        self._use = (0, 0)
        self._by_done: dict[int, Seated] = {}
        self._done = select.epoll()
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
        self.reclaim()
        if len(self.ledger.free) <= self.ledger.short:  # else nothing lacks
            self._make_room()
        return self.ledger.take_slot()

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
        while ledger.is_short and (place := ledger.laggard()) >= 0:
            self._evict(place)
        info.ring_used, info.overflow_used = self._show_use()
        self._desc.write(slot, info, ledger.next_index)
        if not ledger.must_stage:
            self._publish(slot)
            return
        overflow = ledger.stage(slot)
        if overflow >= 0 and self.spill is not None:
            self.spill.put(slot, overflow)
        self.publish_spilled()
        self._show_use()

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

    @property
    def is_drained(self) -> bool:
        """Whether every frame taken in has been published or dropped."""
        return not self.ledger.staged

    def fileno(self) -> int:
        """Readable when a reader has released something."""
        return self._done.fileno()

    # -- readers

    def attach(self, seated: Seated, *, evictable: bool, allowance: int = 0) -> None:
        """Seat a reader; the writer owns its counters from now on."""
        seat = self.ledger.attach(
            seated.place, every=seated.every, evictable=evictable, allowance=allowance
        )
        self._cells[RELEASED + seated.cell] = seat.released
        self._seat(seated)
        if seated.every:
            _write_counter(seated.ready, (seat.released + 1) << 16)

    def succeed(self, place: int, ready: int, done: int, evicted: int = -1) -> bool:
        """Hand a dead reader's place to its successor; False: no such place."""
        if place in self._seats:
            self._drain(self._seats[place])  # evicts one that released too much
            self.ledger.advance()
        if (old := self._seats.get(place)) is None:
            Seated(place, 0, ready, done, evicted, every=True).close()
            return False
        seat = self.ledger.seats[place]
        seat.evictable = evicted >= 0
        self._unseat(old)
        self._seat(Seated(place, old.cell, ready, done, evicted, every=True))
        behind = self.ledger.next_index - seat.released
        _write_counter(ready, ((seat.released + 1) << 16) + behind)
        return True

    def forget(self, place: int) -> None:
        """The reader is gone for good; unknown places are ignored."""
        if (seated := self._seats.get(place)) is not None:
            self._unseat(seated)
            self.ledger.forget(place)

    def close(self) -> None:
        """End the spill thread and let go of everything. May be called twice."""
        if self.spill is not None:
            self.spill.close()
        for seated in list(self._seats.values()):
            self._unseat(seated)
        self._done.close()
        self._views.clear()
        self.segment.close()

    # -- steps

    def _publish(self, slot: int) -> None:
        ledger, q = self.ledger, self.ledger.next_index
        self._order[q & ledger.mask] = slot
        self._cells[PUBLISHED] = q + 1
        for ready in self._every_ready:
            _write_counter(ready, 1)
        ledger.publish(slot)
        if self._latest:
            self._offer(q, slot)
        if not self._every_ready:
            ledger.advance()

    def _offer(self, index: int, slot: int) -> None:
        for seated in self._latest:
            if self.ledger.seats[seated.place].grant >= 0:
                self._revoke(seated)
            self.ledger.granted(seated.place, slot)
            _write_counter(seated.ready, (index << 16 | slot) + 1)

    def _make_room(self) -> None:
        """Withdraw offers and evict until nothing lacks, or nothing helps."""
        ledger = self.ledger
        while lack := ledger.lack:
            if (place := ledger.revocable(lack)) >= 0:
                self._revoke(self._seats[place])
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
        shown = self._done.poll(0)
        for fd, _ in shown:
            if (seated := self._by_done.get(fd)) is not None:
                self._drain(seated)
        if shown:
            self.ledger.advance()

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
        seated, seat = self._seats[place], self.ledger.seats[place]
        behind = self.ledger.next_index - seat.released if seat.every else 0
        _write_counter(seated.evicted, 1)
        self.forget(place)
        self._on_evicted(place, behind)

    def _seat(self, seated: Seated) -> None:
        self._seats[seated.place] = seated
        self._by_done[seated.done] = seated
        self._done.register(seated.done, select.EPOLLIN)
        self._sort()

    def _unseat(self, seated: Seated) -> None:
        del self._seats[seated.place], self._by_done[seated.done]
        self._done.unregister(seated.done)
        seated.close()
        self._sort()

    def _sort(self) -> None:
        """Those that may not be evicted come first: the recording."""
        every = [s for s in self._seats.values() if s.every]
        every.sort(key=lambda s: self.ledger.seats[s.place].evictable)
        self._every_ready = [s.ready for s in every]
        self._latest = [s for s in self._seats.values() if not s.every]

    def _show_use(self) -> tuple[int, int]:
        """Show how full the ring is; give the slots in use, RAM and overflow."""
        use = self.ledger.used, self.ledger.overflow_used
        if use != self._use:
            self._use, (used, beyond), cells = use, use, self._cells
            cells[layout.RING_USED] = used
            cells[layout.RING_HIGH] = max(cells[layout.RING_HIGH], used)
            cells[layout.OVERFLOW_USED] = beyond
            cells[layout.OVERFLOW_HIGH] = max(cells[layout.OVERFLOW_HIGH], beyond)
        return use


def new_frame(writer: Writer, slot: int, info: FrameInfo) -> Frame:
    """Give a slot as a frame for a source to fill."""
    return Frame(writer.planes(slot), info)
