"""Frames on their way to a recording are settled in the order in which they came."""

import errno
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemp.daemon.workers.recorder import ALARM, Recorder
from imagemp.errors import DiskError, FrameShapeError
from imagemp.frames import Frame
from imagemp.recording.plan import Compression, RecordingPlan
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec
from tests.recording.shots import SMALL, recorded_indexes, shot
from tests.recording.test_in_flight import largest_file

LARGE = FrameSpec.image((300, 300))


class Books:
    """A recorder, and what it has settled.

    Attributes:
        settled: Index and cause of each, in the order of settling.
    """

    def __init__(self, folder: Path, kind: str = "zlib", spare: int = 100) -> None:
        self.settled: list[tuple[int, str]] = []
        self.recorder = Recorder(self._settle, self._fail)
        compression = Compression(kind)  # type: ignore[arg-type]
        plan = RecordingPlan(LARGE, compression=compression)
        self.recorder.recording = Recording.create(folder, plan)
        self.recorder.spare = spare
        self.most = 0

    def take(self, index: int, cause: str = "") -> None:
        """Do with a frame what an encoder does."""
        frame = shot(LARGE, index)
        found = cause or self.recorder.failure or self.recorder.submit(frame)
        found = self.recorder.turn(frame, found)
        self.most = max(self.most, self.recorder.in_flight)
        if found is not None:
            self._settle(frame, found)

    def _settle(self, frame: Frame, cause: str) -> None:
        self.settled.append((frame.info.index, cause))

    def _fail(self, error: DiskError) -> str:
        return "disk_full" if error.errno == errno.EFBIG else "disk_error"


CAUSES = st.lists(st.sampled_from(["", "", "filtered", "callback_error"]), max_size=12)


@settings(deadline=None, database=None, max_examples=15)
@given(CAUSES, st.sampled_from(["none", "zlib", "zstd"]), st.integers(1, 5))
def test_frames_are_settled_in_order_whatever_becomes_of_them(
    tmp_path_factory: pytest.TempPathFactory, causes: list[str], kind: str, spare: int
) -> None:
    folder = tmp_path_factory.mktemp("session")
    books = Books(folder, kind, spare)

    for index, cause in enumerate(causes):
        books.take(index, cause)
        books.recorder.settle_ready()
    books.recorder.close()

    assert books.settled == list(enumerate(causes))
    recorded = [index for index, cause in enumerate(causes) if not cause]
    assert recorded_indexes(folder) == recorded


def test_what_is_skipped_behind_a_frame_in_flight_waits_for_its_turn(
    tmp_path: Path,
) -> None:
    books = Books(tmp_path)
    books.take(0)
    books.take(1, "filtered")

    assert books.settled == []
    books.recorder.settle_all()

    assert books.settled == [(0, ""), (1, "filtered")]
    books.recorder.close()


@pytest.mark.parametrize("spare", [1, 2, 100])
def test_no_more_are_in_flight_than_ring_and_threads_have_use_for(
    tmp_path: Path, spare: int
) -> None:
    books = Books(tmp_path, spare=spare)
    assert books.recorder.recording is not None
    useful = books.recorder.recording.most_in_flight

    for index in range(20):
        books.take(index)
    books.recorder.close()

    assert books.most == min(spare, useful)
    assert [index for index, _ in books.settled] == list(range(20))


def test_behind_a_frame_that_the_disk_refuses_all_are_counted_and_none_recorded(
    tmp_path: Path,
) -> None:
    books = Books(tmp_path)
    with largest_file(200_000):  # two frames
        for index in range(4):
            books.take(index, "filtered" if index == 3 else "")
        books.recorder.settle_all()
        books.take(4)

    assert books.settled == [
        (0, ""),
        (1, ""),
        (2, "disk_full"),
        (3, "filtered"),
        (4, "disk_full"),
    ]
    books.recorder.close()
    assert recorded_indexes(tmp_path) == [0, 1]


def test_uncompressed_frames_are_settled_at_once(tmp_path: Path) -> None:
    books = Books(tmp_path, "none")

    books.take(0)

    assert books.settled == [(0, "")]
    assert (books.most, books.recorder.fileno()) == (0, -1)
    books.recorder.close()


def test_a_frame_of_another_shape_leaves_the_others_alone(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.take(0)

    with pytest.raises(FrameShapeError):
        books.recorder.submit(shot(SMALL, 1))
    books.take(1)
    books.recorder.close()

    assert books.settled == [(0, ""), (1, "")]


def test_the_alarm_of_a_step_stays_set_after_a_step_within() -> None:
    with ALARM:
        with ALARM:
            pass
        left_s, _ = signal.getitimer(signal.ITIMER_REAL)

    assert left_s > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_recorder_without_a_recording_has_nothing_to_do() -> None:
    recorder = Recorder(lambda _frame, _cause: None, lambda _error: "disk_full")

    recorder.settle_all()
    recorder.close()

    assert (recorder.in_flight, recorder.fileno()) == (0, -1)
