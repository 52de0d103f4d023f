"""A Pi's camera: `python -m benchmarks.camera [--quick] [--json FILE]`.

The source `picamera2` against a bare program of picamera2's, whose `pre_callback`
copies each frame into an array: in turns, each in a process of its own, in one
configuration of the camera. Then from `session.start` to the first frame.
"""

import csv
import multiprocessing
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import numpy as np

from imagemp.daemon.sources.pi import PiSource
from imagemp.daemon.sources.pi_errors import camera_number, import_picamera2
from imagemp.daemon.sources.pi_settings import PiSettings, configuration
from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame, FrameInfo
from imagemp.private import PrivateDaemon, running

from .table import Options, Report

WIDTH, HEIGHT, FPS = 640, 480, 30.0
ASKED = {"width": WIDTH, "height": HEIGHT, "format": "grey", "fps": FPS}
WARM = 20  # frames at the start of each round that do not count
TRACED = 10  # further frames, whose copies are counted
MARKS = (0x55, 0xAA)  # what the array is full of before a frame, in turn
SILENT_S = 30.0
KEYS = (
    *("cpu_per_frame_vs_pre_callback", "own_cpu_per_frame_vs_pre_callback"),
    *("copies_per_frame", "copies_of_pre_callback"),
    *("lost", "start_to_first_frame_ms"),
)
CONFIG = f"""
[daemon]
data_dir = "{{folder}}/data"
[pipelines.cam0.source]
kind = "picamera2"
width = {WIDTH}
height = {HEIGHT}
format = "grey"
fps = {FPS}
[pipelines.cam0.encoder]
keep_free = "0"
"""
T = TypeVar("T")


@dataclass
class Tally:
    """What frames cost the process that takes them, and how often each is copied.

    Each frame is taken between `before` and `after`, all in one thread.

    Attributes:
        array: Where each frame is copied to.
        frames: How many of them are to be timed.
        cpu_us: Of a frame, all threads of the process.
        own_us: Of a frame, the thread that takes them.
        copies: Of a frame: bytes put into the array and into memory that was
            allocated meanwhile, as parts of the array.
        lost: Frames that the sensor made and that did not come.
    """

    array: AnyArray
    frames: int
    cpu_us: float = 0.0
    own_us: float = 0.0
    copies: float = 0.0
    lost: int = 0
    _taken: int = 0
    _began: tuple[int, int] = (0, 0)
    _held: int = 0
    _written: list[AnyArray] = field(default_factory=list)
    _allocated: list[int] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether no more frames are wanted."""
        return self._taken >= WARM + self.frames + TRACED

    def before(self) -> None:
        """A frame is to be taken."""
        if tracemalloc.is_tracing():
            self.array[...] = MARKS[self._taken % 2]
            tracemalloc.reset_peak()
            self._held, _ = tracemalloc.get_traced_memory()

    def after(self) -> None:
        """It is there."""
        if tracemalloc.is_tracing():
            self._allocated.append(tracemalloc.get_traced_memory()[1] - self._held)
            self._written.append(self.array != MARKS[self._taken % 2])
        self._taken += 1
        now = time.process_time_ns(), time.thread_time_ns()
        if self._taken == WARM:
            self._began = now
        elif self._taken == WARM + self.frames:
            spent = [after - at for after, at in zip(now, self._began, strict=True)]
            self.cpu_us, self.own_us = (ns / self.frames / 1000 for ns in spent)
            tracemalloc.start()
        elif self.is_done:
            tracemalloc.stop()
            self._count()

    def _count(self) -> None:
        """A pixel that shows each mark in turn was not written, by chance or not."""
        written = np.logical_or(*self._written[-2:]).mean()
        allocated = float(np.median(self._allocated)) / self.array.nbytes
        self.copies = float(written) + allocated
        self._written.clear()


def measure(options: Options) -> Report:
    """Measure both in turns, then starts."""
    report = Report("camera")
    if reason := alone(why_not):
        report.note(f"Not measured: {reason}.")
        return report
    rounds, frames = (1, 30) if options.quick else (5, 300)
    ours, bare = list[Tally](), list[Tally]()
    for _ in range(rounds):
        bare.append(alone(by_pre_callback, frames))
        ours.append(alone(by_source, frames))
        row(report, "pre_callback", bare[-1])
        row(report, "imagemp", ours[-1])
    both = list(zip(ours, bare, strict=True))
    report.key(KEYS[0], [o.cpu_us / b.cpu_us for o, b in both])
    report.key(KEYS[1], [o.own_us / b.own_us for o, b in both])
    report.key("copies_per_frame", [tally.copies for tally in ours], 1.2)
    report.key("copies_of_pre_callback", [tally.copies for tally in bare])
    report.key("lost", [sum(tally.lost for tally in ours)], 0)
    starts(report, 2 if options.quick else 10)
    report.note(
        f"{WIDTH}x{HEIGHT}, grey, {FPS:g} fps. cpu: all threads, libcamera's among "
        "them; own: the thread that takes the frames. A ratio is taken in each round."
    )
    report.note(
        "Copies are counted: the part of the array that a frame changes, and the "
        "memory allocated meanwhile (tracemalloc) as a part of the array."
    )
    return report


def row(report: Report, what: str, tally: Tally) -> None:
    """Add what one process has found."""
    spent = {"cpu_us": tally.cpu_us, "own_us": tally.own_us}
    report.row("of a frame", what=what, **spent, copies=tally.copies, lost=tally.lost)


def alone(function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401
    """Call a function in a process of its own: libcamera is held by one."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()


