"""What a window costs: `python -m benchmarks.viewing [--quick] [--json FILE]`.

`imagectl view` of a camera of 60 fps and 512x512 that is being recorded, on a display
in memory (Xvfb). Its processor time is that of a long look less that of a short one,
so that starting it, which takes a second, is not in it.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imagemp.private import PrivateDaemon, running

from .table import Options, Report

FPS = 60
XVFB = ["Xvfb", "-screen", "0", "1280x800x24", "-dpi", "96", "-noreset"]
KINDS = {"grey": 1, "rgb": 3}
KEYS = (
    *(f"view_{kind}_{what}" for kind in KINDS for what in ("fps", "cpu_percent")),
    "lost",
)
CONFIG = f"""
[daemon]
data_dir = "{{folder}}/data"
[pipelines.cam0]
source = {{ kind = "synthetic", width = 512, height = 512, fps = {FPS} }}
encoder = {{ keep_free = "0", quota = "0" }}
"""


@dataclass(frozen=True)
class Look:
    """What a viewer tells at its end, and what it took.

    Attributes:
        cpu_s: Of all its threads, its start included.
    """

    shown: int
    seconds: float
    cpu_s: float


def measure(options: Options) -> Report:
    """Look at both kinds in turns."""
    report = Report("viewing")
    if not shutil.which("Xvfb"):
        report.note("Not measured: there is no Xvfb (apt-get install xvfb).")
        return report
    rounds, lengths_s = (1, (1, 2)) if options.quick else (3, (2, 10))
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    loads: dict[str, list[float]] = {kind: [] for kind in KINDS}
    lost = 0
    with display() as name, running(CONFIG) as daemon:
        for _ in range(rounds):
            for kind, channels in KINDS.items():
                order = [f"source.channels={channels}"]
                daemon.call("session.start", overrides=order)
                short, long = (look(daemon, name, length) for length in lengths_s)
                lost += _lost(daemon)
                rates[kind].append((long.shown - 1) / long.seconds)
                passed_s = long.seconds - short.seconds
                loads[kind].append(100 * (long.cpu_s - short.cpu_s) / passed_s)
        shutil.rmtree(daemon.folder / "data")
    for kind in KINDS:
        report.key(f"view_{kind}_fps", rates[kind], 10, at_least=True)
        report.key(f"view_{kind}_cpu_percent", loads[kind])
    report.key("lost", [lost], 0)
    report.note(
        f"Of {FPS} fps that there are and are asked for; per cent of one core, the "
        "display's own work not included."
    )
    return report


def look(daemon: PrivateDaemon, on: str, seconds: float) -> Look:
    """Look for so long."""
    words = ["view", "--fps", str(FPS), "--duration", str(seconds), "--json"]
    before_s = _children_s()
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "imagemp.ctl", *words],
        env=os.environ | {"DISPLAY": on, "IMAGEMP_RUNTIME_DIR": str(daemon.runtime)},
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    found = json.loads(told)["cam0"]
    return Look(found["shown"], found["seconds"], _children_s() - before_s)


@contextmanager
def display() -> Iterator[str]:
    """Have a display in memory; give its name."""
    ours, theirs = os.pipe()
    server = subprocess.Popen(  # noqa: S603 - no words of a stranger
        [*XVFB, "-displayfd", str(theirs)],
        pass_fds=[theirs],
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    try:
        yield f":{os.read(ours, 16).decode().strip()}"
    finally:
        os.close(ours)
        server.terminate()
        server.wait()


def _children_s() -> float:
    """Give the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lost(daemon: PrivateDaemon) -> int:
    """End the session; give how many frames the recording has not."""
    (ended,) = daemon.call("session.stop")["sessions"]
    counts = ended["counts"]
    return int(counts["captured"] - counts["encoders"]["main"]["recorded"])


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
