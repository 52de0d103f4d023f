"""What a daemon costs while nothing happens: a session that waits for a trigger."""

import shutil
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from imagemp import running

CONFIG = """
[daemon]
data_dir = "{folder}/recordings"

[pipelines.cam0.source]
kind = "synthetic"
fps = 30

[pipelines.cam0.schedule]
trigger = true

[pipelines.cam0.encoder]

[[pipelines.cam0.callbacks]]
name = "every"
target = "imagemp.demo:brightness"
policy = "every"

[[pipelines.cam0.callbacks]]
name = "latest"
target = "imagemp.demo:brightness"
policy = "latest"
"""
READERS = ("encoder", "callback")
SETTLE_S = 1.0


@dataclass(frozen=True)
class Use:
    """What a process has used: clock ticks (10 ms), and times it was switched to."""

    ticks: int
    switches: int

    def __sub__(self, other: "Use") -> "Use":
        return Use(self.ticks - other.ticks, self.switches - other.switches)

    def __add__(self, other: "Use") -> "Use":
        return Use(self.ticks + other.ticks, self.switches + other.switches)


def idle(seconds: float) -> dict[str, Use]:
    """Run a daemon with a paused session; give what each kind of worker used."""
    folder = Path(tempfile.mkdtemp(prefix="imagemp-idle-"))
    try:
        with running(CONFIG, folder) as daemon:
            daemon.call("session.start", wait="none")
            time.sleep(SETTLE_S)
            pids = [daemon.process.pid, *_children(daemon.process.pid)]
            before = {pid: _use(pid) for pid in pids}
            time.sleep(seconds)
            found: defaultdict[str, Use] = defaultdict(lambda: Use(0, 0))
            for pid in pids:
                found[_kind(pid)] += _use(pid) - before[pid]
            return dict(found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def of_readers(found: dict[str, Use]) -> Use:
    """Add up what the readers of rings used."""
    return sum((found[kind] for kind in READERS), Use(0, 0))


def _children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in told.split()]


def _kind(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    is_worker = "imagemp.daemon.workers" in words
    return (
        words[words.index("imagemp.daemon.workers") + 1] if is_worker else "supervisor"
    )


def _use(pid: int) -> Use:
    """Add up all threads of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                switches += int(line.split()[1])
    return Use(int(stat[11]) + int(stat[12]), switches)
