"""Frames are found by their time in a frame log."""

from pathlib import Path

import pytest

from imagemp.frames import FrameInfo
from imagemp.recording.framelog import FrameLog
from imagemp.recording.lookup import find
from imagemp.spec import Field

TEXT = (Field("note", "S60"),)


def log_of(folder: Path, times: list[int], *, notes: bool = False) -> Path:
    path = folder / "frames.csv"
    log = FrameLog.create(path, TEXT if notes else ())
    for n, time in enumerate(times):
        fields = {"note": "x" * (n * 7 % 60)} if notes else {}
        info = FrameInfo(seq=10 + n, index=n, t_arrival_ns=time, fields=fields)
        log.add(info, f"frames-{n // 4:04}.tif", n % 4)
    log.flush()
    log.close()
    return path


@pytest.mark.parametrize("notes", [False, True])
def test_every_span_of_a_log_is_found(tmp_path: Path, *, notes: bool) -> None:
    times = list(range(100, 100 + 3 * 37, 3))
    path = log_of(tmp_path, times, notes=notes)

    for start in range(95, 220, 2):
        for length in (0, 1, 4, 50, 1000):
            found = find(path, start, start + length)
            inside = [10 + times.index(t) for t in times if start <= t < start + length]
            assert found.frames == len(inside)
            ends = [row.seq for row in (found.first, found.last) if row is not None]
            assert ends == ([inside[0], inside[-1]] if inside else [])


def test_a_row_says_where_its_frame_is(tmp_path: Path) -> None:
    found = find(log_of(tmp_path, [100, 200, 300, 400, 500, 600]), 450, 550)

    assert found.first is not None
    assert (found.first.file, found.first.page) == ("frames-0001.tif", 0)


def test_an_empty_log_has_none_and_a_row_that_is_half_there_is_none(
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").mkdir()
    assert find(log_of(tmp_path / "empty", []), 0, 10**20).frames == 0

    path = log_of(tmp_path, [100, 200])
    with path.open("ab") as log:
        log.write(b"12,2,frames-0000.tif,2,0,300")

    assert find(path, 0, 10**20).frames == 2
