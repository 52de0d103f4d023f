"""A ring in one process: a writer, and readers with descriptors of their own.

The rig is the supervisor as well: it makes each set of counters and keeps a copy
until it is closed, so that an epoch can be closed as docs/ring.md says.
"""

import os
from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from imagemp.frames import Frame, FrameInfo, FrameLayout, fields_dtype
from imagemp.ring.layout import DROPPED, PUBLISHED, RELEASED, Geometry
from imagemp.ring.reader import EveryReader, LatestReader, Reader
from imagemp.ring.seated import Seated
from imagemp.ring.segment import Header, Segment
from imagemp.ring.spill import Spill, Store
from imagemp.ring.writer import Writer
from imagemp.spec import FrameSpec

SMALL = FrameSpec.image((64,))

AnyReader = TypeVar("AnyReader", bound=Reader)


class Rig:
    """One epoch; `commit` and `publish` are the camera.

    Attributes:
        evictions: What the writer told: place, frames behind.
        counters: The supervisor's copies, by place: ready, done, evicted or -1.
        readers: All of them, the dead ones too.
    """

    def __init__(
        self,
        spec: FrameSpec = SMALL,
        *,
        slots: int = 4,
        overflow: int = 0,
        kind: str = "memory",
        first_index: int = 0,
    ) -> None:
        frames = FrameLayout.of(spec)
        fields_nbytes = fields_dtype(spec.fields).itemsize
        kind = kind if overflow else "none"
        geometry = Geometry(slots, overflow, frames.nbytes, fields_nbytes, kind)
        self.spec = spec
        self.evictions: list[tuple[int, int]] = []
        self.writer = Writer(
            Segment.create(geometry),
            frames,
            first_seq=first_index,
            first_index=first_index,
            on_evicted=lambda *told: self.evictions.append(told),
        )
        self.ledger = self.writer.ledger
        self.counters: dict[int, tuple[int, int, int]] = {}
        self.header = Header(self.writer.segment.fd)
        self._memory = os.dup(self.writer.segment.fd)
        self._overflow = -1
        if kind == "disk":
            self._overflow = self.writer.segment.overflow_for_reading()
        self._old = [self._memory, self._overflow]
        self.readers: list[Reader] = []

    # -- readers

    def every(self, *, evictable: bool = False) -> EveryReader:
        """Attach a reader that misses none; places count from 0."""
        return self.read(EveryReader, self.seat(every=True, evictable=evictable))

    def latest(self, *, evictable: bool = False) -> LatestReader:
        """Attach a reader of the newest frame; places count from 0."""
        return self.read(LatestReader, self.seat(every=False, evictable=evictable))

    def seat(self, *, every: bool, evictable: bool) -> int:
        """Make counters and attach them; give the place."""
        place = len(self.counters)
        self.counters[place] = _new_set(evictable=evictable)
        ready, done, evicted = _copies(self.counters[place])
        seated = Seated(place, place, ready, done, evicted, every)
        self.writer.attach(seated, evictable=evictable)
        return place

    def succeed(self, place: int) -> EveryReader:
        """Start a successor on the place of an `every` reader that died."""
        successor = self.replace(place)
        self.hand_over(place)
        return successor

    def replace(self, place: int) -> EveryReader:
        """Make a fresh set, and start the successor before the writer knows of it."""
        self.renew(place)
        return self.read(EveryReader, place)

    def renew(self, place: int) -> None:
        """Make a fresh set for a place."""
        is_evictable = self.counters[place][2] >= 0
        self._old += self.counters[place]
        self.counters[place] = _new_set(evictable=is_evictable)

    def hand_over(self, place: int) -> None:
        """Tell the writer of a successor."""
        self.writer.succeed(place, *_copies(self.counters[place]))

    def read(self, kind: type[AnyReader], place: int) -> AnyReader:
        """Give a reader its ends of a place."""
        overflow = os.dup(self._overflow) if self._overflow >= 0 else -1
        attached = Segment.attach(os.dup(self._memory), overflow)
        reader = kind(attached, self.spec, *_copies(self.counters[place]))
        self.readers.append(reader)
        return reader

    # -- the camera

    def publish(self, n: int = 1) -> int:
        """Grab `n` frames; give how many found a slot."""
        return sum(self.commit() >= 0 for _ in range(n))

    def commit(self) -> int:
        """Grab one frame, each byte of it its seq; give its slot or -1."""
        seq, slot = self.writer.count_grab(), self.writer.acquire()
        if slot < 0:
            self.writer.drop_for_want_of_a_slot()
            return -1
        self.fill(slot, seq)
        self.writer.commit(slot, FrameInfo(seq=seq))
        return slot

    def fill(self, slot: int, seq: int) -> None:
        """Draw a frame."""
        for plane in self.writer.planes(slot).values():
            plane.reshape(-1).view(np.uint8)[:] = seq % 251

    def use_store(self, store: Store) -> None:
        """Have frames spilled by `store` instead."""
        assert self.writer.spill is not None
        self.writer.spill.close()
        self.writer.spill = Spill(store)

    # -- the supervisor

    @property
    def published(self) -> int:
        """The cell `published`."""
        return self.header.cells[PUBLISHED]

    def dropped(self, cause: int = 0) -> int:
        """One of the cells `dropped`."""
        return self.header.cells[DROPPED + cause]

    def released(self, place: int) -> int:
        """The cell `released` of a place."""
        return self.header.cells[RELEASED + place]

    def base(self, place: int) -> int:
        """Where a place stands when the producer is dead."""
        try:
            return self.released(place) + os.eventfd_read(self.counters[place][1])
        except BlockingIOError:
            return self.released(place)

    def let_go(self, place: int) -> None:
        """A reader is gone for good: neither writer nor supervisor knows of it."""
        self.writer.forget(place)
        _close(self.counters[place])
        self.counters[place] = (-1, -1, -1)

    def close(self) -> None:
        """Close everything."""
        self.writer.close()
        self.header.close()
        for reader in self.readers:
            reader.close()
        _close([*self._old, *(fd for s in self.counters.values() for fd in s)])


def take_all(reader: Reader) -> list[Frame]:
    """Take whatever is there."""
    return list(iter(reader.take, None))


def seqs(frames: list[Frame]) -> list[int]:
    """Give the seqs of frames whose pixels bear them out."""
    for frame in frames:
        for plane in frame.planes.values():
            raw = np.ascontiguousarray(plane).reshape(-1).view(np.uint8)
            assert (raw == frame.info.seq % 251).all(), frame.info
    return [frame.info.seq for frame in frames]


def read_all(reader: Reader) -> list[int]:
    """Take and release whatever is there; give the seqs."""
    found = []
    while (frame := reader.take()) is not None:
        found += seqs([frame])
        reader.release(frame)
    return found


def _new_set(*, evictable: bool) -> tuple[int, int, int]:
    flags = os.EFD_NONBLOCK | os.EFD_CLOEXEC
    ready, done = os.eventfd(0, flags), os.eventfd(0, flags)
    return ready, done, os.eventfd(0, flags) if evictable else -1


def _copies(fds: tuple[int, int, int]) -> tuple[int, int, int]:
    ready, done, evicted = fds
    return os.dup(ready), os.dup(done), os.dup(evicted) if evicted >= 0 else -1


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)
