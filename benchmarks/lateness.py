"""How late frames are: `python -m benchmarks.lateness [--quick] [--json FILE]`.

A timetable of 10, 100 and 500 Hz against a bare clock_nanosleep loop, in turns;
from a trigger to its frame; from `session.start` to the first frame.
"""

import csv
import ctypes
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from statistics import median, quantiles
from typing import Any

from imagemp.client import Control
from imagemp.clock import boottime_ns
from imagemp.private import PrivateDaemon, running

from .places import place
from .table import Options, Report

RATES = (10, 100, 500)
CAMERA = 2  # it gives so many frames for each that the timetable wants
TRIGGER_FPS = 1000  # so the wait for the camera is at most 1 ms
TRIGGER_GAP_S = 0.02
KEYS = (
    *(f"lateness_{hz}hz_{what}_vs_nanosleep"
      for hz in RATES for what in ("p50", "p99")),
    "deadlines_lost",
    "trigger_to_frame_ms",
    "trigger_to_answer_ms",
    "start_to_first_frame_ms",
)  # fmt: skip
SECOND_NS = 10**9
TIMER_ABSTIME = 1
CONFIG = """
[daemon]
data_dir = "{folder}/data"
[pipelines.cam0.source]
kind = "synthetic"
width = 64
height = 48
[pipelines.cam0.encoder]
keep_free = "0"
"""


class Timespec(ctypes.Structure):
    """What clock_nanosleep takes."""

    _fields_ = (("seconds", ctypes.c_long), ("ns", ctypes.c_long))


def measure(options: Options) -> Report:
    """Measure all three, each several times."""
    report = Report("lateness")
    with place("tmpfs") as folder:
        if folder is None:
            report.note("No tmpfs here: not measured.")
            return report
        with running(CONFIG, folder) as daemon:
            lost = 0
            for hz in RATES:
                lost += _timetable(report, daemon, hz, quick=options.quick)
            report.key("deadlines_lost", [lost])
            _triggers(report, daemon, 5 if options.quick else 200)
            _starts(report, daemon, 2 if options.quick else 20)
    report.note(
        f"A timetable's camera gives {CAMERA} frames for each that is wanted. Late is "
        "the time from the camera's instant for a deadline to capture having a frame "
        "(t_arrival_ns); of the bare loop, from the instant asked for to its return. "
        "lost: deadlines that got no frame of their own, late until the next one came."
    )
    report.note(
        f"A trigger's time includes the wait for the next frame, at {TRIGGER_FPS} fps."
    )
    return report


def _timetable(report: Report, daemon: PrivateDaemon, hz: int, *, quick: bool) -> int:
    """Take turns at one rate; give how many deadlines got no frame."""
    rounds, seconds = (1, 0.5) if quick else (5, 4.0)
    n, lost = max(5, round(hz * seconds)), 0
    bare_us, ours_us = list[list[float]](), list[list[float]]()
    for _ in range(rounds):
        bare_us.append(nanosleep_us(hz, n))
        late_us, missing = timetable_us(daemon, hz, n)
        ours_us.append(late_us)
        lost += missing
    for what, at in (("p50", 50), ("p99", 99)):
        both = [(percentile(o, at), percentile(b, at))
                for o, b in zip(ours_us, bare_us, strict=True)]  # fmt: skip
        name = f"lateness_{hz}hz_{what}_vs_nanosleep"
        report.key(name, [ours / bare for ours, bare in both])
        ours, bare = (median(values) for values in zip(*both, strict=True))
        report.row("late, us", hz=hz, what=what, timetable=ours, nanosleep=bare)
    return lost


def nanosleep_us(hz: int, n: int) -> list[float]:
    """Wait for `n` instants as simply as can be; give how late each was."""
    sleep, spec = ctypes.CDLL(None).clock_nanosleep, Timespec()
    began, found = time.monotonic_ns(), list[float]()
    for k in range(1, n + 1):
        due = began + k * SECOND_NS // hz
        spec.seconds, spec.ns = divmod(due, SECOND_NS)
        sleep(time.CLOCK_MONOTONIC, TIMER_ABSTIME, ctypes.byref(spec), None)
        found.append((time.monotonic_ns() - due) / 1000)
    return found


def timetable_us(daemon: PrivateDaemon, hz: int, n: int) -> tuple[list[float], int]:
    """Record `n` frames by a timetable; give how late each was, and deadlines lost.

    A deadline that got no frame of its own is as late as the next frame.
    """
    asked = [f"source.fps={hz * CAMERA}", f"schedule.every_s={1 / hz}"]
    with _session(daemon, asked, frames=n) as rows:
        pass
    began, late = rows[0]["t_sensor_ns"], list[float]()
    for row in rows:  # the camera's instant for each deadline has the same phase
        while (due := began + len(late) * SECOND_NS // hz) <= row["t_sensor_ns"] + 1000:
            late.append((row["t_arrival_ns"] - due) / 1000)
    return late, len(late) - len(rows)


def _triggers(report: Report, daemon: PrivateDaemon, n: int) -> None:
    asked = [f"source.fps={TRIGGER_FPS}", "schedule.trigger=true"]
    sent, answered = list[int](), list[float]()
    chance = random.Random(1)  # noqa: S311 - not in step with the camera
    with _session(daemon, asked, frames=n) as rows, Control(daemon.runtime) as control:
        for _ in range(n):
            time.sleep(TRIGGER_GAP_S * (1 + chance.random()))
            sent.append(boottime_ns())
            control.call("trigger")
            answered.append((boottime_ns() - sent[-1]) / 1e6)
    frame = [(row["t_arrival_ns"] - t) / 1e6 for row, t in zip(rows, sent, strict=True)]
    report.key("trigger_to_frame_ms", frame)
    report.key("trigger_to_answer_ms", answered)
    _spread(report, "trigger to frame", frame)
    _spread(report, "trigger to answer", answered)


def _starts(report: Report, daemon: PrivateDaemon, n: int) -> None:
    found = list[float]()
    for _ in range(n):
        before = boottime_ns()
        with _session(daemon, ["source.fps=1000"], frames=5) as rows:
            pass
        found.append((rows[0]["t_arrival_ns"] - before) / 1e6)
    report.key("start_to_first_frame_ms", found)
    _spread(report, "start to first frame", found)


@contextmanager
def _session(
    daemon: PrivateDaemon,
    overrides: list[str],
    **asked: Any,  # noqa: ANN401 - as the wire has them
) -> Iterator[list[dict[str, int]]]:
    """Begin a session; its rows are there after the block, when it is over."""
    rows: list[dict[str, int]] = []
    started = daemon.call("session.start", overrides=overrides, **asked)
    (session,) = (one["session"] for one in started["sessions"])
    yield rows
    ended = daemon.call("session.wait", session=session, timeout_s=120.0)
    folder = Path(ended["sessions"][0]["dir"])
    with (folder / "frames.csv").open(newline="") as file:
        names = ("t_arrival_ns", "t_sensor_ns")
        rows += [
            {name: int(row[name]) for name in names} for row in csv.DictReader(file)
        ]
    rmtree(folder)


def _spread(report: Report, what: str, values: list[float]) -> None:
    p50, p99 = percentile(values, 50), percentile(values, 99)
    report.row("ms", what=what, p50=p50, p99=p99, most=max(values))


def percentile(values: list[float], at: int) -> float:
    """Give one of the percentiles."""
    return quantiles(values, n=100, method="inclusive")[at - 1]


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
