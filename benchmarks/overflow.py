"""A reader too slow for its camera: `python -m benchmarks.overflow [--quick]`.

900 KB at 200 fps, the reader three times slower for a while; what does not fit in
RAM goes to a file. Once as it is, and once in a memory cgroup of 400 MB.
"""

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from imagemp.frames import AnyArray, Frame, FrameInfo, FrameLayout
from imagemp.ring.layout import OVERFLOW_HIGH, Geometry, overflow_slots
from imagemp.ring.reader import EveryReader
from imagemp.ring.seated import Seated
from imagemp.ring.segment import Segment
from imagemp.ring.spill import Spill, storing
from imagemp.ring.writer import Writer
from imagemp.spec import FrameSpec

from . import cgroup
from .limits import ROOT, cores
from .peers import FORK, new_counter
from .table import Options, Report

KEYS = (
    "spilled",
    "lost",
    "torn",
    "slowest_store_ms",
    "ram_p50_us",
    "overflow_p99_vs_ram_p50",
)
NBYTES, FPS, SLOTS = 921_600, 200.0, 32
OVERFLOW = 2 << 30  # bytes, the default
SPEC = FrameSpec.image((NBYTES // 8,), "<u8")
LIMIT = 400_000_000  # bytes
DISK = Path("/var/tmp")  # noqa: S108 - the file there has no name
TIMEOUT_S = 60
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


def measure(options: Options) -> Report:
    """Measure in turns, without the limit and with it."""
    report = Report("overflow")
    plan, rounds = (Plan(0.3, 1.0), 1) if options.quick else (Plan(2.0, 3.0), 5)
    found: dict[str, list[Figures]] = {"no limit": []}
    if reason := cgroup.why_not():
        report.note(f"No row under a 400 MB limit: {reason}.")
    else:
        found["400 MB"] = []
    for _ in range(rounds):
        for memory, runs in found.items():
            runs.append(_run(plan, limited=memory != "no limit"))
    for memory, runs in found.items():
        for place in ("ram", "overflow"):
            cells = {q: _middle(runs, f"{place}_{q}_us") for q in ("p50", "p99", "max")}
            report.row("publish, us", memory=memory, place=place, **cells)
    everything = [figures for runs in found.values() for figures in runs]
    report.key("spilled", [figures["spilled"] for figures in everything])
    report.key("lost", [sum(figures["lost"] for figures in everything)], 0)
    stores = [figures["slowest_store_ms"] for figures in everything]
    report.key("slowest_store_ms", stores)
    report.key("torn", [sum(figures["torn"] for figures in everything)], 0)
    report.key("ram_p50_us", [figures["ram_p50_us"] for figures in everything])
    ratios = [
        figures["overflow_p99_us"] / figures["ram_p50_us"] for figures in everything
    ]
    report.key("overflow_p99_vs_ram_p50", ratios, 10.0)
    high = max(figures["high"] for figures in everything)
    dropped = sum(figures["dropped"] for figures in everything)
    report.note(
        f"Overflow slots in use at most: {high:.0f} of {NBYTES >> 10} KiB. "
        f"{dropped:.0f} frames were dropped and counted, the spill thread being too "
        f"slow; its slowest copy took {max(stores):.1f} ms."
    )
    return report


# -- one run, in processes of its own


class Camera:
    """Publishes at a fixed rate, and notes what it took and where frames were."""

    def __init__(self, writer: Writer) -> None:
        self.writer, self.dropped = writer, 0
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
            self.dropped += 1
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
    figures = {
        "spilled": float(watching.n),
        "slowest_store_ms": watching.slowest_s * 1e3,
        "dropped": float(camera.dropped),
        "high": float(writer.segment.cells[OVERFLOW_HIGH]),
        "lost": float(plan.frames - seen + out_of_order),
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


def _middle(runs: list[Figures], name: str) -> float:
    return sorted(figures[name] for figures in runs)[len(runs) // 2]


def _run(plan: Plan, *, limited: bool) -> Figures:
    if limited:
        with cgroup.limited(LIMIT) as procs:
            return _spawn(plan, str(procs))
    return _spawn(plan, "")


def _spawn(plan: Plan, procs: str) -> Figures:
    command = [sys.executable, "-m", "benchmarks.overflow", "--run"]
    command += [str(plan.quick_s), str(plan.slow_s), procs]
    done = subprocess.run(  # noqa: S603 - our own program
        command, check=True, capture_output=True, timeout=TIMEOUT_S, cwd=ROOT
    )
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> None:
    """Run the command line, or with --run one run."""
    if sys.argv[1:2] == ["--run"]:
        quick_s, slow_s, procs = sys.argv[2:]
        if procs:
            Path(procs).write_text(str(os.getpid()))
        sys.stdout.write(json.dumps(run(Plan(float(quick_s), float(slow_s)))))
        return
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
