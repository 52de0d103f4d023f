"""Tests of the file source: pace, loop, end, and what it refuses."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from imagemp.daemon.sources.base import EndOfSource
from imagemp.daemon.sources.file import FileSource
from imagemp.errors import SourceError
from imagemp.frames import AnyArray
from tests.clips import clip
from tests.daemon.sources.stage import (
    QUIET,
    SECOND_NS,
    HandClock,
    frames,
    grabs,
    images,
    slot,
    woken,
)

STACK = np.arange(5 * 6 * 8, dtype=np.uint16).reshape(5, 6, 8)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Give a .npy file of five frames."""
    np.save(tmp_path / "stack.npy", STACK)
    return tmp_path / "stack.npy"


def firsts(taken: list[AnyArray]) -> list[int]:
    """Give which frame of the stack each one is."""
    return [int(image[0, 0]) // 48 for image in taken]


def test_a_file_ends_after_its_last_frame(stack: Path) -> None:
    source = FileSource({"path": str(stack), "fps": 0})
    source.open()
    grabs(source, 5)

    for _ in range(2):
        with pytest.raises(EndOfSource):
            source.grab(QUIET)


def test_loop_begins_again_after_the_last_frame(stack: Path) -> None:
    source = FileSource({"path": str(stack), "fps": 0, "loop": True})

    assert firsts(images(source, 12)) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize(("loop", "expected"), [(True, [3, 4, 0]), (False, [3, 4])])
def test_a_restarted_replay_goes_on_where_it_was(
    stack: Path, loop: bool, expected: list[int]
) -> None:
    source = FileSource({"path": str(stack), "fps": 0, "loop": loop})
    source.first_seq = 13 if loop else 3

    assert firsts(images(source, 3)) == expected


def test_a_replay_restarted_after_its_end_has_ended(stack: Path) -> None:
    source = FileSource({"path": str(stack), "fps": 0})
    source.first_seq = 7

    assert images(source) == []


@pytest.mark.parametrize(("fps", "period_ns"), [(None, 33_333_333), (8, 125_000_000)])
def test_the_stamps_keep_the_rate(stack: Path, fps: Any, period_ns: int) -> None:  # noqa: ANN401
    source = FileSource({"path": str(stack), "fps": fps}, HandClock())
    source.open()

    stamps = [grab.t_sensor_ns for grab in grabs(source, 4)]

    assert source.fps == (fps or 30)
    assert np.all(np.abs(np.diff(stamps) - period_ns) <= 1)


def test_the_rate_of_a_video_is_its_own() -> None:
    source = FileSource({"path": str(clip("bikes.mp4"))}, HandClock())
    source.open()

    first, *_, last = grabs(source, 26)
    source.close()

    assert source.fps == 25
    assert last.t_sensor_ns - first.t_sensor_ns == SECOND_NS


def test_the_rate_that_imagej_noted_is_the_files_own(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"finterval": 0.05})
    source = FileSource({"path": str(path)})

    source.open()
    source.close()

    assert source.fps == pytest.approx(20)


def test_fps_0_waits_for_nothing(stack: Path) -> None:
    clock = HandClock()
    source = FileSource({"path": str(stack), "fps": 0}, clock)
    source.open()

    assert {grab.t_sensor_ns for grab in grabs(source, 5)} == {clock.now()}
    assert source.fps == 0


def test_who_comes_late_still_gets_every_frame(stack: Path) -> None:
    clock = HandClock()
    source = FileSource({"path": str(stack), "fps": 10}, clock)
    frame = slot(source.open())
    grabs(source, 1)

    clock.at_ns += 60 * SECOND_NS
    late, _ = grabs(source, 2)
    source.retrieve(frame)

    assert late.missed == 0
    assert np.array_equal(frame.image, STACK[2])


def test_wake_interrupts_grab_and_takes_no_frame(stack: Path) -> None:
    source = FileSource({"path": str(stack), "fps": 0.001})
    frame = slot(source.open())
    source.grab(QUIET)

    with woken() as wake:
        interrupted = source.grab(wake)
    source.retrieve(frame)

    assert interrupted is None
    assert np.array_equal(frame.image, STACK[0])


def test_close_may_come_twice_and_first(stack: Path) -> None:
    source = FileSource({"path": str(stack)})

    source.close()
    source.open()
    source.close()
    source.close()


def test_a_path_is_needed() -> None:
    with pytest.raises(SourceError, match="path"):
        FileSource({}).open()


@pytest.mark.parametrize("name", ["a.mp4", "a.tif", "a.npy", "folder"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=f"{name}: No such file") as caught:
        FileSource({"path": str(tmp_path / name)}).open()

    assert "whole path" in caught.value.hint


def test_a_file_that_may_not_be_read_is_named(stack: Path) -> None:
    stack.chmod(0)
    if os.access(stack, os.R_OK):
        pytest.skip("this user may read everything")

    with pytest.raises(SourceError, match=r"stack\.npy: Permission denied") as caught:
        FileSource({"path": str(stack)}).open()

    assert "user" in caught.value.hint


def test_a_replay_of_a_recording_has_every_pixel(tmp_path: Path) -> None:
    path = tmp_path / "frames-0000.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", bigtiff=True)

    taken = list(frames(FileSource({"path": str(path), "fps": 0})))

    assert np.array_equal([frame.image for frame in taken], STACK)
