"""Recordings survive kill -9 and disks that are full, compressed or not."""

import errno
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageSequence

from imagemp.frames import AnyArray
from imagemp.recording.disk import is_full
from imagemp.recording.reading import frames
from imagemp.recording.tiff.chain import last_good
from imagemp.recording.writer import Recording
from tests.recording.appender import PLANS
from tests.recording.proofs import crc_matches
from tests.recording.shots import RGBD, log_column, recorded_indexes, shot

KINDS = pytest.mark.parametrize("kind", ["none", "zlib", "zstd"])
MOST_IN_FLIGHT = 8  # 2 a thread, of which there are 4 at most


@contextmanager
def appender(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run the program that records until it is killed."""
    command = [sys.executable, "-m", "tests.recording.appender", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        yield process


def acknowledged(folder: Path, kind: str, frames: int) -> int:
    """Kill an appender after so many frames; give the last index it said was safe."""
    with appender(folder, kind) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(frames)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    return int([line for line in lines if line.endswith("\n")][-1])


def assert_no_ghost(folder: Path) -> None:
    for path in folder.glob("*.tif"):
        assert last_good(path).end == path.stat().st_size


def by_tifffile(path: Path) -> list[AnyArray]:
    with tifffile.TiffFile(path) as tiff:
        return [page.asarray() for page in tiff.pages]


def by_pillow(path: Path) -> list[AnyArray]:
    with Image.open(path) as image:
        return [np.asarray(page).copy() for page in ImageSequence.Iterator(image)]


def by_libtiff(path: Path) -> list[AnyArray]:
    tiffinfo = shutil.which("tiffinfo")
    if tiffinfo is None:
        pytest.skip("tiffinfo (libtiff-tools) is not here")
    command = [tiffinfo, "-d", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert [line for line in told.stderr.splitlines() if "tag 65100" not in line] == []
    strips = re.findall(r"Strip 0:\n([0-9a-f \n]+)", told.stdout)
    return [np.frombuffer(bytes.fromhex(strip), "u1") for strip in strips]


READERS = {"tifffile": by_tifffile, "Pillow": by_pillow, "libtiff": by_libtiff}


def assert_all_read(folder: Path, reader: str) -> int:
    """Other people's readers give each pixel of each frame; say how many frames."""
    index = 0
    for path in sorted(folder.glob("*.tif")):
        if not last_good(path).pages:  # its first frame was under way
            continue
        read = READERS[reader](path)
        for page in range(0, len(read), 2):
            expected = shot(RGBD, index)
            assert read[page].tobytes() == expected["rgb"].tobytes()
            assert read[page + 1].tobytes() == expected["depth"].tobytes()
            index += 1
    return index


def killed(folder: Path, kind: str, after: list[int]) -> int:
    """Record and be killed again and again; give how many frames there are."""
    found: list[int] = []
    for frames_before in after:
        safe = acknowledged(folder, kind, frames_before)

        found = recorded_indexes(folder)
        assert found == list(range(len(found)))
        assert 0 <= len(found) - 1 - safe <= MOST_IN_FLIGHT
    return len(found)


@KINDS
def test_kill_9_takes_no_acknowledged_frame_and_leaves_no_ghost(
    tmp_path: Path, kind: str
) -> None:
    n = killed(tmp_path, kind, [1, 76, 160])  # 75 to a segment

    for reader in READERS:
        assert assert_all_read(tmp_path, reader) == n
    Recording.resume(tmp_path, PLANS[kind]).close()
    assert recorded_indexes(tmp_path) == list(range(n))
    assert log_column(tmp_path, "index") == [str(index) for index in range(n)]
    assert log_column(tmp_path, "missed_before") == ["1"] * n
    assert_no_ghost(tmp_path)


@pytest.mark.system
@KINDS
def test_twenty_kills_at_any_moment_take_no_acknowledged_frame(
    tmp_path: Path, kind: str
) -> None:
    moments = random.Random(kind)  # noqa: S311
    n = killed(tmp_path, kind, [moments.randint(1, 400) for _ in range(20)])

    for reader in READERS:
        assert assert_all_read(tmp_path, reader) == n
    Recording.resume(tmp_path, PLANS[kind]).close()
    assert log_column(tmp_path, "index") == [str(index) for index in range(n)]
    assert_no_ghost(tmp_path)


@KINDS
def test_every_pixel_of_an_acknowledged_frame_survives_kill_9(
    tmp_path: Path, kind: str
) -> None:
    safe = acknowledged(tmp_path, kind, 100)

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


@KINDS
def test_a_file_that_may_not_grow_ends_with_its_last_whole_frame(
    tmp_path: Path, kind: str
) -> None:
    error, recorded = refused(tmp_path, kind, 20_000)

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
@KINDS
def test_a_full_disk_ends_the_recording_with_its_last_whole_frame(
    small_disk: Path, kind: str
) -> None:
    error, recorded = refused(small_disk, kind)

    assert error.errno == errno.ENOSPC
    assert recorded > 100
    assert recorded_indexes(small_disk) == list(range(recorded))
    assert log_column(small_disk, "index") == [str(n) for n in range(recorded)]
    assert_no_ghost(small_disk)
