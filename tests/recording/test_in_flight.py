"""A recording that compresses: frames in flight, recorded one by one in order."""

import resource
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagemp.errors import DiskError, FrameShapeError, RecordingError
from imagemp.frames import Frame, FrameInfo, fields_dtype
from imagemp.recording.plan import Compression, RecordingPlan, SegmentLimits
from imagemp.recording.reading import read_pixels
from imagemp.recording.tiff.chain import walk_frames
from imagemp.recording.writer import Recording
from imagemp.spec import Field, FrameSpec
from tests.recording.shots import RGBD, SMALL, log_column, recorded_indexes, shot

ZLIB = RecordingPlan(SMALL, compression=Compression("zlib"), sync_ms=1)
LARGE = replace(ZLIB, spec=FrameSpec.image((300, 300)))


def settled(recording: Recording) -> list[int]:
    """Wait for all that is in flight; give the indexes that came back."""
    found = []
    while (frame := recording.settle(wait=True)) is not None:
        found.append(frame.info.index)
    return found


def test_frames_in_flight_come_back_in_order_when_they_are_recorded(
    tmp_path: Path,
) -> None:
    with Recording.create(tmp_path, LARGE) as recording:
        done = [recording.submit(shot(LARGE.spec, index)) for index in range(6)]

        assert (done, recording.in_flight) == ([False] * 6, 6)
        first = recording.settle(wait=True)
        assert first is not None
        assert recorded_indexes(tmp_path) == [first.info.index] == [0]
        assert settled(recording) == [1, 2, 3, 4, 5]

    assert (recording.recorded, recording.durable) == (6, 6)


def test_a_poll_wakes_for_the_oldest(tmp_path: Path) -> None:
    with Recording.create(tmp_path, LARGE) as recording:
        recording.submit(shot(LARGE.spec, 0))
        while (frame := recording.settle()) is None:
            assert select.select([recording], [], [], 20)[0]

        assert frame.info.index == 0
        assert recording.settle(wait=True) is None


def test_what_is_not_compressed_is_recorded_at_once(tmp_path: Path) -> None:
    with Recording.create(tmp_path, RecordingPlan(SMALL)) as recording:
        threads = threading.active_count()

        assert recording.submit(shot(SMALL, 0))
        assert (recording.in_flight, recording.most_in_flight) == (0, 0)
        assert recording.settle(wait=True) is None
        assert threading.active_count() == threads


def test_closing_records_what_is_in_flight(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path, LARGE)
    for index in range(5):
        recording.submit(shot(LARGE.spec, index))

    recording.close()

    assert recorded_indexes(tmp_path) == [0, 1, 2, 3, 4]
    assert recording.durable == 5
    with pytest.raises(RecordingError, match="is closed"):
        recording.submit(shot(LARGE.spec, 5))


def test_appending_waits_until_it_is_recorded(tmp_path: Path) -> None:
    with Recording.create(tmp_path, ZLIB) as recording:
        for index in range(3):
            recording.append(shot(SMALL, index))

            assert recorded_indexes(tmp_path) == list(range(index + 1))


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = threading.active_count()

    for folder in "abc":
        (tmp_path / folder).mkdir()
        with Recording.create(tmp_path / folder, ZLIB) as recording:
            recording.submit(shot(SMALL, 0))

    assert threading.active_count() == before


def test_a_segment_is_full_by_what_its_pages_take_compressed(tmp_path: Path) -> None:
    limits = SegmentLimits(segment_size=4000)
    flat = replace(LARGE, limits=limits)  # 90,000 bytes a frame, before
    with Recording.create(tmp_path, flat) as recording:
        for index in range(12):
            frame = shot(LARGE.spec, index)
            recording.submit(Frame({"image": frame.image * 0}, frame.info))

    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.tif"))]
    assert len(sizes) > 1
    assert max(sizes) <= 4000
    assert recorded_indexes(tmp_path) == list(range(12))


