"""What control groups leave of the machine's memory, as the kernel tells it."""

from pathlib import Path

import pytest

from imagemp.config.cgroup import memory_left
from imagemp.config.machine import Memory

MIB = 1 << 20
NO_LIMIT = str((1 << 63) - 4096)  # as version 1 says it
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def group(
    folder: Path, names: tuple[str, str, str], limit: int | str, used: int, cached: int
) -> None:
    """Make the files of a group, as either version has them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    lines = f"anon 1\n{names[2]} {cached}\nslab 7\n"
    (folder / "memory.stat").write_text(lines)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Give a /proc/self of a process in the group /a/b of both versions."""
    folder = tmp_path / "proc"
    folder.mkdir()
    top = tmp_path / "fs"
    (folder / "mountinfo").write_text(
        "22 1 0:20 / /proc rw - proc proc rw\n"
        f"30 1 0:26 / {top}/memory rw - cgroup cgroup rw,memory\n"
        f"31 1 0:27 / {top}/cpu rw - cgroup cgroup rw,cpu\n"
        f"32 1 0:28 / {top}/unified rw shared:5 - cgroup2 cgroup2 rw\n"
    )
    (folder / "cgroup").write_text("5:cpu:/c\n4:memory:/a/b\n0::/a/b\n")
    return folder


def test_without_limits_there_is_none(proc: Path) -> None:
    group(proc.parent / "fs/unified/a/b", V2, "max", 5 * MIB, 0)

    assert memory_left(proc) is None


@pytest.mark.parametrize(("where", "names"), [("memory", V1), ("unified", V2)])
def test_what_is_left_is_the_limit_less_what_is_used_and_cannot_be_had(
    proc: Path, where: str, names: tuple[str, str, str]
) -> None:
    group(proc.parent / f"fs/{where}/a/b", names, 100 * MIB, 70 * MIB, 30 * MIB)

    assert memory_left(proc) == 60 * MIB


def test_a_group_above_may_leave_less(proc: Path) -> None:
    fs = proc.parent / "fs/memory"
    group(fs, V1, NO_LIMIT, 0, 0)
    group(fs / "a", V1, 50 * MIB, 45 * MIB, 0)
    group(fs / "a/b", V1, 100 * MIB, MIB, 0)

    assert memory_left(proc) == 5 * MIB


def test_more_than_the_limit_leaves_nothing(proc: Path) -> None:
    group(proc.parent / "fs/unified/a/b", V2, MIB, 2 * MIB, 0)

    assert memory_left(proc) == 0


def test_in_a_container_the_groups_begin_at_its_own(proc: Path) -> None:
    mounts = (proc / "mountinfo").read_text().replace("0:26 / ", "0:26 /a ")
    (proc / "mountinfo").write_text(mounts)
    group(proc.parent / "fs/memory/b", V1, 9 * MIB, MIB, 0)

    assert memory_left(proc) == 8 * MIB


def test_what_is_granted_is_at_most_what_is_here() -> None:
    here, granted = Memory.here(), Memory.granted()

    assert granted.total == here.total
    assert 0 < granted.available <= here.total
