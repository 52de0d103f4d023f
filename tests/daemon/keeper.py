"""A ring keeper with a real producer and real readers, all in this process.

What the keeper sends is recorded, and obeyed at once by whoever is alive: the
producer by a worker's `Output`, each reader by a worker's `Feed`.
"""

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Self, TypeVar

import pytest

from imagemp.daemon.pipeline import ReaderPlan, RingPlan
from imagemp.daemon.rings import RingKeeper
from imagemp.daemon.workers import output
from imagemp.daemon.workers.orders import (
    Adopted,
    Attach,
    Event,
    Gone,
    RingMade,
    Start,
    Successor,
    Told,
    ToSupervisor,
)
from imagemp.frames import FrameInfo
from imagemp.link import Link, close_all
from imagemp.ring.feed import Feed
from imagemp.ring.handover import End, Enter, Order
from imagemp.ring.layout import T_LAST_NS
from imagemp.ring.writer import Writer
from imagemp.spec import FrameSpec

MAIN = ReaderPlan("main", "every", evictable=False)
MOTION = ReaderPlan("motion", "latest", evictable=False)
BLOBS = ReaderPlan("blobs", "every", evictable=True)
GUEST = ReaderPlan("guest", "every", evictable=True, is_outside=True)
SPEC = FrameSpec.image((64,))
AnyOrder = TypeVar("AnyOrder", bound=Order)


