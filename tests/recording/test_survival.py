"""Recordings survive kill -9 and disks that are full."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tifffile

from imagemp.recording.chain import crc_matches, last_good
from imagemp.recording.disk import is_full
from imagemp.recording.reading import frames
from imagemp.recording.writer import Recording
from tests.recording.appender import PLAN
from tests.recording.shots import log_column, recorded_indexes


@contextmanager
def appender(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run the program that records until it is killed."""
    command = [sys.executable, "-m", "tests.recording.appender", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        yield process


def acknowledged(folder: Path, frames: int) -> int:
    """Kill an appender after so many frames; give the last index it said was safe."""
    with appender(folder) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(frames)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    return int([line for line in lines if line.endswith("\n")][-1])


def assert_no_ghost(folder: Path) -> None:
    for path in folder.glob("*.tif"):
        assert last_good(path).end == path.stat().st_size


def test_kill_9_takes_no_acknowledged_frame_and_leaves_no_ghost(tmp_path: Path) -> None:
    found: list[int] = []
    for frames_before in (1, 73, 2, 150, 31, 76, 400, 75):  # 75 to a segment
        safe = acknowledged(tmp_path, frames_before)

        found = recorded_indexes(tmp_path)
        assert found == list(range(len(found)))
        assert len(found) - 1 in {safe, safe + 1}

    Recording.resume(tmp_path, PLAN).close()
    assert recorded_indexes(tmp_path) == list(range(len(found)))
    assert log_column(tmp_path, "index") == [str(n) for n in range(len(found))]
    assert_no_ghost(tmp_path)


def test_every_pixel_of_an_acknowledged_frame_survives_kill_9(tmp_path: Path) -> None:
    safe = acknowledged(tmp_path, 100)

    read = [(path, page) for path, frame in frames(tmp_path) for page in frame]

    assert len(read) // 2 > safe
    assert all(crc_matches(path, page) for path, page in read)
    for path in tmp_path.glob("*.tif"):
        with tifffile.TiffFile(path) as tiff:
            assert len(tiff.pages) == last_good(path).pages


def refused(folder: Path, *arguments: object) -> tuple[OSError, int]:
    """Record until the disk refuses; give why, and how many are recorded."""
    with appender(folder, *arguments) as process:
        assert process.stdout is not None
        _, number, recorded = process.stdout.read().splitlines()[-1].split()
    return OSError(int(number), ""), int(recorded)


def test_a_file_that_may_not_grow_ends_with_its_last_whole_frame(
    tmp_path: Path,
) -> None:
    error, recorded = refused(tmp_path, 20_000)

    assert error.errno == errno.EFBIG
    assert is_full(error)
    assert recorded_indexes(tmp_path) == list(range(recorded))
    assert log_column(tmp_path, "index") == [str(n) for n in range(recorded)]
    assert_no_ghost(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(tmp_path)]
    subprocess.run(mount, check=True)  # noqa: S603
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S603, S607


@pytest.mark.system
def test_a_full_disk_ends_the_recording_with_its_last_whole_frame(
    small_disk: Path,
) -> None:
    error, recorded = refused(small_disk)

    assert error.errno == errno.ENOSPC
    assert recorded > 100
    assert recorded_indexes(small_disk) == list(range(recorded))
    assert log_column(small_disk, "index") == [str(n) for n in range(recorded)]
    assert_no_ghost(small_disk)