def why_not() -> str:
    """Say why there is nothing to be measured; "" if there is."""
    try:
        camera_number(import_picamera2(), 0)
    except SourceError as error:
        return str(error)
    return ""


def by_source(frames: int) -> Tally:
    """Take frames as capture does: grab and retrieve."""
    source = PiSource(ASKED)
    (plane,) = source.open().planes
    tally = Tally(np.zeros(plane.shape, plane.dtype), frames)
    frame, never = Frame({"image": tally.array}, FrameInfo()), os.eventfd(0)
    while not tally.is_done:
        tally.before()
        grab = source.grab(never)
        source.retrieve(frame)
        tally.after()
        tally.lost += grab.missed if grab else 0  # `never` wakes nobody
    source.close()
    return tally


def by_pre_callback(frames: int) -> Tally:
    """Take frames as picamera2's manual has it."""
    picamera2 = import_picamera2()
    picam = picamera2.Picamera2(0)
    made, fps = configuration(picam, PiSettings(**ASKED))  # type: ignore[arg-type]
    picam.configure(made)
    picam.set_controls({"FrameRate": fps})
    tally = Tally(np.zeros((HEIGHT, WIDTH), np.uint8), frames)
    done = Event()

    def copy(request: object) -> None:
        if not tally.is_done:
            tally.before()
            with picamera2.MappedArray(request, "main") as mapped:
                np.copyto(tally.array, mapped.array[:HEIGHT, :WIDTH])
            tally.after()
        if tally.is_done:
            done.set()

    picam.pre_callback = copy
    picam.start()
    came = done.wait(SILENT_S + 2 * (WARM + frames + TRACED) / FPS)
    picam.close()
    if not came:
        raise SourceError("the camera gives no frames to a pre_callback")
    return tally


def starts(report: Report, n: int) -> None:
    """Start sessions of a daemon: the first one has it import picamera2."""
    with (
        tempfile.TemporaryDirectory(prefix="imagemp-") as made,
        running(CONFIG, Path(made)) as daemon,
    ):
        found = [first_frame_ms(daemon) for _ in range(n)]
    report.row("ms", what="first start", ms=found[0])
    report.key("start_to_first_frame_ms", found[1:])


def first_frame_ms(daemon: PrivateDaemon) -> float:
    """Start a session; say when it had its first frame."""
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    told = daemon.call("session.start", frames=5, wait="done")
    folder = Path(told["sessions"][0]["dir"])
    with (folder / "frames.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    return (int(first["t_arrival_ns"]) - before_ns) / 1e6


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
