"""Videos survive kill -9, torn ends, power cuts and disks that are full."""

import csv
import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagemp.errors import RecordingError
from imagemp.recording.disk import is_full
from imagemp.recording.folder import segment_paths
from imagemp.recording.video.decoding import read_video
from imagemp.recording.video.files import conclude, last_of, walk_video
from imagemp.recording.video.writer import VideoWriter
from imagemp.recording.writer import Recording
from imagemp.spec import Field
from tests.recording.filmer import film, plan_of, read_number, record
from tests.recording.proofs import count_packets

pytest.importorskip("av", reason="PyAV cannot be installed here")

KINDS = [("mp4", "libx264"), ("mkv", "libx264"), ("mkv", "ffv1"), ("mp4", "mjpeg")]
MOST = 1 << 20


@contextmanager
def filmer(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run the program that films until it is killed."""
    command = [sys.executable, "-m", "tests.recording.filmer", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        yield process


def killed(folder: Path, kind: str, codec: str, frames: int) -> int:
    """Kill a filmer after so many frames; give the last index it said was safe."""
    with filmer(folder, kind, codec) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(frames)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    return int([line for line in lines if line.endswith("\n")][-1])


def numbers(folder: Path) -> list[int]:
    """Decode all files of a folder; give what the pictures tell."""
    paths = segment_paths(folder, "main")
    return [read_number(pixels) for path in paths for _, pixels in read_video(path)]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "frames.csv").open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_kill_9_takes_no_acknowledged_frame(
    tmp_path: Path, kind: str, codec: str
) -> None:
    found: list[int] = []
    for frames in (1, 70, 25):
        safe = killed(tmp_path, kind, codec, frames)

        found = numbers(tmp_path)  # as any player finds it, before anything is mended
        assert found == list(range(len(found)))
        assert len(found) - 1 in {safe, safe + 1}

    plan = plan_of(kind, codec)
    with Recording.resume(tmp_path, plan) as recording:
        assert recording.next_index == recording.recorded == len(found)
        recording.append(film(len(found), plan.spec))
    assert numbers(tmp_path) == list(range(len(found) + 1))
    assert [int(row["index"]) for row in rows(tmp_path)] == numbers(tmp_path)
    files = recording.files()
    assert [file.pages for file in files] == [
        count_packets(tmp_path / file.name) for file in files
    ]


def abandoned(folder: Path, kind: str, frames: int) -> Path:
    """Leave a file as a killed process does: without an index, without rows."""
    plan = plan_of(kind, "mjpeg", fields=(Field("lamp", "f8"),))
    writer = VideoWriter.create(folder / f"frames-0000.{kind}", plan)
    for index in range(frames):
        writer.append(film(index, plan.spec))
    writer.close()
    return writer.path


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_rows_that_were_not_written_are_made_again_from_the_file(
    tmp_path: Path, kind: str
) -> None:
    abandoned(tmp_path, kind, 6)
    plan = plan_of(kind, "mjpeg", fields=(Field("lamp", "f8"),))

    with Recording.resume(tmp_path, plan) as recording:
        recording.append(film(6, plan.spec))

    whole = tmp_path / "whole"
    whole.mkdir()
    record(whole, plan, 7)
    expected = rows(whole)
    expected[6] |= {"file": f"frames-0001.{kind}", "page": "0"}
    assert rows(tmp_path) == expected


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_successor_leaves_the_old_file_alone_but_for_its_index(
    tmp_path: Path, kind: str
) -> None:
    path = abandoned(tmp_path, kind, 6)
    last = last_of(path)
    assert last is not None
    before = path.read_bytes()
    assert len(before) == last.end
    header = next(walk_video(path)).offset

    plan = plan_of(kind, "mjpeg", fields=(Field("lamp", "f8"),))
    Recording.resume(tmp_path, plan).close()

    assert path.read_bytes()[header : last.end] == before[header:]
    assert count_packets(path) == 6
    assert [one.name for one in tmp_path.glob(f"*.{kind}")] == [path.name]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_file_cut_anywhere_has_the_frames_before_and_is_mended(
    tmp_path: Path, kind: str
) -> None:
    whole = abandoned(tmp_path, kind, 4)
    records = list(walk_video(whole))
    text, path = whole.read_bytes(), tmp_path / f"cut.{kind}"
    for size in range(records[-1].offset - 9, len(text)):
        path.write_bytes(text[:size])

        there = sum(record.end <= size for record in records)
        assert len(list(walk_video(path))) == there
        assert conclude(path, MOST) == there
        assert [record.index for record in walk_video(path)] == list(range(there))
    assert [read_number(pixels) for _, pixels in read_video(path)] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_file_cut_in_its_header_has_no_frame(tmp_path: Path, kind: str) -> None:
    whole = abandoned(tmp_path, kind, 1)
    begins, text = next(walk_video(whole)).offset, whole.read_bytes()
    path = tmp_path / f"cut.{kind}"
    for size in range(0, begins + 4, 7):
        path.write_bytes(text[:size])

        assert list(walk_video(path)) == []
        assert conclude(path, MOST) == 0
        assert path.stat().st_size == 0


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_no_byte_of_a_head_can_be_wrong_without_being_seen(
    tmp_path: Path, kind: str
) -> None:
    whole = abandoned(tmp_path, kind, 3)
    last, text = list(walk_video(whole))[-1], whole.read_bytes()
    path = tmp_path / f"hurt.{kind}"
    durations = range(last.data_at - 20, last.data_at - 16) if kind == "mp4" else ()
    for at in range(last.offset, last.data_at):
        hurt = bytearray(text)
        hurt[at] ^= 1
        path.write_bytes(hurt)

        assert len(list(walk_video(path))) == (3 if at in durations else 2), at


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_file_with_much_behind_its_last_frame_is_damaged_and_left_as_it_is(
    tmp_path: Path, kind: str
) -> None:
    path = abandoned(tmp_path, kind, 3)
    with path.open("ab") as file:
        file.write(bytes(MOST * 8))
    size = path.stat().st_size

    with pytest.raises(RecordingError, match="after the last frame"):
        conclude(path, MOST)
    plan = plan_of(kind, "mjpeg", fields=(Field("lamp", "f8"),))
    with Recording.resume(tmp_path, plan) as recording:
        recording.append(film(3, plan.spec))

    assert path.stat().st_size == size
    assert [file.pages for file in recording.files()] == [3, 1]


def refused(folder: Path, kind: str, *largest: int) -> tuple[OSError, int]:
    """Film until the disk refuses; give why, and how many are recorded."""
    with filmer(folder, kind, "mjpeg", *largest) as process:
        assert process.stdout is not None
        _, number, recorded = process.stdout.read().splitlines()[-1].split()
    return OSError(int(number), ""), int(recorded)


def assert_ends_whole(folder: Path, kind: str, recorded: int) -> None:
    assert numbers(folder) == list(range(recorded))
    assert [int(row["index"]) for row in rows(folder)] == list(range(recorded))
    last = last_of(sorted(folder.glob(f"*.{kind}"))[-1])
    assert last is None or last.end <= sorted(folder.glob("*.m*"))[-1].stat().st_size


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_file_that_may_not_grow_ends_with_its_last_whole_frame(
    tmp_path: Path, kind: str
) -> None:
    error, recorded = refused(tmp_path, kind, 8_000)

    assert error.errno == errno.EFBIG
    assert is_full(error)
    assert recorded > 5
    assert_ends_whole(tmp_path, kind, recorded)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(tmp_path)]
    subprocess.run(mount, check=True)  # noqa: S603
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S603, S607


@pytest.mark.system
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_full_disk_ends_the_recording_with_its_last_whole_frame(
    small_disk: Path, kind: str
) -> None:
    error, recorded = refused(small_disk, kind)

    assert error.errno == errno.ENOSPC
    assert recorded > 100
    assert_ends_whole(small_disk, kind, recorded)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_player_sees_no_frame_that_was_under_way(tmp_path: Path, kind: str) -> None:
    path = abandoned(tmp_path, kind, 5)
    fifth = list(walk_video(path))[4]
    with path.open("r+b") as file:  # all of it is there, but for what is written last
        file.seek(fifth.offset)
        file.write(bytes(4))

    assert count_packets(path) == len(list(walk_video(path))) == 4
    assert [read_number(pixels) for _, pixels in read_video(path)] == [0, 1, 2, 3]