class Rig:
    """A keeper, and everybody it talks to.

    Attributes:
        sent: Every order, whether its reader lived or not.
        dead: To whom nothing gets through.
        told: What the producer has said.
        is_heard: Whether the keeper hears what the producer says.
        ends_are_late: Whether each `End` waits for `deliver`.
        links: Where orders go to a worker that is not played here.
        feeds: Of the readers that live, by name.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, Order]] = []
        self.dead: set[str] = set()
        self.told: list[Told] = []
        self.is_heard, self.ends_are_late = True, False
        self._late: list[tuple[str, End]] = []
        self.links: dict[str, Link[ToSupervisor]] = {}
        self.feeds: dict[str, Feed] = {}
        self.output = output.Output(self._hear)
        self.keeper = RingKeeper(RingPlan("source", "capture", ()), self._send)

    # -- the supervisor

    def keep(self, *readers: ReaderPlan) -> Self:
        """Have a ring with these readers kept."""
        self.keeper = RingKeeper(RingPlan("source", "capture", readers), self._send)
        names = {reader.worker for reader in readers} - self.links.keys()
        self.feeds = {name: Feed() for name in names}
        return self

    def begin(self, slots: int = 8) -> Self:
        """Have the producer make the ring of the next epoch, and go."""
        self.make_ring(slots)
        self.keeper.go()
        return self

    def make_ring(self, slots: int = 8) -> None:
        """Have the producer make the ring of the next epoch."""
        self.dead.discard("capture")
        epoch, seq, index, _ = self.keeper.next_epoch
        plan = output.RingSettings(slots)
        _, (ring,) = self.output.make(SPEC, plan, seq, index)
        self.keeper.made(RingMade("s1", epoch, SPEC.to_plain(), 30.0), [os.dup(ring)])

    def orders(self, worker: str, kind: type[AnyOrder]) -> list[AnyOrder]:
        """Give what was sent to a worker, of one kind."""
        return [o for name, o in self.sent if name == worker and isinstance(o, kind)]

    def to(self, worker: str) -> list[str]:
        """Give the names of all orders that were sent to a worker."""
        return [type(order).__name__ for name, order in self.sent if name == worker]

    # -- the producer

    @property
    def writer(self) -> Writer:
        """Its end of the ring."""
        assert self.output.writer is not None
        return self.output.writer

    def publish(self, n: int = 1) -> int:
        """Grab frames; give how many found a slot."""
        return sum(self._publish() for _ in range(n))

    def drop(self, n: int) -> None:
        """Grab frames and give them up."""
        for _ in range(n):
            self._grab()
            self.writer.drop("camera_error")

    def grab(self) -> None:
        """Grab a frame and get no further."""
        self._grab()

    def end(self) -> None:
        """Say that no more frames come."""
        self.keeper.ended(self.writer.ledger.next_index)

    def kill_producer(self, *, last: bool = False) -> None:
        """Its process is gone, and the keeper knows."""
        self.dead.add("capture")
        self.output.close()
        self.keeper.producer_died(last=last)

    # -- the readers

    def read(self, worker: str, n: int = 1000) -> list[int]:
        """Take and release up to `n` frames; give their indexes."""
        feed, found = self.feeds[worker], list[int]()
        epoch = feed.epoch
        while len(found) < n and (frame := feed.take()) is not None:
            found.append(frame.info.index)
            feed.release(frame)
        for left in range(epoch, feed.epoch):
            self.keeper.left(worker, left)
        return found

    def is_finished(self, worker: str) -> bool:
        """Tell whether a reader has come to the end of the stream."""
        return self.feeds[worker].is_finished

    def take(self, worker: str, n: int) -> None:
        """Take frames and keep them."""
        for _ in range(n):
            assert self.feeds[worker].take() is not None

    def kill(self, worker: str) -> None:
        """A reader's process is gone, and the keeper knows."""
        self.feeds[worker].clear()
        self.dead.add(worker)
        self.keeper.reader_died(worker)

    def revive(self, worker: str) -> None:
        """Its successor is there."""
        self.feeds[worker] = Feed()
        self.dead.discard(worker)
        self.keeper.reader_back(worker)

    def deliver(self) -> None:
        """Let every late `End` arrive."""
        while self._late:
            worker, end = self._late.pop(0)
            self.feeds[worker].end(end)

    def close(self) -> None:
        """Close everything."""
        self.output.close()
        self.keeper.close()
        for feed in self.feeds.values():
            feed.clear()

    # -- what happens to what is sent

    def _send(self, worker: str, order: Order, fds: Sequence[int]) -> None:
        self.sent.append((worker, order))
        if worker in self.dead:
            return
        if (link := self.links.get(worker)) is not None:
            assert link.send(order, fds)
            return
        copies = [os.dup(fd) for fd in fds]
        if worker == "capture":
            self._obey(order, copies)
        elif isinstance(order, Enter):
            self.feeds.setdefault(worker, Feed()).enter(order, copies)
        elif isinstance(order, End) and self.ends_are_late:
            self._late.append((worker, order))
        elif isinstance(order, End):
            self.feeds.setdefault(worker, Feed()).end(order)

    def _obey(self, order: Order, fds: list[int]) -> None:
        if isinstance(order, Attach):
            self.output.attach(order, fds)
        elif isinstance(order, Successor):
            self.output.succeed(order, fds)
        elif isinstance(order, Gone):
            self.output.forget(order)
        else:
            assert isinstance(order, Start)
            close_all(fds)

    def _hear(self, told: Told) -> bool:
        self.told.append(told)
        if not self.is_heard:
            return True
        if isinstance(told, Adopted):
            self.keeper.adopted(told.place)
        elif isinstance(told, Event):
            self.keeper.evicted(told.details["place"])
        return True

    def _grab(self) -> int:
        seq = self.writer.count_grab()
        self.writer.segment.cells[T_LAST_NS] = 1000 + seq
        return seq

    def _publish(self) -> bool:
        seq, slot = self._grab(), self.writer.acquire()
        if slot < 0:
            self.writer.drop_for_want_of_a_slot()
            return False
        self.writer.commit(slot, FrameInfo(seq=seq))
        return True


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Give a keeper and its world, closed when the test is over."""
    with closing(Rig()) as made:
        yield made


def open_fds() -> list[str]:
    """Give what this process has open, but for what the looking needs."""
    gc.collect()  # what an earlier test has dropped
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:
            continue
    return sorted(found)
