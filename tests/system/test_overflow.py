"""Overflow at its limits: disks that are slow, full, failing.

The encoder is held, so that frames pile up. The camera goes on all the while, what
does not fit is counted under its cause, and what was published is recorded.
"""

import errno
import os
from pathlib import Path

import pytest

from tests.daemon.test_recording import accounts, begin

from .faulty_disk import FaultyDisk, Op
from .spilling import (
    captured,
    check_goes_on,
    check_only,
    dropped,
    held,
    in_overflow,
    recording,
)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts"),
]


# -- slow


def test_a_slow_overflow_costs_frames_by_name_and_the_camera_nothing(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    with recording(tmp_path) as (daemon, telemetry):
        begin(daemon)
        captured(telemetry, 20)
        disk.slow_down(50)
        with held(daemon):
            dropped(telemetry, "overflow_slow", 150)
            full = in_overflow(telemetry, 8)
        left = check_only(daemon, "overflow_slow")

    assert full["overflow"]["used"] < full["overflow"]["slots"] / 2
    assert max(int(row["overflow_used"]) for row in left.rows) >= 8


def test_while_the_overflow_stands_still_the_camera_goes_on(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    with recording(tmp_path) as (daemon, telemetry):
        begin(daemon)
        with held(daemon):
            before = in_overflow(telemetry, 20)["counts"]
            disk.stall()
            stands = captured(telemetry, before["captured"] + 400)["counts"]
            disk.go_on()
            in_overflow(telemetry, 30)
        check_only(daemon, "overflow_slow")

    assert stands["published"] - before["published"] < 30
    assert stands["dropped"]["overflow_slow"] > 300


def test_a_disk_that_fails_later_costs_what_did_not_fit_into_memory(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    with recording(tmp_path) as (daemon, telemetry):
        begin(daemon)
        with held(daemon):
            in_overflow(telemetry, 20)
            disk.break_down(errno.EIO, Op.WRITE)
            lost = dropped(telemetry, "ring_full", 100)
            disk.repair()
        again = captured(telemetry, lost["counts"]["captured"] + 50)["overflow"]["used"]
        with held(daemon):
            in_overflow(telemetry, again + 20)
        left = check_only(daemon, "ring_full")

    assert left.counts.dropped["ring_full"] >= 100


def test_an_overflow_that_cannot_be_read_back_ends_the_session_with_its_accounts(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    with recording(tmp_path) as (daemon, telemetry):
        session = begin(daemon)
        with held(daemon):
            in_overflow(telemetry, 20)
            forget_cached(daemon.pid("capture"), disk.place)
            disk.break_down(errno.EIO, Op.READ)
        result = daemon.call("session.wait", session=session)["sessions"][0]
        disk.repair()
        check_goes_on(daemon)

    counts = accounts(result["counts"])
    main = counts.encoders["main"]
    assert result["state"] == "incomplete"
    assert counts.broken() == []
    assert main.skipped == {"undrained": counts.published - main.recorded}


def forget_cached(pid: int, place: Path) -> None:
    """Have the kernel forget what it keeps in memory of a process's files there."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        if str(fd.readlink()).startswith(f"{place}/"):
            with fd.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# -- full


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_what_fits_neither_here_nor_there_is_counted_as_such(
    tmp_path: Path, kind: str
) -> None:
    with recording(tmp_path) as (daemon, telemetry):
        begin(daemon, f"ring.overflow={kind}", "ring.overflow_size=100 kB")
        with held(daemon):
            full = dropped(telemetry, "ring_full", 50)
        captured(telemetry, full["counts"]["captured"] + 50)
        left = check_only(daemon, "ring_full")

    n = full["counts"]["published"]
    assert full["overflow"]["used"] == full["overflow"]["slots"] == 24
    assert full["ring"]["used"] == 16
    assert len(left.seqs) > n >= 40
