"""A control group of its own for each machine: two systemds in one would fight."""

import os
import time
from pathlib import Path

GONE_S = 5.0


def hierarchies(mountinfo: str) -> list[Path]:
    """Give where those are mounted that systemd lives in: cgroup 2, or its own."""
    found = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
            found.append(Path(left.split()[4]))
    return found


def make(number: int) -> list[Path]:
    """Make a group in each hierarchy, for a machine of this process."""
    mountinfo = Path("/proc/self/mountinfo").read_text("utf-8")
    made = [at / f"imagemp-{os.getpid()}-{number}" for at in hierarchies(mountinfo)]
    for group in made:
        group.mkdir(exist_ok=True)
    return made


def made_by(pid: int) -> list[Path]:
    """Give the groups that a process has made and not removed."""
    mountinfo = Path("/proc/self/mountinfo").read_text("utf-8")
    return [
        path for at in hierarchies(mountinfo) for path in at.glob(f"imagemp-{pid}-*")
    ]


def remove(group: Path) -> None:
    """Remove a group and all below it, once their processes are gone."""
    until = time.monotonic() + GONE_S
    folders = [path for path in group.rglob("*") if path.is_dir()]
    for folder in (*sorted(folders, reverse=True), group):
        while True:
            try:
                folder.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
