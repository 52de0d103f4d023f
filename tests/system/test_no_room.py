"""Rings for which there is no room, on a disk or in memory, are refused at the start.

By name, with what there is, and nobody is killed; the next session goes well.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import cgroup
from imagemp.client import Telemetry
from tests.daemon.test_recording import begin, check_agreement
from tests.running import Daemon

from .faulty_disk import FaultyDisk, Op
from .spilling import LARGE, MB, check_goes_on, held, in_overflow, recording, refusal
from .test_disks import ext4, mounted

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts"),
]


# -- on a disk


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_too_small_for_the_overflow_is_told_at_the_start(
    tmp_path: Path, kind: str
) -> None:
    spill = tmp_path / "d/spill"
    small = (
        mounted(spill, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
        if kind == "tmpfs"
        else ext4(tmp_path, 12 << 20, "spill")
    )
    with small, recording(tmp_path) as (daemon, _):
        refused = refusal(daemon)
        check_goes_on(daemon, "ring.overflow_size=4 MB")

    assert refused.code == "E_CONFIG"
    assert f"ring.overflow_size: 19 MiB in {spill}, " in str(refused)
    assert 'set overflow = "memory"' in refused.hint


MAKING = (Op.TMPFILE, Op.CREATE)  # without a name, else with one that goes at once


@pytest.mark.parametrize(
    ("error", "ops", "told"),
    [
        (errno.ENOSPC, (Op.FALLOCATE,), "size: 19 MiB in {}: No space left on device"),
        (errno.EDQUOT, (Op.FALLOCATE,), "size: 19 MiB in {}: Disk quota exceeded"),
        (errno.EIO, (Op.FALLOCATE,), "size: 19 MiB in {}: Input/output error"),
        (errno.EACCES, MAKING, "dir: {}: Permission denied"),
        (errno.EROFS, MAKING, "dir: {}: Read-only file system"),
    ],
)
def test_a_disk_that_takes_no_overflow_is_told_at_the_start(
    tmp_path: Path, disk: FaultyDisk, error: int, ops: tuple[Op, ...], told: str
) -> None:
    with recording(tmp_path) as (daemon, _):
        pid = daemon.pid("capture")
        disk.break_down(error, *ops)
        refused = refusal(daemon)
        check_goes_on(daemon, "ring.overflow=memory")
        disk.repair()
        check_goes_on(daemon)
        assert daemon.pid("capture") == pid

    assert refused.code == "E_CONFIG"
    assert f"ring.overflow_{told.format(disk.place)}" in str(refused)


def test_a_folder_that_is_read_only_is_told_at_the_start(tmp_path: Path) -> None:
    spill = tmp_path / "d/spill"
    with (
        mounted(spill, "-t", "tmpfs", "-o", "ro,size=100m", "tmpfs"),
        recording(tmp_path) as (daemon, _),
    ):
        refused = refusal(daemon)

    assert refused.code == "E_CONFIG"
    assert f"ring.overflow_dir: {spill}: Read-only file system" in str(refused)


# -- memory


@pytest.fixture
def confined(tmp_path: Path) -> Iterator[tuple[Daemon, Telemetry]]:
    """Run a daemon that may have 250 MB of memory from now on."""
    if reason := cgroup.why_not():
        pytest.skip(reason)
    with cgroup.limited(250 * MB) as procs, recording(tmp_path) as (daemon, telemetry):
        for pid in pids(daemon):
            procs.write_text(str(pid))
        yield daemon, telemetry


def pids(daemon: Daemon) -> list[int]:
    """Give the pid of each process of a daemon."""
    status = daemon.call("status")
    workers = [worker["pid"] for worker in status["pipelines"]["cam0"]["workers"]]
    return [daemon.process.pid, status["gateway"]["pid"], *workers]


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("ring.slots=400", "ring.slots: "),
        ("ring.overflow=memory", "ring.overflow_size: "),
    ],
)
def test_a_ring_larger_than_its_control_group_is_told_and_kills_nobody(
    confined: tuple[Daemon, Telemetry], override: str, key: str
) -> None:
    daemon, _ = confined
    before = pids(daemon)

    refused = refusal(daemon, *LARGE, "ring.overflow_size=400 MB", override)
    check_goes_on(daemon)

    assert refused.code == "E_CONFIG"
    assert key in str(refused)
    assert "MiB are available" in str(refused)
    assert pids(daemon) == before


def test_short_of_memory_overflow_on_disk_goes_on(
    confined: tuple[Daemon, Telemetry],
) -> None:
    daemon, telemetry = confined
    before = pids(daemon)

    begin(daemon, *LARGE, "ring.overflow_size=900 MB")
    with held(daemon):
        beyond = in_overflow(telemetry, 400)  # 370 MB
    daemon.call("session.stop")
    left = check_agreement(daemon)

    assert beyond["overflow"]["used"] * 1280 * 720 > 250 * MB
    assert pids(daemon) == before
    assert set(left.counts.dropped) <= {"overflow_slow", "ring_full"}
    assert left.counts.encoders["main"].recorded == left.counts.published
