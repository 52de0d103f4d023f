"""One run of the overflow benchmark, in processes of its own.

    python -m benchmarks.lagging QUICK_S SLOW_S [PROCS]

A camera at a fixed rate, the spill thread, and a recorder that is slow for a while.
The figures go to its standard output, as JSON. PROCS: the file of a control group that
it first enters.
"""

import json
import os
import select
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from imagemp.frames import AnyArray, Frame, FrameInfo, FrameLayout
from imagemp.ring.layout import (
    DROP_CAUSES,
    DROPPED,
    OVERFLOW_HIGH,
    Geometry,
    overflow_slots,
)
from imagemp.ring.reader import EveryReader
from imagemp.ring.seated import Seated
from imagemp.ring.segment import Header, Segment
from imagemp.ring.spill import Spill, storing
from imagemp.ring.writer import Writer
from imagemp.spec import FrameSpec

from .limits import cores
from .peers import FORK, new_counter

NBYTES, FPS, SLOTS = 921_600, 200.0, 32
OVERFLOW = 2 << 30  # bytes, the default
SPEC = FrameSpec.image((NBYTES // 8,), "<u8")
DISK = Path("/var/tmp")  # noqa: S108 - the file there has no name
Figures = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """Seconds with a reader that keeps up, and with one that does not."""

    quick_s: float
    slow_s: float

    @property
    def frames(self) -> int:
        """How many that makes."""
        return int((self.quick_s + self.slow_s) * FPS)


class Camera:
    """Publishes at a fixed rate, and notes what it took and where frames were."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.words: AnyArray = np.zeros(NBYTES // 8, np.uint64)
        self.ram_ns: list[int] = []
        self.overflow_ns: list[int] = []

    def run(self, frames: int) -> None:
        """Publish all; then what is still queued."""
        start = time.monotonic()
        for n in range(frames):
            self._wait_until(start + n / FPS)
            self._publish()
        while not self.writer.is_drained:
            self._wait_until(time.monotonic() + 0.05)

    def _publish(self) -> None:
        writer = self.writer
        started = time.perf_counter_ns()
        seq = writer.count_grab()
        self.words[0] = self.words[-1] = seq
        info = FrameInfo(seq=seq)
        if (slot := writer.acquire()) < 0:
            writer.drop_for_want_of_a_slot()
            return
        np.copyto(writer.planes(slot)["image"], self.words)
        writer.commit(slot, info)
        took = time.perf_counter_ns() - started
        (self.overflow_ns if info.overflow_used else self.ram_ns).append(took)

    def _wait_until(self, due: float) -> None:
        """As capture does: what the spill thread finishes is published meanwhile."""
        spill = self.writer.spill
        assert spill is not None  # noqa: S101 - the ring was made with an overflow
        poll = select.poll()
        poll.register(spill, select.POLLIN)
        while (left := due - time.monotonic()) > 0:
            if poll.poll(left * 1000):
                self.writer.publish_spilled()


@dataclass
class Recorder:
    """Reads in order; slow between two frames of the stream."""

    reader: EveryReader
    plan: Plan
    seen: int = 0
    torn: int = 0
    out_of_order: int = 0
    slow_until: float = 0.0
    poll: select.poll = field(default_factory=select.poll)

    def run(self, told: Connection) -> None:
        """Read all; say what was seen."""
        self.poll.register(self.reader, select.POLLIN)
        self.poll.register(told, select.POLLIN)
        told.send("ready")
        while not self.reader.is_finished:
            self.poll.poll()
            if self.reader.end is None and told.poll():
                self.reader.finish(told.recv())
            while (frame := self.reader.take()) is not None:
                self._look_at(frame)
                self.reader.release(frame)
        told.send((self.seen, self.torn, self.out_of_order))

    def _look_at(self, frame: Frame) -> None:
        self.torn += bool(frame.image[0] != frame.image[-1])
        self.out_of_order += frame.info.index != self.seen
        self.seen += 1
        if self.seen == int(self.plan.quick_s * FPS):
            self.slow_until = time.monotonic() + self.plan.slow_s
        if time.monotonic() < self.slow_until:
            time.sleep(3 / FPS)


def run(plan: Plan) -> Figures:
    """Run camera, spill thread and recorder."""
    layout = FrameLayout.of(SPEC)
    beyond = overflow_slots(OVERFLOW, layout.nbytes, SLOTS)
    geometry = Geometry(SLOTS, beyond, layout.nbytes, overflow_kind="disk")
    writer = Writer(Segment.create(geometry, DISK), layout)
    watching = Watching(writer)
    ready, done = new_counter(), new_counter()
    seated = Seated(0, 0, os.dup(ready), os.dup(done), -1, every=True)
    writer.attach(seated, evictable=False)
    here, there = FORK.Pipe()
    overflow = writer.segment.overflow_for_reading()
    child = FORK.Process(
        target=_record, args=(writer, overflow, ready, done, plan, there), daemon=True
    )
    child.start()
    here.recv()
    camera = Camera(writer)
    camera.run(plan.frames)
    here.send(writer.ledger.next_index)
    seen, torn, out_of_order = here.recv()
    with closing(Header(writer.segment.fd)) as header:
        dropped = header.counts(DROPPED, DROP_CAUSES)
    figures = {
        "spilled": float(watching.n),
        "slowest_store_ms": watching.slowest_s * 1e3,
        **{cause: float(dropped.get(cause, 0)) for cause in DROP_CAUSES},
        "high": float(writer.segment.cells[OVERFLOW_HIGH]),
        "lost": float(plan.frames - seen + out_of_order),
        "unaccounted": float(plan.frames - seen + out_of_order - sum(dropped.values())),
        "torn": float(torn),
        **_quantiles("ram", camera.ram_ns),
        **_quantiles("overflow", camera.overflow_ns),
    }
    child.join()
    writer.close()
    return figures


def _record(
    writer: Writer, overflow: int, ready: int, done: int, plan: Plan, told: Connection
) -> None:
    os.sched_setaffinity(0, {cores()[1]})
    memory = Segment.attach(os.dup(writer.segment.fd), overflow)
    Recorder(EveryReader(memory, SPEC, ready, done), plan).run(told)
    os._exit(0)


class Watching:
    """Has the spill thread's copies counted and timed."""

    def __init__(self, writer: Writer) -> None:
        self.n, self.slowest_s, self._store = 0, 0.0, storing(writer.segment)
        assert writer.spill is not None  # noqa: S101 - the ring has an overflow
        writer.spill.close()
        writer.spill = Spill(self.store)

    def store(self, slot: int, to: int) -> None:
        """Copy a frame."""
        started = time.monotonic()
        self._store(slot, to)
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        self.n += 1


def _quantiles(place: str, took_ns: list[int]) -> Figures:
    took = np.array(took_ns or [0]) / 1e3
    p50, p99 = np.percentile(took, (50, 99))
    return {
        f"{place}_p50_us": float(p50),
        f"{place}_p99_us": float(p99),
        f"{place}_max_us": float(took.max()),
    }


def main() -> None:
    """Run once."""
    quick_s, slow_s, procs = (*sys.argv[1:], "")[:3]
    if procs:
        Path(procs).write_text(str(os.getpid()))
    sys.stdout.write(json.dumps(run(Plan(float(quick_s), float(slow_s)))))


if __name__ == "__main__":
    main()
