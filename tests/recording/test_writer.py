"""A recording: segments, log and durability together."""

import errno
import json
import os
from pathlib import Path

import pytest
import tifffile

from imagemp.errors import DiskError, RecordingError
from imagemp.recording.disk import is_full
from imagemp.recording.manifest import RecordedFile
from imagemp.recording.plan import RecordingPlan, SegmentLimits
from imagemp.recording.tiff.bigtiff import PageWriter
from imagemp.recording.tiff.chain import walk_frames
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec
from tests.recording.appender import PLAN
from tests.recording.shots import (
    RGBD,
    SMALL,
    log_column,
    record,
    recorded_indexes,
    shot,
)


def plan(limits: SegmentLimits, name: str = "main") -> RecordingPlan:
    return RecordingPlan(SMALL, 30.0, {"pipeline": "cam0"}, limits, name, sync_ms=1)


def test_frames_become_durable_without_being_asked(tmp_path: Path) -> None:
    with Recording.create(tmp_path, PLAN) as recording:
        record(recording, range(5))

        assert recording.wait_durable(5, timeout_s=10)
        record(recording, range(5, 7))
        assert recording.wait_durable(7, timeout_s=10)

    assert recording.durable == recording.recorded == 7


def test_closing_makes_all_durable_and_may_be_done_twice(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path, RecordingPlan(SMALL, sync_ms=3_600_000))
    record(recording, range(3))

    assert recording.durable == 0
    recording.close()
    recording.close()

    assert recording.durable == 3
    with pytest.raises(RecordingError, match="is closed"):
        record(recording, [3])


def test_a_segment_ends_before_it_has_too_many_pages(tmp_path: Path) -> None:
    limits = SegmentLimits(segment_pages=5)  # two planes a frame: two frames
    with Recording.create(tmp_path, RecordingPlan(RGBD, limits=limits)) as recording:
        record(recording, range(7))

    assert [file.pages for file in recording.files()] == [4, 4, 4, 2]
    assert recorded_indexes(tmp_path) == list(range(7))


def test_a_segment_ends_before_it_is_too_large(tmp_path: Path) -> None:
    with Recording.create(
        tmp_path, plan(SegmentLimits(segment_size=2000))
    ) as recording:
        record(recording, range(20))

    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.tif"))]
    assert len(sizes) > 4
    assert max(sizes) <= 2000
    assert sizes == [file.bytes for file in recording.files()]
    assert recording.bytes_written == sum(sizes)
    assert recorded_indexes(tmp_path) == list(range(20))


def test_a_segment_ends_by_the_sensor_clock(tmp_path: Path) -> None:
    with Recording.create(tmp_path, plan(SegmentLimits(segment_s=3))) as recording:
        record(recording, range(7))  # one a second

    assert [file.pages for file in recording.files()] == [3, 3, 1]


def test_limits_of_zero_are_none(tmp_path: Path) -> None:
    with Recording.create(tmp_path, plan(SegmentLimits(0, 0, 0))) as recording:
        record(recording, range(50))

    assert recording.files() == [
        RecordedFile("frames-0000.tif", "main", 50, recording.bytes_written)
    ]


def test_all_segments_are_durable_even_when_many_end_at_once(tmp_path: Path) -> None:
    slow = RecordingPlan(
        SMALL, limits=SegmentLimits(segment_pages=1), sync_ms=3_600_000
    )
    with Recording.create(tmp_path, slow) as recording:
        record(recording, range(30))

    assert recording.durable == 30
    assert recorded_indexes(tmp_path) == list(range(30))


def test_a_second_encoder_has_files_of_its_own(tmp_path: Path) -> None:
    for name in ("main", "motion"):
        with Recording.create(tmp_path, plan(SegmentLimits(), name)) as recording:
            record(recording, range(2))

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"frames-0000.tif", "frames.csv", "motion-0000.tif", "motion.csv"}


def test_each_segment_says_what_it_is_a_part_of(tmp_path: Path) -> None:
    with Recording.create(tmp_path, plan(SegmentLimits(segment_pages=1))) as recording:
        record(recording, range(2))

    for path in tmp_path.glob("*.tif"):
        with tifffile.TiffFile(path) as tiff:
            told = json.loads(tiff.pages.first.description)
        assert FrameSpec.from_plain(told["spec"]) == SMALL
        assert (told["encoder"], told["fps"], told["pipeline"]) == ("main", 30, "cam0")


def test_a_recording_without_a_frame_leaves_no_pages(tmp_path: Path) -> None:
    with Recording.create(tmp_path, PLAN) as recording:
        pass

    assert recording.files() == []
    assert [path.name for path in tmp_path.iterdir()] == ["frames.csv"]


