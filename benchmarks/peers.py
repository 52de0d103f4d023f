"""Ways to hand frames from one process to several: ours, and what comes with Python.

A peer is made, then one process forks for each reader. Frames are words of 8 bytes.
"""

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.shared_memory import SharedMemory
from typing import Any, ClassVar

import numpy as np

from imagemp.frames import AnyArray, FrameInfo, FrameLayout
from imagemp.ring.layout import Geometry
from imagemp.ring.reader import EveryReader
from imagemp.ring.seated import Seated
from imagemp.ring.segment import Segment
from imagemp.ring.writer import Writer
from imagemp.spec import FrameSpec

FORK = get_context("fork")
Words = AnyArray


@dataclass(frozen=True)
class Case:
    """What is handed over.

    Attributes:
        peer: The name of the way.
        slots: Room for so many frames, as far as it can be told.
        fps: 0: as fast as it goes.
        cores: That of the producer, and that of all readers.
    """

    peer: str
    nbytes: int
    readers: int
    slots: int
    seconds: float
    fps: float
    cores: tuple[int, int]


class Peer:
    """One way; `publish` waits while a reader has no room."""

    name: ClassVar[str]

    def __init__(self, case: Case) -> None:
        self.nbytes, self.slots = case.nbytes, case.slots

    def open(self) -> None:
        """In the producer, when all readers have forked."""

    def publish(self, words: Words) -> None:
        """Hand a frame to every reader; `words` may be drawn over afterwards."""
        raise NotImplementedError

    def frames(self, reader: int) -> Iterator[Words | None]:
        """In a reader: None once it listens, then each frame, valid until the next."""
        raise NotImplementedError

    def close(self) -> None:
        """In the producer, when all readers are gone."""


class RingPeer(Peer):
    """imagemp's ring, `every` readers of our own."""

    name = "imagemp"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.spec = FrameSpec.image((case.nbytes // 8,), "<u8")
        layout = FrameLayout.of(self.spec)
        self.writer = Writer(
            Segment.create(Geometry(case.slots, 0, layout.nbytes)), layout
        )
        self.ends = [(new_counter(), new_counter()) for _ in range(case.readers)]
        for place, (ready, done) in enumerate(self.ends):
            seated = Seated(place, place, os.dup(ready), os.dup(done), -1, every=True)
            self.writer.attach(seated, evictable=False)
        self._room = select.poll()
        self._room.register(self.writer, select.POLLIN)

    def publish(self, words: Words) -> None:
        self.hand_over(words)
        self.writer.tidy()

    def hand_over(self, words: Words) -> None:
        """Publish; the rest is done when the readers have it."""
        writer = self.writer
        seq = writer.count_grab()
        while (slot := writer.acquire()) < 0:
            self._room.poll()
        np.copyto(writer.planes(slot)["image"], words)
        writer.commit(slot, FrameInfo(seq=seq))

    def reader(self, reader: int) -> EveryReader:
        """Give a reader's end of the ring."""
        segment = Segment.attach(os.dup(self.writer.segment.fd))
        return EveryReader(segment, self.spec, *self.ends[reader])

    def frames(self, reader: int) -> Iterator[Words | None]:
        ring = self.reader(reader)
        poll = select.poll()
        poll.register(ring, select.POLLIN)
        yield None
        while True:
            poll.poll()
            while (frame := ring.take()) is not None:
                yield frame.image
                ring.release(frame)

    def close(self) -> None:
        self.writer.close()


class SemaphorePeer(Peer):
    """Slots of `shared_memory`, and two semaphores for each reader."""

    name = "shm + semaphore"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._memory = SharedMemory(create=True, size=case.slots * case.nbytes)
        shape = (case.slots, case.nbytes // 8)
        self._slots: AnyArray = np.ndarray(shape, np.uint64, self._memory.buf)
        self._slots[:] = 0
        self._free = [FORK.Semaphore(case.slots) for _ in range(case.readers)]
        self._filled = [FORK.Semaphore(0) for _ in range(case.readers)]
        self._next = 0

    def publish(self, words: Words) -> None:
        for free in self._free:
            free.acquire()
        np.copyto(self._slots[self._next % self.slots], words)
        self._next += 1
        for filled in self._filled:
            filled.release()

    def frames(self, reader: int) -> Iterator[Words | None]:
        free, filled, slots = self._free[reader], self._filled[reader], self._slots
        following = 0
        yield None
        while True:
            filled.acquire()
            yield slots[following % self.slots]
            following += 1
            free.release()

    def close(self) -> None:
        del self._slots
        self._memory.close()
        self._memory.unlink()


class QueuePeer(Peer):
    """`multiprocessing.Queue`, one for each reader."""

    name = "mp.Queue"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._queues: list[Any] = [FORK.Queue(case.slots) for _ in range(case.readers)]

    def publish(self, words: Words) -> None:
        mine = words.copy()  # its thread pickles it later
        for queue in self._queues:
            queue.put(mine)

    def frames(self, reader: int) -> Iterator[Words | None]:
        queue = self._queues[reader]
        yield None
        while True:
            yield queue.get()

    def close(self) -> None:
        for queue in self._queues:
            queue.close()


def new_counter() -> int:
    """Give an eventfd as the ring wants it."""
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
