"""The guard of a disk tells in time, once, and deletes what it may."""

import os
import select
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from imagemp.daemon.workers.guard import DiskGuard
from imagemp.daemon.workers.orders import Event, Failed, Told
from imagemp.errors import DiskError
from imagemp.recording.plan import RecordingPlan
from imagemp.recording.room import NoRoomError, RoomPlan
from imagemp.recording.writer import Recording
from tests.recording.shots import SMALL, record
from tests.recording.test_pruning import NEW, OLD, make

WAIT_S = 20.0
ALL = 2**60  # more than any disk has


class Watched:
    """A session that is recorded, and its guard."""

    def __init__(self, data: Path, plan: RoomPlan) -> None:
        self.told: list[Told] = []
        self.folder = data / "cam0" / NEW
        self.guard = DiskGuard(plan, data, "cam0", NEW, self.told.append)
        self.folder.mkdir(parents=True)
        self.recording = Recording.create(self.folder, RecordingPlan(SMALL))
        self.guard.begin()

    def write(self, frames: int, waiting: int = 0) -> None:
        """Record frames and have the guard look."""
        start = self.recording.next_index
        record(self.recording, range(start, start + frames))
        self.guard.mark(self.recording, waiting, 0.0)

    def wait(self) -> DiskError | None:
        """Wait until it has something to tell; give what ends the recording."""
        assert select.select([self.guard], [], [], WAIT_S)[0], "nothing is told"
        while not (self.told or (error := self.guard.serve())):
            pass
        return error if not self.told else None


@contextmanager
def watched(data: Path, plan: RoomPlan) -> Iterator[Watched]:
    made = Watched(data, plan)
    try:
        yield made
    finally:
        made.guard.close()
        with suppress(DiskError):
            made.recording.close()


def guard_of(data: Path, plan: RoomPlan, told: list[Told]) -> DiskGuard:
    """Give one whose session has not begun."""
    return DiskGuard(plan, data, "cam0", NEW, told.append)


@pytest.mark.parametrize("there", [True, False])
def test_a_session_does_not_begin_below_the_floor(tmp_path: Path, there: bool) -> None:
    data = tmp_path if there else tmp_path / "not" / "yet"
    guard = guard_of(data, RoomPlan(keep_free=ALL), [])

    with pytest.raises(NoRoomError, match=r"encoder\.keep_free: .* are free on"):
        guard.make_room()
    guard.close()

    assert list(tmp_path.iterdir()) == []


def test_a_session_begins_with_what_is_left_told(tmp_path: Path) -> None:
    guard = guard_of(tmp_path, RoomPlan(keep_free=1000), [])

    guard.make_room()
    guard.close()

    assert guard.told["left"] == guard.told["free"] - 1000 > 0


@pytest.mark.parametrize("delete", [True, False])
def test_a_full_quota_refuses_or_deletes(tmp_path: Path, delete: bool) -> None:
    told: list[Told] = []
    folder = make(tmp_path, OLD, nbytes=5000)
    guard = guard_of(tmp_path, RoomPlan(0, 5000, delete_oldest=delete), told)

    if delete:
        guard.make_room()
    else:
        with pytest.raises(NoRoomError, match=r"encoder\.quota: the sessions in"):
            guard.make_room()
    guard.close()

    assert folder.exists() != delete
    assert [t.name for t in told if isinstance(t, Event)] == ["deleted"] * delete


def test_no_more_is_deleted_than_must_be(tmp_path: Path) -> None:
    told: list[Told] = []
    days = [f"2025010{n}T000000Z-cam0-0000" for n in range(1, 6)]
    folders = [make(tmp_path, day, nbytes=1000) for day in days]
    guard = guard_of(tmp_path, RoomPlan(0, 5000, delete_oldest=True), told)

    guard.make_room()
    guard.close()

    assert [folder.exists() for folder in folders] == [False, False, True, True, True]
    assert [t.details["session"] for t in told if isinstance(t, Event)] == days[:2]


def test_the_floor_is_told_once_with_its_numbers(tmp_path: Path) -> None:
    with watched(tmp_path, RoomPlan(keep_free=ALL)) as it:
        it.wait()
        it.write(3)
        it.write(3)
        it.guard.close()

    event, failed = it.told
    assert isinstance(event, Event)
    assert isinstance(failed, Failed)
    assert (event.name, event.details["keep_free"]) == ("disk_low", ALL)
    assert (failed.reason, failed.cause, failed.code) == ("disk_low", "", "E_DISK")


def test_frames_that_wait_are_counted_before_they_are_written(tmp_path: Path) -> None:
    with watched(tmp_path, RoomPlan(quota=10**6)) as it:
        it.write(2)
        it.write(2, waiting=10**6)
        it.wait()

    event = it.told[0]
    assert isinstance(event, Event)
    assert event.name == "quota"
    assert event.details["used"] < event.details["quota"] < event.details["ahead"]


def test_old_sessions_go_while_the_recording_goes_on(tmp_path: Path) -> None:
    old = make(tmp_path, OLD, nbytes=30_000)
    with watched(tmp_path, RoomPlan(0, 50_000, delete_oldest=True)) as it:
        it.write(1)
        it.write(1, waiting=60)
        it.wait()
        still = it.folder.exists()

    assert not old.exists()
    assert still
    assert next(t.name for t in it.told if isinstance(t, Event)) == "deleted"


def test_of_two_guards_on_one_disk_each_tells_its_own_session(tmp_path: Path) -> None:
    plan = RoomPlan(keep_free=ALL)
    with watched(tmp_path / "a", plan) as one, watched(tmp_path / "b", plan) as two:
        one.wait()
        two.wait()

    assert [len(it.told) for it in (one, two)] == [2, 2]


def test_a_folder_that_is_gone_ends_the_recording(tmp_path: Path) -> None:
    with watched(tmp_path, RoomPlan()) as it:
        it.write(1)
        shutil.rmtree(it.folder)
        it.write(1)
        error = it.wait()

    assert error is not None
    assert str(it.folder) in str(error)


def test_a_folder_in_its_place_is_not_it(tmp_path: Path) -> None:
    data, disk, other = (tmp_path / name for name in ("data", "disk", "other"))
    data.symlink_to(disk)
    (other / "cam0" / NEW).mkdir(parents=True)
    disk.mkdir()
    with watched(data, RoomPlan()) as it:
        (tmp_path / "new").symlink_to(other)
        (tmp_path / "new").replace(data)
        it.write(1)
        error = it.wait()

    assert "is no longer what it was" in str(error)


def test_a_guard_leaves_no_descriptor_and_no_thread(tmp_path: Path) -> None:
    before = use_of(os.getpid())

    with watched(tmp_path, RoomPlan()) as it:
        it.write(1)
    it.guard.close()

    assert use_of(os.getpid()) == before


def use_of(pid: int) -> tuple[int, int]:
    """Give the number of a process's descriptors and threads."""
    proc = Path(f"/proc/{pid}")
    return len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir()))
