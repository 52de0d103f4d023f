"""The supervisor's part in a ring: places, counters, epochs (role V of docs/ring.md).

It makes each reader's counters, hands them out, keeps a dead reader's place, and
when a producer dies reads from the header where its epoch ends.
"""

from collections.abc import Callable, Sequence
from itertools import count

from imagemp.link import close_all
from imagemp.ring import layout
from imagemp.ring.handover import End, Enter, Order

from .epochs import Epoch, Place, Totals, new_counters
from .pipeline import ReaderPlan, RingPlan
from .workers.orders import (
    Attach,
    Gone,
    RingMade,
    Start,
    Successor,
)

Send = Callable[[str, Order, Sequence[int]], None]


class RingKeeper:
    """All epochs of one ring in one session.

    Args:
        plan: Who produces it and who reads it.
        send: Sends an order to a worker by name; does nothing if it is dead.
    """

    def __init__(self, plan: RingPlan, send: Send) -> None:
        self.plan = plan
        self._send = send
        self.epochs: list[Epoch] = []
        self._past = Totals()
        self._numbers = count()
        self._t_last_ns = 0  # of the last frame of all epochs that are dead
        self._readers = {reader.worker: reader for reader in plan.readers}
        self._hasty: set[int] = set()  # places whose guest knew of an eviction first
        self.is_over = False

    @property
    def live(self) -> Epoch | None:
        """The epoch whose producer lives."""
        if self.epochs and not self.epochs[-1].is_dead:
            return self.epochs[-1]
        return None

    @property
    def latest(self) -> Epoch | None:
        """The epoch made last, dead or alive."""
        return self.epochs[-1] if self.epochs else None

    @property
    def next_epoch(self) -> tuple[int, int, int, int]:
        """Number, first seq, first index of the next epoch; time of the last frame."""
        if not self.epochs:
            return 0, 0, 0, 0
        last = self.epochs[-1]
        cells = last.header.cells
        seq, index = cells[layout.GRABBED], cells[layout.PUBLISHED]
        t_last_ns = cells[layout.T_LAST_NS] or self._t_last_ns
        return last.number + 1, seq, index, t_last_ns

    def made(self, made: RingMade, fds: list[int]) -> None:
        """The producer has a new ring; nobody is attached yet."""
        self.epochs.append(Epoch(made, fds))
        self._sweep()

    def go(self, from_ns: int = 0) -> None:
        """Attach every reader, then let the producer start: it misses no frame.

        Args:
            from_ns: The producer is to take no frame of before this instant.
        """
        self.epochs[-1].is_open = True
        for reader in self._readers.values():
            self._attach(reader)
        self._send(self.plan.producer, Start(from_ns), ())

    def ended(self, index: int) -> None:
        """The producer said where the stream ends; it lives until let go."""
        self.is_over = True
        if (epoch := self.live) is not None:
            epoch.end = index
        self._tell_end()

    def producer_died(self, *, last: bool) -> None:
        """Its process is gone: what it published is what there is."""
        self.is_over = self.is_over or last
        epoch = self.live
        if epoch is None:
            if last:
                self._tell_end()
            return
        *_, self._t_last_ns = self.next_epoch
        totals = epoch.totals()
        epoch.is_dead, epoch.lost = True, totals.staged
        epoch.end = epoch.header.cells[layout.PUBLISHED]
        self._tell_end()

    def no_more_wanted(self, since_ns: int) -> None:
        """Count what the camera made up to this instant while nobody was there."""
        epoch = self.latest
        if epoch and (epoch.is_dead or not epoch.header.cells[layout.T_LAST_NS]):
            *_, t_last_ns = self.next_epoch
            epoch.away = epoch.made_after(t_last_ns, since_ns)

    def give_up(self) -> None:
        """The producer will not come back: the stream ends where its epoch did."""
        self.producer_died(last=True)

    def reader_died(self, worker: str) -> None:
        """A place is kept for a reader that may miss nothing; others lose theirs."""
        for epoch in self.epochs:
            place = epoch.places.get(worker)
            if place is not None and not place.is_kept:
                self._forget(epoch, place)
        self._sweep()

    def reader_gone(self, worker: str) -> None:
        """The reader will not come back: its frames are nobody's."""
        self._readers.pop(worker, None)
        for epoch in self.epochs:
            if (place := epoch.places.get(worker)) is not None:
                self._forget(epoch, place)
        self._sweep()

    def join(self, reader: ReaderPlan, lost: int = -1) -> None:
        """A reader from outside comes, at any time.

        Or it was evicted and asks again; if that was from a place before the one it
        has now, it has been served: seated for it, the next eviction would be silent.

        Args:
            reader: Who it is.
            lost: The number of the place it was evicted from.
        """
        self._readers[reader.worker] = reader
        place = self.live.places.get(reader.worker) if self.live is not None else None
        if place is not None and place.number == lost:
            self._hasty.add(lost)
        self._seat(reader)

    def reader_back(self, worker: str) -> None:
        """A reader's new process: it gets all that the old one had not finished."""
        reader = self._readers.get(worker)
        if reader is None:
            return
        self.reader_died(worker)  # an epoch may have begun while it was dead
        for epoch in self.epochs:
            place = epoch.places.get(worker)
            if place is not None and not place.has_left:
                self._succeed(epoch, place)
        self._seat(reader)

    def evicted(self, number: int) -> str | None:
        """A reader stood in the way: ours is attached anew; say who it was.

        One from outside has to ask for that, or waits for the next epoch.
        """
        if (epoch := self.live) is None:
            return None
        for place in list(epoch.places.values()):
            if place.number == number:
                place.close()
                del epoch.places[place.reader.worker]
                worker = place.reader.worker
                if not place.reader.is_outside or number in self._hasty:
                    self._hasty.discard(number)
                    self._seat(place.reader)
                return worker
        return None

    def reader_at(self, number: int) -> str | None:
        """Say who has a place in the live epoch."""
        places = self.live.places.values() if self.live is not None else ()
        return next((p.reader.worker for p in places if p.number == number), None)

    def adopted(self, number: int) -> None:
        """The producer has moved on to the next counters: close the ones before."""
        for epoch in self.epochs:
            for place in epoch.places.values():
                if place.number == number and len(place.sets) > 1:
                    close_all(place.sets.pop(0))

    def left(self, worker: str, number: int) -> None:
        """A reader has finished an epoch; its memory goes when all have."""
        for epoch in self.epochs:
            if epoch.number == number and worker in epoch.places:
                epoch.places[worker].has_left = True
        self._sweep()

    def totals(self) -> Totals:
        """What all epochs have seen, of one instant."""
        sum_ = Totals()
        sum_.add(self._past)
        for epoch in self.epochs:
            sum_.add(epoch.totals())
        return sum_

    def close(self) -> None:
        """Let go of every epoch; the totals stay. May be called twice."""
        for epoch in self.epochs:
            self._past.add(epoch.totals())
            epoch.close()
        self.epochs = []

    # -- steps

    def _seat(self, reader: ReaderPlan) -> None:
        """Give it a place if frames come; say so if none will."""
        epoch = self.latest
        if epoch is not None and reader.worker in epoch.places:
            return
        if self.is_over:
            self._send(reader.worker, self._nothing(), ())
        elif epoch is not None and epoch is self.live and epoch.is_open:
            self._attach(reader)

    def _attach(self, reader: ReaderPlan) -> None:
        epoch = self.epochs[-1]
        place = Place(next(self._numbers), reader, epoch.free_cell())
        epoch.places[reader.worker] = place
        counters = new_counters(3 if reader.evictable else 2)
        place.sets.append(counters)
        attach = Attach(
            place.number,
            place.cell,
            reader.policy,
            reader.evictable,
            reader.allowance,
            reader.worker,
        )
        self._send(self.plan.producer, attach, counters)
        self._enter(epoch, place)

    def _succeed(self, epoch: Epoch, place: Place) -> None:
        # in a dead epoch, too: `ready` must be silent
        counters = new_counters(3 if place.reader.evictable else 2)
        place.sets.append(counters)
        if not epoch.is_dead:
            self._send(self.plan.producer, Successor(place.number), counters)
        self._enter(epoch, place)

    def _enter(self, epoch: Epoch, place: Place) -> None:
        made = epoch.made
        enter = Enter(
            epoch.number,
            place.number,
            place.reader.policy,
            made.spec,
            made.fps,
            len(epoch.fds) > 1,
        )
        self._send(place.reader.worker, enter, (*epoch.fds, *place.sets[-1]))
        if epoch.end is not None:
            self._send(place.reader.worker, self._end(epoch, place), ())

    def _tell_end(self) -> None:
        epoch = self.latest
        for worker in self._readers:
            if epoch is not None and (place := epoch.places.get(worker)) is not None:
                self._send(worker, self._end(epoch, place), ())
            elif self.is_over:
                self._send(worker, self._nothing(), ())

    def _nothing(self) -> End:
        """Give the end for a reader that has no place in the last epoch."""
        epoch = self.latest
        if epoch is None or epoch.end is None:
            return End(0, 0)
        return End(epoch.number, epoch.end, epoch.end)

    def _end(self, epoch: Epoch, place: Place) -> End:
        assert epoch.end is not None
        base = epoch.base(place) if epoch.is_dead else -1
        last = self.is_over and epoch is self.epochs[-1]
        return End(epoch.number, epoch.end, base, last)

    def _forget(self, epoch: Epoch, place: Place) -> None:
        if not epoch.is_dead:
            self._send(self.plan.producer, Gone(place.number), ())
        place.close()
        del epoch.places[place.reader.worker]

    def _sweep(self) -> None:
        """Let go of each dead epoch that no successor of a reader will enter."""
        for epoch in self.epochs[:-1]:
            kept = (place for place in epoch.places.values() if place.is_kept)
            if epoch.is_dead and all(place.has_left for place in kept):
                self._past.add(epoch.totals())
                epoch.close()
                self.epochs.remove(epoch)
