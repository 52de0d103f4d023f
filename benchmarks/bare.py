"""What each step of the ring costs by itself: a writer and its readers, one process.

Nobody sleeps here, so a wake is a system call and nothing more; what a wake-up
costs besides is the kernel's, and the same for any design.
"""

import os
import select
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from time import perf_counter_ns

import numpy as np

from imagemp.frames import AnyArray, FrameInfo, FrameLayout
from imagemp.ring.layout import Geometry
from imagemp.ring.reader import EveryReader
from imagemp.ring.seated import Seated
from imagemp.ring.segment import Segment
from imagemp.ring.writer import Writer
from imagemp.spec import FrameSpec

from .limits import cores, page_aligned, steady
from .peers import FORK, Case, RingPeer, new_counter

BATCH = 16


@dataclass
class Costs:
    """Microseconds a frame.

    Attributes:
        publish: From `count_grab` to `commit`, copy and wakes included.
        overhead: The same beside copy and wakes.
        consume: `take` and `release` for one reader, the frame just published.
        batched: The same, a batch of frames being there.
        wake: `os.eventfd_write` and nothing else: the least a reader costs.
    """

    publish: float
    overhead: float
    consume: float
    batched: float
    wake: float


@dataclass
class Timer:
    """Times one thing again and again; its own cost is taken off."""

    took_ns: list[int] = field(default_factory=list)

    def time(self, step: Callable[[], object]) -> None:
        """Do it once."""
        start = perf_counter_ns()
        step()
        self.took_ns.append(perf_counter_ns() - start)

    @property
    def us(self) -> float:
        """What it takes in the long run, in microseconds."""
        nothing = Timer()
        for _ in range(1000):
            nothing.time(_nothing)
        own = statistics.median(nothing.took_ns)
        return (steady(self.took_ns) - own) / 1e3


class Bench:
    """A ring whose readers are all here.

    Args:
        nbytes: Of a frame.
        readers: How many, policy `every`.
        slots: In RAM; there is no overflow.
    """

    def __init__(self, nbytes: int, readers: int, slots: int) -> None:
        spec = FrameSpec.image((nbytes,))
        layout = FrameLayout.of(spec)
        self._stack = ExitStack()
        segment = Segment.create(Geometry(slots, 0, layout.nbytes))
        self.writer = self._stack.enter_context(closing(Writer(segment, layout)))
        self.readers = [self._seat(spec, place) for place in range(readers)]
        self.source: AnyArray = np.ones(nbytes, np.uint8)

    def publish(self) -> None:
        """Publish a frame."""
        writer = self.writer
        seq = writer.count_grab()
        slot = writer.acquire()
        np.copyto(writer.planes(slot)["image"], self.source)
        writer.commit(slot, FrameInfo(seq=seq))
        writer.tidy()

    def consume(self) -> None:
        """Have every reader take and release whatever is there."""
        for reader in self.readers:
            drain(reader)

    def close(self) -> None:
        """Let go of everything."""
        self._stack.close()

    def _seat(self, spec: FrameSpec, place: int) -> EveryReader:
        ready, done = new_counter(), new_counter()
        copies = os.dup(ready), os.dup(done)
        self.writer.attach(
            Seated(place, place, *copies, -1, every=True), evictable=False
        )
        memory = Segment.attach(os.dup(self.writer.segment.fd))
        reader = EveryReader(memory, spec, ready, done)
        return self._stack.enter_context(closing(reader))


def costs(nbytes: int, readers: int, slots: int, n: int) -> Costs:
    """Measure with `n` frames, on the producer's core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[0]})
    try:
        with closing(Bench(nbytes, readers, slots)) as bench:
            return _costs(bench, n)
    finally:
        os.sched_setaffinity(0, allowed)


def publish_us(nbytes: int, n: int) -> tuple[float, float]:
    """Publish to a reader that sleeps on another core: what `c_publish_us` does.

    Returns:
        That, and the tidying up that follows, a frame.
    """
    producer, reader = cores()
    peer = RingPeer(Case("imagemp", nbytes, 1, BATCH, 0, 0, (producer, reader)))
    asleep = os.eventfd(0, os.EFD_CLOEXEC)
    child = FORK.Process(target=_read, args=(peer, reader, asleep), daemon=True)
    child.start()
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {producer})
    try:
        return _in_step(peer, page_aligned(nbytes).view(np.uint64), n, asleep)
    finally:
        os.sched_setaffinity(0, allowed)
        child.kill()
        child.join()
        peer.close()
        os.close(asleep)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Give the ratios of what was measured in turns."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def drain(reader: EveryReader) -> None:
    """Take and release whatever is there."""
    while (frame := reader.take()) is not None:
        reader.release(frame)


def _in_step(
    peer: RingPeer, words: AnyArray, n: int, asleep: int
) -> tuple[float, float]:
    """Publish, then wait until it was released; that is not counted."""
    publish, tidy = [], []
    for _ in range(n):
        start = perf_counter_ns()
        peer.hand_over(words)
        handed_over = perf_counter_ns()
        peer.writer.tidy()
        tidy.append(perf_counter_ns() - handed_over)
        publish.append(handed_over - start)
        os.eventfd_read(asleep)
        words[0] += 1
    return steady(publish[n // 4 :]) / 1e3, steady(tidy[n // 4 :]) / 1e3


def _read(peer: RingPeer, core: int, asleep: int) -> None:
    """Take and release each frame, and say so: the writer looks only now and then."""
    os.sched_setaffinity(0, {core})
    ring, poll = peer.reader(0), select.poll()
    poll.register(ring, select.POLLIN)
    while True:
        poll.poll()
        while (frame := ring.take()) is not None:
            ring.release(frame)
            os.eventfd_write(asleep, 1)


def _costs(bench: Bench, n: int) -> Costs:
    publish, consume, copy, wake = Timer(), Timer(), Timer(), Timer()
    target, counter = bench.writer.planes(0)["image"], new_counter()
    for _ in range(2 * BATCH):
        bench.publish()
        bench.consume()
    for _ in range(n):
        publish.time(bench.publish)
        consume.time(bench.consume)
        copy.time(lambda: np.copyto(target, bench.source))
        wake.time(lambda: _wake(counter))
    os.close(counter)
    readers, wake_us = len(bench.readers), wake.us / BATCH
    beside = publish.us - copy.us - readers * wake_us
    consumed = consume.us / max(readers, 1)
    return Costs(publish.us, beside, consumed, _batched(bench, n), wake_us)


def _wake(counter: int) -> None:
    """Cost what nothing but the system calls costs."""
    for _ in range(BATCH):
        os.eventfd_write(counter, 1)


def _batched(bench: Bench, n: int) -> float:
    """What a frame costs a reader that finds several."""
    if not bench.readers:
        return 0.0
    took, batch = Timer(), min(BATCH, bench.writer.ledger.slots)
    for _ in range(max(5, n // batch)):
        for _ in range(batch):
            bench.publish()
        took.time(lambda: drain(bench.readers[0]))
        bench.consume()
    return took.us / batch


def _nothing() -> None:
    """Cost what calling costs."""
