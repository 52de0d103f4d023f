"""One life of a ring's producer, as the supervisor sees it: places and cells."""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil

from imagemp.link import close_all
from imagemp.ring import layout
from imagemp.ring.segment import Header

from .pipeline import ReaderPlan
from .workers.orders import RingMade


@dataclass(slots=True)
class Totals:
    """What a ring has seen, over its epochs; all of one instant."""

    captured: int = 0
    published: int = 0
    staged: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    not_wanted: int = 0
    late: int = 0

    def add(self, other: "Totals") -> None:
        """Add another epoch's."""
        self.captured += other.captured
        self.published += other.published
        self.staged += other.staged
        self.dropped.update(other.dropped)
        self.missed.update(other.missed)
        self.not_wanted += other.not_wanted
        self.late += other.late


@dataclass(slots=True)
class Place:
    """A reader's seat in one epoch, and the counters it has had there.

    Attributes:
        number: Never given again.
        cell: The index of its `released` word; given again when the place is gone.
        sets: Oldest first; more than one while the producer has yet to move on.
    """

    number: int
    reader: ReaderPlan
    cell: int
    sets: list[tuple[int, ...]] = field(default_factory=list)
    drained: int = 0
    has_left: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether a successor goes on where a dead reader was."""
        return self.reader.policy == "every" and not self.reader.is_outside

    def drain(self) -> int:
        """Read every `done` of a dead epoch; give how many frames in all."""
        for counters in self.sets:
            with suppress(BlockingIOError):
                self.drained += os.eventfd_read(counters[1])
        return self.drained

    def close(self) -> None:
        """Close our copies of the counters."""
        for counters in self.sets:
            close_all(counters)
        self.sets = []


class Epoch:
    """One life of a ring's producer."""

    def __init__(self, made: RingMade, fds: list[int]) -> None:
        self.number, self.made, self.fds = made.epoch, made, fds
        self.header = Header(fds[0])
        self.places: dict[str, Place] = {}
        self.end: int | None = None
        self.is_dead = self.is_open = False
        self.lost = 0  # captured, and never published: its producer died
        self.away = 0  # made by the camera after the last frame, to the end

    def totals(self) -> Totals:
        """Read the cells; what the producer adds meanwhile shows as staged."""
        cells = self.header.cells
        published = cells[layout.PUBLISHED] - cells[layout.PUBLISHED0]
        dropped = Counter(self.header.counts(layout.DROPPED, layout.DROP_CAUSES))
        missed = Counter(self.header.counts(layout.MISSED, layout.MISS_CAUSES))
        captured = cells[layout.GRABBED] - cells[layout.GRABBED0]
        if self.lost:
            dropped["capture_restart"] += self.lost
        if self.away:
            missed["capture_restart"] += self.away
        staged = captured - published - dropped.total()
        wanted_not, late = cells[layout.NOT_WANTED], cells[layout.LATE]
        return Totals(captured, published, staged, dropped, missed, wanted_not, late)

    def made_after(self, t_ns: int, until_ns: int) -> int:
        """Give how many frames a camera made between its frame at `t_ns` and `until`.

        0 if it has no rate, or waits for us.
        """
        if not (t_ns and self.made.is_live and self.made.fps):
            return 0
        return max(0, ceil((until_ns - t_ns) * self.made.fps / 1e9) - 1)

    def free_cell(self) -> int:
        """Give the index of a `released` word that no place has."""
        taken = {place.cell for place in self.places.values()}
        return next(cell for cell in range(layout.READER_CELLS) if cell not in taken)

    def base(self, place: Place) -> int:
        """Where a kept reader of a dead epoch stands."""
        if not place.is_kept:
            return self.end if self.end is not None else -1  # nothing for it here
        cells = self.header.cells
        released = cells[layout.RELEASED + place.cell] + place.drain()
        return max(released, cells[layout.PUBLISHED0])

    def close(self) -> None:
        """Let go of the memory. May be called twice."""
        for place in self.places.values():
            place.close()
        self.header.close()
        close_all(self.fds)
        self.fds = []


def new_counters(n: int) -> tuple[int, ...]:
    """Make ready, done and, for those that may be evicted, evicted."""
    return tuple(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(n))
