"""How much memory this process's control groups leave it.

systemd's MemoryMax= and a container set such limits. Who takes more is killed by the
kernel, whatever the machine has free.
"""

from collections.abc import Iterator
from pathlib import Path

NAMES = {  # of the limit, of what is in use, and the beginning of the cache's lines
    "cgroup": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    "cgroup2": ("memory.max", "memory.current", ""),
}


def memory_left(proc: Path = Path("/proc/self")) -> int | None:
    """Give the bytes that this process may still take; None without a limit.

    Args:
        proc: Where the kernel tells about it.
    """
    mounts = (proc / "mountinfo").read_text("utf-8").splitlines()
    paths = (proc / "cgroup").read_text("utf-8").splitlines()
    left = [
        found
        for kind, group, top in _groups(mounts, paths)
        for folder in _upwards(group, top)
        if (found := _left_in(folder, *NAMES[kind])) is not None
    ]
    return min(left, default=None)


def _groups(mounts: list[str], paths: list[str]) -> Iterator[tuple[str, Path, Path]]:
    """Give our group in each hierarchy that may limit memory, and its top."""
    for line in mounts:
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
            root, top = left.split()[3:5]
            ours = _path_of(paths, kind).removeprefix(root.rstrip("/"))
            yield kind, Path(top) / ours.lstrip("/"), Path(top)


def _path_of(paths: list[str], kind: str) -> str:
    """Give the path of our group in a hierarchy."""
    for line in paths:
        _, controllers, path = line.split(":", 2)
        if controllers == "" if kind == "cgroup2" else "memory" in controllers:
            return path
    return "/"


def _upwards(group: Path, top: Path) -> Iterator[Path]:
    """Give a group and all above it: each may have a limit."""
    while group != top and top in group.parents:
        yield group
        group = group.parent
    yield top


def _left_in(group: Path, limit: str, usage: str, prefix: str) -> int | None:
    """Give what a group has left; what caches files can be had."""
    try:
        told, used = (group / limit).read_text(), int((group / usage).read_text())
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return None  # not there, or not told to us
    if told.strip() == "max":
        return None
    numbers = dict(line.split(" ", 1) for line in lines)
    cached = (numbers.get(f"{prefix}{age}_file", 0) for age in ("active", "inactive"))
    return max(0, int(told) - used + sum(int(n) for n in cached))
