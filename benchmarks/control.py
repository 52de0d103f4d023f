"""What an order costs: `python -m benchmarks.control [--quick] [--json FILE]`.

The whole of `imagectl status` beside a bare `python -c pass`, in turns, and each other
command's start; status requests while a camera takes 3 s to open; from the start of
the daemon until it is ready; the memory of supervisor and gateway.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from imagemp.client import Control
from imagemp.ctl.main import VERBS
from imagemp.private import PrivateDaemon, running

from .table import Options, Report

BLOCKED_MS = 50.0  # what a request may take while a camera opens
STATUS_MS, RSS_MB = 60.0, 30.0
PAUSE_S = 0.012  # a connection may ask 100 times a second
KEYS = (
    *("status_process_ms", "status_process_vs_python", "status_p99_ms"),
    *("start_to_ready_ms", "supervisor_rss_mb", "gateway_rss_mb"),
)
CONFIG = """
[daemon]
data_dir = "{folder}/data"
[pipelines.cam0]
source = { kind = "{folder}/mine.py:Slow" }
[pipelines.cam0.encoder]
keep_free = "0"
"""
USER_CODE = """
import time

from imagemp.daemon.sources.synthetic import SyntheticSource


class Slow(SyntheticSource):
    def open(self):
        time.sleep(3.0)
        return super().open()
"""
BARE = [sys.executable, "-c", "pass"]


def measure(options: Options) -> Report:
    """Measure all of it with one daemon after the other."""
    report = Report("control")
    rounds = 1 if options.quick else 5
    ready_ms = [_ready_ms() for _ in range(rounds)]
    folder = _folder()
    try:
        with running(CONFIG, folder) as daemon:
            _commands(report, daemon, options)
            blocked = [p99 for _ in range(rounds) for p99 in _blocked(report, daemon)]
            report.key("status_p99_ms", blocked, BLOCKED_MS)
            report.key("start_to_ready_ms", ready_ms)
            _memory(report, daemon)
    finally:
        shutil.rmtree(folder)
    report.note(
        "status_process_ms: the whole of `imagectl status`, from fork to its end; "
        "startup: `--help` of each command. status_p99_ms: while a camera takes 3 s "
        "to open, on one connection, a pause of 12 ms between two requests."
    )
    return report


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="imagemp-"))
    (folder / "mine.py").write_text(USER_CODE)
    return folder


def _ready_ms() -> float:
    """Start a daemon; give the time until it says READY=1."""
    folder = _folder()
    try:
        began = time.monotonic()
        daemon = PrivateDaemon(folder, CONFIG)
        took_ms = (time.monotonic() - began) * 1000
        daemon.stop()
    finally:
        shutil.rmtree(folder)
    return took_ms


def _commands(report: Report, daemon: PrivateDaemon, options: Options) -> None:
    """Time commands and a bare python in turns; their medians."""
    times = 3 if options.quick else 20
    client = [sys.executable, "-m", "imagemp.ctl"]
    status = [*client, "status", "--runtime-dir", str(daemon.runtime)]
    for _ in range(3):  # the daemon has just begun, and files are to be read
        _took_ms(status)
    pairs = [(_took_ms(status), _took_ms(BARE)) for _ in range(times)]
    report.key("status_process_ms", [ms for ms, _ in pairs], STATUS_MS)
    report.key("status_process_vs_python", [ms / bare for ms, bare in pairs])
    report.row("startup", command="python -c pass", ms=median(b for _, b in pairs))
    report.row("startup", command="imagectl status", ms=median(ms for ms, _ in pairs))
    for verb in VERBS:
        helps = [_took_ms([*client, verb, "--help"]) for _ in range(max(1, times // 4))]
        report.row("startup", command=f"imagectl {verb} --help", ms=median(helps))


def _took_ms(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    return (time.monotonic() - began) * 1000


def _blocked(report: Report, daemon: PrivateDaemon) -> list[float]:
    """Ask for the status until the camera is open; give the p99, ms."""
    took = []
    with Control(daemon.runtime) as control:
        control.call("session.start", {"wait": "none"})
        while True:
            began = time.monotonic()
            found = control.call("status")
            ms = (time.monotonic() - began) * 1000
            if found["pipelines"]["cam0"]["state"] != "starting":
                break
            took.append(ms)
            time.sleep(PAUSE_S)
        control.call("session.stop", timeout_s=None)
        control.call("worker.restart", {"worker": "capture"})  # it opens it anew
    p99 = quantiles(took, n=100)[98]
    report.row(
        "status while a camera opens, ms",
        **{"requests": len(took), "p50": median(took), "p99": p99, "max": max(took)},
    )
    return [p99]


def _memory(report: Report, daemon: PrivateDaemon) -> None:
    """Tell the memory of the two that clients deal with, after all that."""
    gateway = daemon.call("status")["gateway"]["pid"]
    for name, pid in (("supervisor", daemon.process.pid), ("gateway", gateway)):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        mb = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        report.key(f"{name}_rss_mb", [round(mb, 1)], RSS_MB)


def main() -> None:
    """Measure, and print it."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
