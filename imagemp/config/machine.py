"""What this machine has: memory, disks, folders and files."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Self

import msgspec

from .cgroup import memory_left
from .values import format_size


class Finding(msgspec.Struct, frozen=True):
    """Something about a configuration that its user should know.

    Attributes:
        level: error: it will not work here; warning: it may not; note: so it is.
    """

    level: Literal["error", "warning", "note"]
    key: str
    message: str


class Need(msgspec.Struct, frozen=True):
    """Bytes that a key asks for.

    Attributes:
        folder: Where on disk; empty: in memory.
    """

    key: str
    what: str
    nbytes: int
    folder: str = ""


class Memory(msgspec.Struct, frozen=True):
    """What the machine has, in bytes."""

    total: int
    available: int

    @classmethod
    def here(cls) -> Self:
        """Ask the kernel."""
        page = os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * page
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        kib = dict(line.split(":") for line in lines).get("MemAvailable", "")
        available = int(kib.split()[0]) * 1024 if kib else total
        return cls(total, available)

    @classmethod
    def granted(cls) -> Self:
        """Ask what of it this process may have: control groups may grant less."""
        here, left = cls.here(), memory_left()
        return here if left is None else cls(here.total, min(here.available, left))


def weigh_memory(needs: Iterable[Need], memory: Memory) -> Finding:
    """Compare what all pipelines at once need with the memory there is."""
    needs = [need for need in needs if not need.folder]
    wanted = sum(need.nbytes for need in needs)
    level: Literal["error", "warning", "note"] = "note"
    if wanted > memory.total:
        level = "error"
    elif wanted > memory.available:
        level = "warning"
    there = f"{format_size(memory.available)} of {format_size(memory.total)}"
    message = f"{_sum(needs)} of memory; {there} are available"
    return Finding(level, _heaviest(needs), message)


def weigh_disk(needs: Iterable[Need]) -> list[Finding]:
    """Compare what overflow files need with the disks that they lie on."""
    disks: dict[int, list[Need]] = {}
    for need in needs:
        if need.folder:
            disk = existing(Path(need.folder)).stat().st_dev
            disks.setdefault(disk, []).append(need)
    return [_weigh_one(there) for there in disks.values()]


def check_paths(paths: Mapping[str, str]) -> list[Finding]:
    """Find the keys whose file, or file of a target, is not there."""
    files = {
        key: Path(re.sub(r"\.py:\w+$", ".py", text)) for key, text in paths.items()
    }
    return [
        Finding("error", key, f"{file} does not exist")
        for key, file in files.items()
        if file.is_absolute() and not os.access(file, os.F_OK)
    ]


def check_folder(key: str, folder: str) -> list[Finding]:
    """Find out whether this process may write there, or make the folder."""
    there = existing(Path(folder))
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return []
    problem = "no right to" if there.is_dir() else "no folder is"
    return [Finding("error", key, f"{folder} cannot be written: {problem} {there}")]


def existing(folder: Path) -> Path:
    """Give the folder, or the nearest thing above it that is there."""
    return next(f for f in (folder, *folder.parents) if os.access(f, os.F_OK))


def _weigh_one(needs: list[Need]) -> Finding:
    where = existing(Path(needs[0].folder))
    disk = os.statvfs(where)
    free = disk.f_bavail * disk.f_frsize
    is_enough = sum(need.nbytes for need in needs) <= free
    message = f"{_sum(needs)} of disk; {format_size(free)} are free on {where}"
    return Finding("note" if is_enough else "error", _heaviest(needs), message)


def _sum(needs: list[Need]) -> str:
    parts = ", ".join(f"{need.what} {format_size(need.nbytes)}" for need in needs)
    return f"needs {format_size(sum(need.nbytes for need in needs))} ({parts})"


def _heaviest(needs: list[Need]) -> str:
    return max(needs, key=lambda need: need.nbytes).key
