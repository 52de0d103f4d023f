"""The ledger's promise, recomputed from scratch: slow, and too simple to be wrong.

"A slot is free if it is not order[s] for any s from tail to next_index - 1, nor any
grant, nor in any held, nor being filled"; nor is it in the spill thread's queue.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import chain


@dataclass
class ModelSeat:
    """A reader, and what is true of it whether the producer knows it or not.

    Attributes:
        back: `every`: index of the first frame not given back.
        grant: `latest`: the slot offered, None for none.
        has_taken: It has taken that slot, and nobody noticed yet.
        held: Slots that it is known to have taken.
    """

    every: bool
    evictable: bool
    back: int
    grant: int | None = None
    has_taken: bool = False
    held: list[int] = field(default_factory=list)

    @property
    def had(self) -> list[int]:
        """The slots that it can give back, oldest first; for `latest`."""
        return self.held + [self.grant] * self.has_taken  # type: ignore[list-item]


@dataclass
class ModelFrame:
    """A frame on its way through the spill thread."""

    number: int
    slot: int
    overflow: int | None
    stored: bool


@dataclass
class Model:
    """Every slot, and all that may use it.

    Attributes:
        order: Index to slot, for every frame that was ever published.
        frames: Index to the frame's number, in the order of commit.
        filling: Slots taken and not yet committed.
    """

    slots: int
    total: int
    next: int
    order: dict[int, int] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    filling: set[int] = field(default_factory=set)
    staged: list[ModelFrame] = field(default_factory=list)
    seats: dict[int, ModelSeat] = field(default_factory=dict)

    @property
    def ram(self) -> range:
        """The slots that a frame can be filled in."""
        return range(self.slots)

    @property
    def overflow(self) -> range:
        """The slots that a frame can be spilled to."""
        return range(self.slots, self.total)

    def tail(self, without: Collection[int] = ()) -> int:
        """Give the first index that some `every` reader still needs."""
        others = (seat for place, seat in self.seats.items() if place not in without)
        return min((seat.back for seat in others if seat.every), default=self.next)

    def used(
        self, without: Collection[int] = (), *, granted: bool = True
    ) -> set[int | None]:
        """Give the slots in use, some readers or all grants left out."""
        others = [seat for place, seat in self.seats.items() if place not in without]
        window = (self.order[i] for i in range(self.tail(without), self.next))
        queued = chain.from_iterable((f.slot, f.overflow) for f in self.staged)
        grants = (seat.grant for seat in others if granted)
        held = chain.from_iterable(seat.held for seat in others)
        return {*window, *self.filling, *queued, *grants, *held} - {None}

    def free(self, kind: Iterable[int], without: Collection[int] = ()) -> set[int]:
        """Give the free slots among `kind`."""
        return set(kind) - self.used(without)

    def freed(self, kind: Iterable[int], without: Collection[int]) -> set[int]:
        """Give the slots among `kind` that these readers alone keep."""
        return self.free(kind, without) - self.free(kind)
