"""What may still be written, and when that is too little."""

from pathlib import Path

import pytest

from imagemp.recording.room import DISK_LOW, QUOTA, FillRate, Room, RoomPlan

FOLDER = Path("/data/cam0")


@pytest.mark.parametrize(
    ("plan", "room", "short"),
    [
        (RoomPlan(), Room(free=0, used=10**12), ""),
        (RoomPlan(keep_free=100), Room(free=100), ""),
        (RoomPlan(keep_free=100), Room(free=99), DISK_LOW),
        (RoomPlan(keep_free=100), Room(free=150, to_disk=50, to_folder=60), ""),
        (RoomPlan(keep_free=100), Room(free=150, to_disk=51), DISK_LOW),
        (RoomPlan(quota=100), Room(free=0, used=99), ""),
        (RoomPlan(quota=100), Room(free=0, used=100), QUOTA),
        (RoomPlan(quota=100), Room(free=0, used=60, to_disk=99, to_folder=39), ""),
        (RoomPlan(quota=100), Room(free=0, used=60, to_folder=40), QUOTA),
        (RoomPlan(keep_free=10, quota=100), Room(free=9, used=100), DISK_LOW),
    ],
)
def test_what_is_on_its_way_counts_as_written(
    plan: RoomPlan, room: Room, short: str
) -> None:
    assert plan.shortage(room) == short


@pytest.mark.parametrize(
    ("plan", "left"),
    [
        (RoomPlan(), 1000),
        (RoomPlan(keep_free=300), 700),
        (RoomPlan(keep_free=300, quota=500), 100),
        (RoomPlan(keep_free=2000), 0),
    ],
)
def test_what_is_left_ends_at_the_nearer_limit(plan: RoomPlan, left: int) -> None:
    assert plan.left(Room(free=1000, used=400)) == left


def test_a_refusal_names_the_key_and_all_numbers() -> None:
    plan = RoomPlan(keep_free=2**30)

    error = plan.refusal(DISK_LOW, Room(free=2**29, to_disk=2**20), FOLDER)

    assert str(error) == (
        "encoder.keep_free: 512.0 MiB are free on /data/cam0, 1.0 GiB are to stay free "
        "(1.0 MiB are on their way)"
    )
    assert (error.code, error.reason) == ("E_DISK", DISK_LOW)
    assert error.details == {"free": 2**29, "keep_free": 2**30, "ahead": 2**20}
    assert "encoder.keep_free" in error.hint


def test_a_quota_that_may_delete_says_that_nothing_is_left() -> None:
    room = Room(free=0, used=100)

    said = [
        str(RoomPlan(quota=50, delete_oldest=delete).refusal(QUOTA, room, FOLDER))
        for delete in (False, True)
    ]

    assert all("the quota is 50 B" in text for text in said)
    assert ["no complete session" in text for text in said] == [False, True]


def test_before_anything_is_measured_the_source_tells_the_rate() -> None:
    assert FillRate().take(1.0, written=0, free=1000, expected=77.0) == 77.0


@pytest.mark.parametrize(
    ("expected", "told"), [(0.0, 50.0), (60.0, 50.0), (40.0, 40.0)]
)
def test_the_rate_is_what_was_written_but_no_more_than_can_come(
    expected: float, told: float
) -> None:
    rate = FillRate()
    rate.take(1.0, 0, 1000, expected)

    assert rate.take(3.0, 100, 900, expected) == told


def test_others_that_write_count_but_not_what_is_taken_at_once() -> None:
    rate = FillRate()
    rate.take(1.0, 0, 10_000, 0.0)

    at_once = rate.take(2.0, 10, 5_000, 0.0)
    steady = [rate.take(2.0 + n, 10 + 10 * n, 5_000 - 310 * n, 0.0) for n in (1, 2)]

    assert at_once == 10.0
    assert steady == [310.0, 310.0]
