"""A memory limit for a process: a cgroup of version 2, which only root may make."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def why_not() -> str:
    """Say why there can be no limit here; nothing if there can."""
    if os.geteuid() != 0:
        return "not root"
    if not (ROOT / "cgroup.controllers").exists():
        return "no cgroup v2 here"
    enabled = (ROOT / "cgroup.subtree_control").read_text().split()
    return "" if "memory" in enabled else "cgroup v2 without its memory controller"


@contextmanager
def limited(nbytes: int) -> Iterator[Path]:
    """Make a cgroup; give the file that a process writes its pid to."""
    folder = ROOT / f"imagemp-bench-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "memory.max").write_text(str(nbytes))
        yield folder / "cgroup.procs"
    finally:
        folder.rmdir()
