"""What a death costs: `python -m benchmarks.crashing [--quick] [--json FILE]`.

How late capture is beside a callback that crashes again and again, against one that
does not, in turns; then what kill -9 of each worker loses, and for how long; and the
memory of each.
"""

import csv
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

from imagemp.private import PrivateDaemon, running

from .places import place
from .table import Options, Report

WORKERS = ("capture", "main", "mine", "gateway")
PROCESSES = ("supervisor", *WORKERS)
RATIO = 2.0  # what a crashing callback may cost capture
PAUSE_S = 0.02
LONG_S = 60.0
KEYS = (
    *(f"lateness_{what}_vs_calm" for what in ("p50", "p99")),
    *(f"{worker}_killed_{what}" for worker in WORKERS for what in ("lost", "ms")),
    *(f"{name}_rss_mib" for name in PROCESSES),
)
CONFIG = """
[daemon]
data_dir = "{folder}/data"
[pipelines.cam0]
source = { kind = "synthetic", width = 640, height = 480, fps = 100 }
[pipelines.cam0.encoder]
keep_free = "0"
[[pipelines.cam0.callbacks]]
name = "mine"
target = "{folder}/mine.py:Mine"
policy = "every"
settings = { crashes = false }
"""
USER_CODE = """
from imagemp.callback import Callback


class Mine(Callback):
    def set_up(self, settings):
        self.crashes, self.n = settings["crashes"], 0

    def process(self, frame):
        self.n += 1
        if self.crashes and self.n == 10:
            raise RuntimeError("as asked")
"""
Status = dict[str, Any]


def measure(options: Options) -> Report:
    """Measure all of it on a tmpfs: no disk is meant here."""
    report = Report("crashing")
    with place("tmpfs") as folder:
        if folder is None:
            report.note("No tmpfs here: not measured.")
            return report
        (folder / "mine.py").write_text(USER_CODE)
        with running(CONFIG, folder) as daemon:
            _lateness(report, daemon, options)
            for worker in WORKERS:
                _kill(report, daemon, worker, 1 if options.quick else 5)
            _memory(report, daemon)
    report.note(
        "Late is the time from a frame's instant to capture having it. lost: frames "
        "dropped, skipped by the encoder, or missed by the camera's clock. ms: from "
        "the kill to the next frame captured, recorded, delivered; to the next answer."
    )
    return report


def _lateness(report: Report, daemon: PrivateDaemon, options: Options) -> None:
    """Compare in turns, for the machine is not the same from minute to minute."""
    p50s, p99s = list[float](), list[float]()
    for _ in range(1 if options.quick else 5):
        calm = _lates(daemon, options, crashes=False)
        crashing = _lates(daemon, options, crashes=True)
        p50s.append(crashing[0] / calm[0])
        p99s.append(crashing[1] / calm[1])
        report.row(
            "ms that frames are late",
            **{"calm p50": calm[0], "crashing p50": crashing[0]},
            **{"calm p99": calm[1], "crashing p99": crashing[1]},
            **{"crashes so far": _restarts(daemon)},
        )
    report.key("lateness_p50_vs_calm", p50s, RATIO)
    report.key("lateness_p99_vs_calm", p99s, RATIO)


def _lates(
    daemon: PrivateDaemon, options: Options, *, crashes: bool
) -> tuple[float, float]:
    """Give the median and p99 lateness of a session, ms."""
    word = str(crashes).lower()
    _begin(daemon, f"callbacks.mine.settings.crashes={word}")
    until = time.monotonic() + (1.5 if options.quick else 6.0)
    while time.monotonic() < until:
        if _worker(_status(daemon), "mine")["state"] in ("backoff", "fatal"):
            daemon.call("worker.restart", worker="mine")  # which forgives
        time.sleep(PAUSE_S)
    result = daemon.call("session.stop")["sessions"][0]
    with (Path(result["dir"]) / "frames.csv").open(newline="") as log:
        lates = [
            (int(row["t_arrival_ns"]) - int(row["t_sensor_ns"])) / 1e6
            for row in csv.DictReader(log)
        ]
    cuts = quantiles(lates, n=100)
    return round(cuts[49], 3), round(cuts[98], 3)


def _kill(report: Report, daemon: PrivateDaemon, worker: str, times: int) -> None:
    """Kill one in the middle of a session, each time anew."""
    lost, ms = list[float](), list[float]()
    for _ in range(times):
        if worker != "gateway":  # of the others five in a minute are too many
            daemon.call("worker.restart", worker=worker)
        _wait(daemon, lambda s: _worker(s, worker)["state"] == "running")
        _begin(daemon)
        _wait(daemon, lambda s: _progress(s, worker) >= 20)
        ms.append(_back_ms(daemon, worker))
        counts = daemon.call("session.stop")["sessions"][0]["counts"]
        causes = [counts["dropped"], counts["encoders"]["main"]["skipped"]]
        lost.append(sum(sum(c.values()) for c in (*causes, counts["missed"])))
    report.key(f"{worker}_killed_lost", lost)
    report.key(f"{worker}_killed_ms", ms)


def _memory(report: Report, daemon: PrivateDaemon) -> None:
    """Tell the memory of each process after all that, in a session."""
    _begin(daemon)
    _wait(daemon, lambda s: _progress(s, "main") >= 50)
    status = _status(daemon)
    pages = Path(f"/proc/{status['pid']}/statm").read_text().split()[1]
    found = {"supervisor": int(pages) * os.sysconf("SC_PAGE_SIZE")}
    found |= {name: _worker(status, name)["rss"] for name in WORKERS}
    daemon.call("session.stop")
    for name, nbytes in found.items():
        report.key(f"{name}_rss_mib", [round(nbytes / 2**20, 1)])


def _begin(daemon: PrivateDaemon, *overrides: str) -> None:
    daemon.call("session.start", overrides=list(overrides))


def _status(daemon: PrivateDaemon) -> Status:
    found: Status = daemon.call("status")
    return found


def _worker(status: Status, name: str) -> Status:
    if name == "gateway":
        return dict(status["gateway"])
    workers = status["pipelines"]["cam0"]["workers"]
    return next(dict(w) for w in workers if w["name"] == name)


def _progress(status: Status, worker: str) -> int:
    """Give how many frames a worker has dealt with."""
    counts = status["pipelines"]["cam0"]["counts"]
    if worker == "main":
        return int(counts["encoders"]["main"]["recorded"])
    if worker == "mine":
        return int(counts["callbacks"]["mine"]["delivered"])
    return int(counts["captured"])


def _back_ms(daemon: PrivateDaemon, worker: str) -> float:
    """Kill one; give the time until its successor has done something."""
    old = _worker(_status(daemon), worker)["pid"]
    began = time.monotonic()
    os.kill(old, signal.SIGKILL)
    _wait(daemon, lambda s: _worker(s, worker)["pid"] not in (None, old))
    if worker != "gateway":
        done = _progress(_status(daemon), worker)
        _wait(daemon, lambda s: _progress(s, worker) > done)
    return (time.monotonic() - began) * 1000


def _wait(daemon: PrivateDaemon, is_so: Callable[[Status], bool]) -> None:
    until = time.monotonic() + LONG_S
    while not is_so(_status(daemon)):
        if time.monotonic() > until:
            raise TimeoutError(_status(daemon))
        time.sleep(0.002)


def _restarts(daemon: PrivateDaemon) -> int:
    return int(_worker(_status(daemon), "mine")["restarts"])


def main() -> None:
    """Measure, and print it."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
