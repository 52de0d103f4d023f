"""A memory limit for a process: a control group, which only root may make."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups are made, and what their limit is called."""

    parent: Path
    limit: str


def hierarchy() -> Hierarchy | None:
    """Find the one that limits memory: of version 1, or of version 2."""
    if (own := _own_of_version_1()) is not None:
        return Hierarchy(own, "memory.limit_in_bytes")
    enabled = ROOT / "cgroup.subtree_control"
    if enabled.exists() and "memory" in enabled.read_text().split():
        return Hierarchy(ROOT, "memory.max")
    return None


def why_not() -> str:
    """Say why there can be no limit here; nothing if there can."""
    if os.geteuid() != 0:
        return "not root"
    if (found := hierarchy()) is None:
        return "no control groups that limit memory"
    return "" if os.access(found.parent, os.W_OK) else "control groups are read-only"


@contextmanager
def limited(nbytes: int) -> Iterator[Path]:
    """Make a group; give the file that a process writes its pid to.

    All processes in it must have ended when the block does.
    """
    found = hierarchy()
    assert found is not None, why_not()  # noqa: S101 - asked for in vain
    folder = found.parent / f"imagemp-{os.getpid()}-{next(NUMBERS)}"
    folder.mkdir()
    try:
        (folder / found.limit).write_text(str(nbytes))
        yield folder / "cgroup.procs"
    finally:
        folder.rmdir()


def _own_of_version_1() -> Path | None:
    """Give this process's own group: in version 1 it may have groups below it."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            own = ROOT / "memory" / path.lstrip("/")
            return own if own.exists() else ROOT / "memory"
    return None
