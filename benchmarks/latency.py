"""From source to callback: `python -m benchmarks.latency [--quick] [--json FILE]`.

A computed camera of 100 fps and 640x480x3; the callback has a process of its own and
gets every frame. The rival is the same camera in one process, which puts each frame
into a `multiprocessing.Queue`, and another that takes it out. In turns, in one run;
from the moment when the camera has the frame until the user's code has the array.
"""

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from imagemp.daemon.sources.pace import Pace
from imagemp.daemon.sources.synthetic import Pattern
from imagemp.frames import AnyArray
from imagemp.private import PrivateDaemon, running

from .table import Options, Report

SHAPE, FPS = (480, 640, 3), 100.0
WARM = 20  # frames at the start of each round that do not count
WAIT_S = 60.0
KEYS = (
    *("callback_p50_us", "callback_p99_us", "queue_p50_us", "queue_p99_us"),
    *("p50_vs_queue", "p99_vs_queue", "lost"),
)
CODE = """
import json, time
from pathlib import Path
from imagemp import Callback

class Watch(Callback):
    def set_up(self, settings):
        self.out, self.late_ns = Path(settings["out"]), []

    def process(self, frame):
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.late_ns.append(now - frame.info.t_arrival_ns)

    def tear_down(self):
        self.out.write_text(json.dumps(self.late_ns))
"""
CONFIG = f"""
[daemon]
data_dir = "{{folder}}/data"
[pipelines.cam0.source]
kind = "synthetic"
shape = {list(SHAPE)}
fps = {FPS}
[[pipelines.cam0.callbacks]]
name = "watch"
target = "watch.py:Watch"
policy = "every"
buffer_length = 1
"""
Item = tuple[int, AnyArray] | None


def measure(options: Options) -> Report:
    """Measure both in turns."""
    report = Report("latency")
    rounds, frames = (1, 60) if options.quick else (5, 1000)
    ours, theirs, lost = [], [], 0
    with tempfile.TemporaryDirectory(prefix="imagemp-") as made:
        folder = Path(made)
        (folder / "watch.py").write_text(CODE)
        with running(CONFIG, folder) as daemon:
            for _ in range(rounds):
                late_us, missing = through_callback(daemon, frames)
                ours.append(late_us)
                lost += missing
                theirs.append(through_queue(frames))
                row(report, "callback", late_us)
                row(report, "mp.Queue", theirs[-1])
    for name, part in (("p50", 50), ("p99", 99)):
        pairs = [
            (float(np.percentile(a, part)), float(np.percentile(b, part)))
            for a, b in zip(ours, theirs, strict=True)
        ]
        report.key(f"callback_{name}_us", [a for a, _ in pairs])
        report.key(f"queue_{name}_us", [b for _, b in pairs])
        report.key(f"{name}_vs_queue", [a / b for a, b in pairs], 1.0)
    report.key("lost", [lost], 0)
    report.note(
        "From the moment when the camera has the frame, before it is drawn, until the "
        "user's code has it as an array of its own. Ratios are taken in each round."
    )
    return report


def row(report: Report, what: str, late_us: Sequence[float]) -> None:
    """Add the distribution of one round."""
    parts = {f"p{part}": float(np.percentile(late_us, part)) for part in (50, 90, 99)}
    report.row("us", what=what, frames=len(late_us), **parts, max=max(late_us))


def through_callback(daemon: PrivateDaemon, frames: int) -> tuple[list[float], int]:
    """Run a session; give how late each frame was, and how many never came."""
    out = daemon.folder / "late.json"
    settings = [f'callbacks.watch.settings.out="{out}"']
    told = daemon.call("session.start", frames=frames, overrides=settings, wait="done")
    counts = told["sessions"][0]["counts"]
    lost = counts["captured"] - counts["callbacks"]["watch"]["delivered"]
    return warm(json.loads(out.read_text())), lost


def through_queue(frames: int) -> list[float]:
    """Do the same with two processes and a queue."""
    context = multiprocessing.get_context("spawn")
    queue: Queue[Item] = context.Queue()
    found: Queue[list[int]] = context.Queue()
    ready = context.Event()
    taker = context.Process(target=take_all, args=(queue, found, ready))
    maker = context.Process(target=make_all, args=(queue, frames, ready))
    taker.start()
    maker.start()
    try:
        late_ns = found.get(timeout=WAIT_S + frames / FPS)
        maker.join(WAIT_S)
        taker.join(WAIT_S)
    finally:
        maker.kill()
        taker.kill()
    return warm(late_ns)


def make_all(queue: "Queue[Item]", frames: int, ready: Event) -> None:
    """Be the camera: draw each frame, and put it into the queue."""
    array = np.zeros(SHAPE, np.uint8)
    pattern, pace, seq = Pattern(SHAPE, array.dtype), Pace(FPS), 0
    never = os.eventfd(0)
    ready.wait(WAIT_S)
    for _ in range(frames):
        pace.wait(never)
        seq += 1 + pace.take_newest()[1]
        arrived_ns = now_ns()
        pattern.draw(seq, array)
        queue.put((arrived_ns, array))
    queue.put(None)


def take_all(queue: "Queue[Item]", found: "Queue[list[int]]", ready: Event) -> None:
    """Take each frame out of the queue; tell how late they were."""
    late_ns = []
    ready.set()
    while (item := queue.get()) is not None:
        late_ns.append(now_ns() - item[0])
    found.put(late_ns)


def now_ns() -> int:
    """Give the time by the clock that frames are stamped with."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def warm(late_ns: Sequence[int]) -> list[float]:
    """Give microseconds, without the first frames."""
    return [ns / 1000 for ns in late_ns[WARM:]]


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
