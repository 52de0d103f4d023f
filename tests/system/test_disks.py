"""Disks that are full, failing, slow, read-only or gone: what was acknowledged stays.

Whatever happens, the session ends cleanly, each frame is counted, other programs read
the pages, and the daemon records again once the disk can.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageSequence

from imagemp.client import Telemetry
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.recording.reading import read_session
from tests.daemon.test_recording import (
    METRICS,
    Left,
    accounts,
    begin,
    check_agreement,
    listening,
    record,
    wait_for,
    what_is_left,
)
from tests.running import Daemon, running

from .faulty_disk import FaultyDisk, Op, faulty_disk

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts"),
]

LONG_S = 40.0
MIB = 2**20
WRITES = (Op.WRITE, Op.CREATE, Op.MKDIR, Op.SETATTR, Op.RENAME, Op.RENAME2)
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = {{ kind = "synthetic", width = 64, height = 48, fps = 200 }}
ring = {{ overflow = "memory", overflow_size = "100 MB", slots = 64 }}
encoder = {{ {keys} }}
"""


@contextmanager
def recording_to(
    tmp_path: Path, keys: str = 'keep_free = "0"', daemon_keys: str = ""
) -> Iterator[tuple[Daemon, Telemetry]]:
    """Run a daemon that records into `d/data`, which a test has mounted."""
    toml = daemon_keys + "\n" + CONFIG.format(keys=keys)
    with (
        running(tmp_path / "d", toml) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        yield daemon, telemetry


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount something there, by mount(8)."""
    folder.mkdir(parents=True)
    mount = ["/bin/mount", *options, str(folder)]
    if subprocess.run(mount, check=False).returncode:  # noqa: S603 - our own words
        pytest.skip("cannot mount")
    try:
        yield folder
    finally:
        # Twice where a test has mounted something on top; lazily, as all is over.
        umount = ["/bin/umount", "--lazy", str(folder)]
        while folder.is_mount():
            subprocess.run(umount, check=True)  # noqa: S603 - our own words


@contextmanager
def ext4(tmp_path: Path, size: int, name: str = "data") -> Iterator[Path]:
    """Mount an ext4 of its own at `d/data`, or as `d/name`."""
    image = tmp_path / "ext4"
    with image.open("wb") as file:
        file.truncate(size)
    make = [shutil.which("mkfs.ext4") or "/sbin/mkfs.ext4", "-qF", str(image)]
    subprocess.run(make, check=True)  # noqa: S603 - our own words
    with mounted(tmp_path / "d" / name, "-o", "loop", str(image)) as folder:
        yield folder


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[FaultyDisk]:
    """Mount a disk that does as it is told at `d/data`."""
    (tmp_path / "d").mkdir()
    with faulty_disk(tmp_path / "d/data", tmp_path / "behind") as disk:
        yield disk


def captured(telemetry: Telemetry, n: int) -> dict[str, Any]:
    """Wait until so many frames have been captured."""
    return wait_for(telemetry, METRICS, lambda m: m["counts"]["captured"] >= n, LONG_S)


def ended(daemon: Daemon, session: str) -> dict[str, Any]:
    """Wait until a session has ended by itself, for want of a disk."""
    result: dict[str, Any]
    (result,) = daemon.call("session.wait", session=session)["sessions"]
    counts = accounts(result["counts"])
    assert result["state"] == "incomplete"
    assert result["error"]["code"] == "E_DISK"
    assert counts.broken() == []
    assert counts.staged == counts.encoders["main"].in_flight == 0
    return result


def check_readable(left: Left) -> None:
    """Each page is there, in order, for programs that we did not write."""
    file = left.path / "frames-0000.tif"
    expected = list(range(len(left.seqs)))
    assert left.seqs == expected
    with tifffile.TiffFile(file) as tiff:
        assert [read_seq(page.asarray()) for page in tiff.pages] == expected
    with Image.open(file) as image:
        pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
    assert [read_seq(page) for page in pages] == expected
    tiffinfo = ["/usr/bin/tiffinfo", str(file)]
    told = subprocess.run(tiffinfo, capture_output=True, text=True, check=True)  # noqa: S603
    assert told.stdout.count("Image Width") == len(expected)


def check_goes_on(daemon: Daemon) -> None:
    """The next session is recorded as if nothing had been."""
    assert record(daemon, frames=20)["state"] == "complete"
    assert check_agreement(daemon).seqs == list(range(20))


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_full_disk_costs_what_did_not_fit(tmp_path: Path, kind: str) -> None:
    disk = (
        mounted(tmp_path / "d/data", "-t", "tmpfs", "-o", "size=4m", "tmpfs")
        if kind == "tmpfs"
        else ext4(tmp_path, 12 * MIB)
    )
    with disk as data, recording_to(tmp_path) as (daemon, _):
        session = begin(daemon, "source.fps=1000")
        result = ended(daemon, session)
        left = check_agreement(daemon)
        check_readable(left)
        shutil.rmtree(data / "cam0")
        check_goes_on(daemon)

    main = left.counts.encoders["main"]
    assert "No space left on device" in result["error"]["message"]
    assert set(main.skipped) == {"disk_full"}
    assert [e for e in left.manifest.events if e["name"] == "disk_full"]


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_the_floor_is_kept_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    floor = 6 * MIB
    disk = (
        mounted(tmp_path / "d/data", "-t", "tmpfs", "-o", "size=20m", "tmpfs")
        if kind == "tmpfs"
        else ext4(tmp_path, 40 * MIB)
    )
    keys = f'keep_free = "{floor} B"'
    with disk as data, recording_to(tmp_path, keys) as (daemon, _):
        result = ended(daemon, begin(daemon, "source.fps=1000"))
        free = shutil.disk_usage(data).free
        left = check_agreement(daemon)
        check_readable(left)

    main = left.counts.encoders["main"]
    assert result["reason"] == "disk_low"
    assert "encoder.keep_free" in result["error"]["message"]
    assert free >= floor
    assert main.skipped == {}
    assert main.durable == main.recorded == left.counts.captured > 500
    (event,) = [e for e in left.manifest.events if e["name"] == "disk_low"]
    assert event["keep_free"] == floor


def test_of_two_encoders_on_one_disk_both_record_all(tmp_path: Path) -> None:
    floor = 6 * MIB
    disk = mounted(tmp_path / "d/data", "-t", "tmpfs", "-o", "size=30m", "tmpfs")
    toml = CONFIG.replace("encoder = {{ {keys} }}", "{keys}").format(
        keys=f'[[pipelines.cam0.encoder]]\nkeep_free = "{floor} B"\n'
        f'[[pipelines.cam0.encoder]]\nname = "twin"\nkeep_free = "{floor} B"\n'
    )
    with disk as data, running(tmp_path / "d", toml) as daemon:
        result = ended(daemon, begin(daemon, "source.fps=1000"))
        free = shutil.disk_usage(data).free
        seqs = [what_is_left(daemon, encoder=name).seqs for name in ("main", "twin")]

    counts = accounts(result["counts"])
    assert result["reason"] == "disk_low"
    assert free >= floor
    assert seqs == [list(range(counts.captured))] * 2


def test_an_error_in_the_middle_costs_what_came_after(
    tmp_path: Path, faulty: FaultyDisk
) -> None:
    with recording_to(tmp_path) as (daemon, telemetry):
        session = begin(daemon)
        captured(telemetry, 100)
        faulty.break_down(errno.EIO, Op.WRITE)
        result = ended(daemon, session)
        faulty.repair()
        left = what_is_left(daemon)
        check_readable(left)
        check_goes_on(daemon)

    main = accounts(result["counts"]).encoders["main"]
    assert "Input/output error" in result["error"]["message"]
    assert set(main.skipped) == {"disk_error"}
    assert len(left.seqs) == main.recorded >= 90


def test_a_disk_that_stalls_for_seconds_costs_nothing(
    tmp_path: Path, faulty: FaultyDisk
) -> None:
    with recording_to(tmp_path) as (daemon, telemetry):
        begin(daemon)
        before = captured(telemetry, 50)["counts"]["captured"]
        faulty.stall()
        stands = captured(telemetry, before + 5 * 200)  # 5 s
        faulty.go_on()
        daemon.call("session.stop")
        left = check_agreement(daemon)
        check_readable(left)

    assert stands["overflow"]["used"] > 500
    assert left.manifest.state == "complete"
    assert left.counts.dropped == {}
    assert left.seqs == list(range(left.counts.captured))


def test_a_sync_that_fails_ends_the_session(tmp_path: Path, faulty: FaultyDisk) -> None:
    with recording_to(tmp_path) as (daemon, telemetry):
        session = begin(daemon)
        captured(telemetry, 100)
        faulty.break_down(errno.EIO, Op.FSYNC)
        result = ended(daemon, session)
        faulty.repair()
        left = what_is_left(daemon)
        check_readable(left)
        check_goes_on(daemon)

    main = accounts(result["counts"]).encoders["main"]
    assert main.durable <= main.recorded == len(left.seqs)
    assert set(main.skipped) == {"disk_error"}


def test_a_disk_that_becomes_read_only_ends_the_session(
    tmp_path: Path, faulty: FaultyDisk
) -> None:
    with recording_to(tmp_path) as (daemon, telemetry):
        session = begin(daemon)
        captured(telemetry, 100)
        faulty.break_down(errno.EROFS, *WRITES)
        result = ended(daemon, session)
        left = what_is_left(daemon)
        check_readable(left)
        faulty.repair()
        check_goes_on(daemon)

    main = accounts(result["counts"]).encoders["main"]
    assert "Read-only file system" in result["error"]["message"]
    assert set(main.skipped) == {"disk_error"}


def test_an_ext4_that_the_kernel_has_given_up_ends_the_session(tmp_path: Path) -> None:
    with (
        ext4(tmp_path, 64 * MIB) as data,
        recording_to(tmp_path) as (daemon, telemetry),
    ):
        session = begin(daemon)
        durable = wait_for(telemetry, METRICS, lambda m: durable_of(m) > 100, LONG_S)
        abort = ["/bin/mount", "-o", "remount,abort", str(data)]
        subprocess.run(abort, check=True)  # noqa: S603 - our own words
        ended(daemon, session)
        pages = len(what_is_left(daemon).seqs)

    assert pages >= durable_of(durable)


def durable_of(message: dict[str, Any]) -> int:
    """Give how many frames are durable by a report."""
    return int(message["counts"]["encoders"]["main"]["durable"])


@pytest.mark.parametrize("what", ["data", "data/cam0"])
def test_a_folder_that_is_deleted_ends_the_session(tmp_path: Path, what: str) -> None:
    (tmp_path / "d/data").mkdir(parents=True)
    with recording_to(tmp_path) as (daemon, telemetry):
        session = begin(daemon)
        captured(telemetry, 50)
        shutil.rmtree(tmp_path / "d" / what)
        result = ended(daemon, session)
        check_goes_on(daemon)

    assert str(tmp_path / "d/data/cam0") in result["error"]["message"]


def test_a_disk_that_is_pulled_out_is_not_replaced_by_what_is_below(
    tmp_path: Path,
) -> None:
    tmpfs = ("-t", "tmpfs", "-o", "size=100m", "tmpfs")
    with (
        mounted(tmp_path / "d/data", *tmpfs) as data,
        recording_to(tmp_path, daemon_keys="require_mount = true") as (
            daemon,
            telemetry,
        ),
    ):
        session = begin(daemon)
        captured(telemetry, 50)
        subprocess.run(  # noqa: S603 - our own words
            ["/bin/umount", "--lazy", str(data)], check=True
        )
        ended(daemon, session)
        refused = record(daemon, frames=10)
        below = list(data.iterdir())
        again = ["/bin/mount", *tmpfs, str(data)]
        subprocess.run(again, check=True)  # noqa: S603 - our own words
        check_goes_on(daemon)

    assert refused["error"]["code"] == "E_DISK"
    assert "not a mount point" in refused["error"]["message"]
    assert below == []


def test_a_disk_that_fails_while_a_session_begins_leaves_the_daemon_well(
    tmp_path: Path, faulty: FaultyDisk
) -> None:
    with recording_to(tmp_path) as (daemon, _):
        faulty.break_down(errno.EIO, Op.MKDIR)
        refused = record(daemon, frames=10)
        faulty.break_down(errno.EIO, Op.STATFS)
        blind = record(daemon, frames=10)
        faulty.repair()
        check_goes_on(daemon)

    assert [r["error"]["code"] for r in (refused, blind)] == ["E_DISK", "E_DISK"]
    assert read_session(daemon.session()).manifest is not None
