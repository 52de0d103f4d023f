"""The producer's turn: a state as it sees it, and how to make the next one.

What its books say about slots is decided here, so that every step asks alike.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .bounds import Bounds
from .state import NONE, Entry, Epoch, Pair, Producer, State, put

Step = tuple[str, State]
Steps = Iterator[Step]


@dataclass(slots=True)
class Turn:
    """A state in which the producer lives, with its own part at hand."""

    bounds: Bounds
    state: State
    p: Producer
    epoch: Epoch

    @classmethod
    def of(cls, bounds: Bounds, state: State) -> "Turn":
        """Look at `state` as its producer does."""
        return cls(bounds, state, state.producer, state.epochs[-1])

    def is_mutant(self, name: str) -> bool:
        """Say whether the rule of that name is broken in this search."""
        return self.bounds.mutant == name

    def to(self, p: Producer, epoch: Epoch | None = None) -> State:
        """Give the state in which the producer and its epoch have moved on."""
        if epoch is None:
            return self.state._replace(producer=p)
        epochs = (*self.state.epochs[:-1], epoch)
        return self.state._replace(producer=p, epochs=epochs)

    def pair(self, j: int) -> Pair:
        """Give the counters in use for place `j`."""
        return self.epoch.pairs[j][self.p.seats[j]]

    def with_pair(self, j: int, pair: Pair, seat: int = NONE) -> Epoch:
        """Give the epoch with other counters for place `j`."""
        pairs = self.epoch.pairs
        seat = self.p.seats[j] if seat == NONE else seat
        return self.epoch._replace(pairs=put(pairs, j, put(pairs[j], seat, pair)))

    def read_done(self, j: int) -> tuple[int, Epoch]:
        """Give what reading `done` gives, and the epoch without it."""
        pair = self.pair(j)
        return pair.done, self.with_pair(j, pair._replace(done=0))

    def used(self, skip: int = NONE, without: Collection[int] = ()) -> set[int]:
        """Give the slots in use.

        Args:
            skip: A place whose grant is to be ignored.
            without: Places that are to be ignored.
        """
        slots = self._unreleased(without) | self._queued()
        for j in self.bounds.latest:
            if j not in without:
                slots.update(self.p.held[j])
                if j != skip and not self.is_mutant("free_before_revoke"):
                    slots.add(self.p.grant[j])
        slots.add(self.p.slot)
        slots.discard(NONE)
        return slots

    def free(
        self, kind: range, skip: int = NONE, without: Collection[int] = ()
    ) -> list[int]:
        """Give the free slots of one kind; arguments as for `used`."""
        used = self.used(skip, without)
        return [slot for slot in kind if slot not in used]

    def is_short(self, left: int) -> bool:
        """Say whether a frame must be spilled that leaves `left` RAM slots free."""
        return self.bounds.overflow > 0 and left < self.bounds.few

    def is_spilled(self, left: int) -> bool:
        """Say whether a frame is to be spilled, if there is an overflow slot."""
        return self.is_short(left) or bool(self.p.queue)

    def credit(self, j: int, n: int) -> Producer:
        """Give the books after `n` frames came back from place `j`."""
        p = self.p
        if j in self.bounds.every:
            return p._replace(back=put(p.back, j, p.back[j] + n))
        held, grant = p.held[j][n:], p.grant[j]
        if n > len(p.held[j]) and not self.is_mutant("forget_pending_done"):
            grant = NONE  # released, so it had been taken, though nobody noticed
        return p._replace(held=put(p.held, j, held), grant=put(p.grant, j, grant))

    def ungranted(self, j: int, *, taken: bool) -> Producer:
        """Give the books after the grant of `j` was read: revoked, or found taken."""
        p = self.p
        held = (*p.held[j], p.grant[j]) if taken else p.held[j]
        return p._replace(held=put(p.held, j, held), grant=put(p.grant, j, NONE))

    def forgotten(self, j: int) -> Producer:
        """Give the books without place `j`."""
        p = self.p
        return p._replace(
            seats=put(p.seats, j, NONE),
            grant=put(p.grant, j, NONE),
            held=put(p.held, j, ()),
        )

    def _unreleased(self, without: Collection[int]) -> set[int]:
        p, order = self.p, self.epoch.order
        backs = [
            p.back[j]
            for j in self.bounds.every
            if p.seats[j] != NONE and j not in without
        ]
        return {
            order[i % len(order)] for i in range(min(backs, default=p.next), p.next)
        }

    def _queued(self) -> set[int]:
        slots = set()
        for entry in self.p.queue:
            if not self._is_freed_early(entry):
                slots.add(entry.ram)
            if not self.is_mutant("overflow_slot_given_twice"):
                slots.add(entry.over)
        return slots

    def _is_freed_early(self, entry: Entry) -> bool:
        return entry.over != NONE and self.is_mutant("ram_freed_before_pwrite")


def resting(p: Producer) -> str:
    """Give what the producer does between two frames: it publishes, seeks or waits."""
    if p.queue and p.queue[0].is_whole:
        return "order"
    return "reclaim" if p.in_hand else "camera"