def test_a_recording_is_never_begun_over_another(tmp_path: Path) -> None:
    with Recording.create(tmp_path, PLAN) as recording:
        record(recording, range(3))

    with pytest.raises(DiskError, match="File exists"):
        Recording.create(tmp_path, PLAN)

    assert recorded_indexes(tmp_path) == [0, 1, 2]


def test_a_frame_log_that_is_there_leaves_no_empty_segment(tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text("dear diary")

    with pytest.raises(DiskError, match="File exists"):
        Recording.create(tmp_path, PLAN)

    assert [path.name for path in tmp_path.iterdir()] == ["frames.csv"]


def test_resuming_what_never_began_begins_it(tmp_path: Path) -> None:
    with Recording.resume(tmp_path, PLAN) as recording:
        assert recording.next_index == 0
        record(recording, range(2))

    assert recorded_indexes(tmp_path) == [0, 1]


def test_a_successor_goes_on_with_segments_log_and_counts(tmp_path: Path) -> None:
    short = plan(SegmentLimits(segment_pages=4))
    with Recording.create(tmp_path, short) as first:
        record(first, range(6))

    with Recording.resume(tmp_path, short) as second:
        assert (second.next_index, second.recorded) == (6, 6)
        assert second.wait_durable(6, timeout_s=10)
        record(second, range(6, 9))

    assert [file.pages for file in second.files()] == [4, 4, 1]
    assert second.bytes_written == sum(file.bytes for file in second.files())
    assert recorded_indexes(tmp_path) == list(range(9))
    assert log_column(tmp_path, "index") == [str(n) for n in range(9)]


def test_a_segment_by_time_goes_on_at_its_first_frame(tmp_path: Path) -> None:
    timed = plan(SegmentLimits(segment_s=4))
    with Recording.create(tmp_path, timed) as first:
        record(first, range(2))

    with Recording.resume(tmp_path, timed) as second:
        record(second, range(2, 6))

    assert [file.pages for file in second.files()] == [4, 2]


def test_an_empty_last_segment_does_not_hide_the_last_frame(tmp_path: Path) -> None:
    with Recording.create(tmp_path, PLAN) as recording:
        record(recording, range(3))
    (tmp_path / "frames-0001.tif").touch()

    with Recording.resume(tmp_path, PLAN) as recording:
        assert recording.next_index == 3
        record(recording, [3])

    assert [file.name for file in recording.files()][-1] == "frames-0001.tif"
    assert recorded_indexes(tmp_path) == [0, 1, 2, 3]


def test_a_damaged_segment_is_kept_and_a_new_one_begun(tmp_path: Path) -> None:
    with Recording.create(tmp_path, PLAN) as recording:
        record(recording, range(60))
    path = tmp_path / "frames-0000.tif"
    tenth = list(walk_frames(path))[10][0]
    with path.open("r+b") as file:
        file.seek(tenth.offset)
        file.write(b"\xff" * 8)

    with Recording.resume(tmp_path, PLAN) as recording:
        record(recording, [60])

    assert path.stat().st_size == recording.files()[0].bytes
    assert recorded_indexes(tmp_path) == [*range(10), 60]


def test_an_error_while_syncing_reaches_the_next_append(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path, RecordingPlan(SMALL, sync_ms=3_600_000))
    record(recording, range(2))
    recording._syncing.error = OSError(errno.EIO, "Input/output error")

    with pytest.raises(DiskError, match="Input/output error") as raised:
        recording.append(shot(SMALL, 2))

    assert raised.value.errno == errno.EIO
    assert not is_full(raised.value)
    assert recorded_indexes(tmp_path) == [0, 1]
    assert log_column(tmp_path, "index") == ["0", "1"]


def test_frames_that_could_not_be_synced_are_not_called_durable(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path, RecordingPlan(SMALL, sync_ms=3_600_000))
    record(recording, range(2))
    outlet, inlet = os.pipe()
    segment = recording._segment
    assert isinstance(segment, PageWriter)
    os.dup2(inlet, segment._fd)  # a pipe cannot be synced

    with pytest.raises(DiskError, match="Invalid argument"):
        recording.close()
    os.close(outlet)
    os.close(inlet)

    assert (recording.recorded, recording.durable) == (2, 0)
    assert log_column(tmp_path, "index") == ["0", "1"]


def test_what_cannot_be_read_is_named_when_resuming(tmp_path: Path) -> None:
    (tmp_path / "frames-0000.tif").mkdir()

    with pytest.raises(DiskError, match=r"frames-0000\.tif: Is a directory") as raised:
        Recording.resume(tmp_path, PLAN)

    assert raised.value.errno == errno.EISDIR