def test_a_successor_goes_on_with_compressed_pages(tmp_path: Path) -> None:
    plan = replace(ZLIB, spec=RGBD, limits=SegmentLimits(segment_pages=10))
    for begin, end in ((0, 4), (4, 9)):
        with Recording.resume(tmp_path, plan) as recording:
            assert recording.next_index == begin
            for index in range(begin, end):
                recording.submit(shot(RGBD, index))

    assert recorded_indexes(tmp_path) == list(range(9))
    assert log_column(tmp_path, "index") == [str(n) for n in range(9)]
    for path in tmp_path.glob("*.tif"):
        for frame in walk_frames(path):
            for page in frame:
                expected = shot(RGBD, page.index)[page.plane_name]
                assert read_pixels(path, page).tobytes() == expected.tobytes()


def test_a_frame_of_another_shape_is_refused_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    with Recording.create(tmp_path, ZLIB) as recording:
        recording.submit(shot(SMALL, 0))
        with pytest.raises(FrameShapeError, match="expected"):
            recording.submit(shot(FrameSpec.image((7, 8)), 1))
        recording.submit(shot(SMALL, 2))

        assert settled(recording) == [0, 2]


@contextmanager
def largest_file(nbytes: int) -> Iterator[None]:
    """Let no file of this process become larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_behind_a_frame_that_the_disk_refuses_is_not_recorded(
    tmp_path: Path,
) -> None:
    recording = Recording.create(tmp_path, LARGE)
    with largest_file(200_000):  # two frames, that cannot be made much smaller
        for index in range(6):
            recording.submit(shot(LARGE.spec, index))
        found = [recording.settle(wait=True) for _ in range(2)]
        with pytest.raises(DiskError, match="File too large"):
            recording.settle(wait=True)

    assert [frame and frame.info.index for frame in found] == [0, 1]
    assert recording.in_flight == 0
    assert recording.settle(wait=True) is None
    recording.close()
    assert recorded_indexes(tmp_path) == [0, 1]
    assert log_column(tmp_path, "index") == ["0", "1"]


FIELDS = (Field("lens", "f8"), Field("label", "S16"), Field("pose", "f4", (2, 2)))


@pytest.mark.parametrize("kind", ["none", "zlib", "zstd"])
def test_the_log_that_pages_give_is_the_log_that_was_lost(
    tmp_path: Path, kind: str
) -> None:
    spec = FrameSpec.image((6, 8), fields=FIELDS)
    plan = RecordingPlan(spec, compression=Compression(kind))  # type: ignore[arg-type]
    with Recording.create(tmp_path, plan) as recording:
        for index in range(4):
            frame = shot(SMALL, index)
            pose = [[index, 1], [2, 3.5]]
            fields = {"lens": index / 4, "label": b"a,b", "pose": pose}
            frame.info.fields = typed(fields)
            recording.append(frame)
    before = (tmp_path / "frames.csv").read_text()
    (tmp_path / "frames.csv").unlink()

    Recording.resume(tmp_path, plan).close()

    assert (tmp_path / "frames.csv").read_text() == before
    assert before.splitlines()[2].endswith(',0.25,"a,b",1.0 1.0 2.0 3.5')


def typed(values: dict[str, object]) -> dict[str, object]:
    """Give the values of fields as a ring does."""
    record = np.zeros(1, fields_dtype(FIELDS))
    for name, value in values.items():
        record[name] = value
    return {name: record[0][name] for name in values}


def test_a_count_that_the_stamp_cannot_hold_is_the_most_it_can(tmp_path: Path) -> None:
    with Recording.create(tmp_path, RecordingPlan(SMALL)) as recording:
        info = FrameInfo(missed_before=2**40)
        recording.append(Frame(shot(SMALL, 0).planes, info))
    (tmp_path / "frames.csv").unlink()

    Recording.resume(tmp_path, RecordingPlan(SMALL)).close()

    assert log_column(tmp_path, "missed_before") == [str(2**32 - 1)]
