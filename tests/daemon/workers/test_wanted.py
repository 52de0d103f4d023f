"""Which frames a session wants, and when it has them all."""

import pytest

from imagemp.daemon.schedule import schedule_from
from imagemp.daemon.workers.wanted import Limits, Wanted

SECOND_NS = 1_000_000_000


def free(**limits: float) -> Wanted:
    return Wanted(Limits(**limits), None)  # type: ignore[arg-type]


def timed(**settings: object) -> Wanted:
    return Wanted(Limits(), schedule_from(settings))


def test_without_limits_and_timetable_every_frame_is_wanted_for_ever() -> None:
    wanted = free()
    wanted.begin(0, None)
    wanted.trigger(3)

    assert wanted.is_every_frame
    assert all(wanted.wants(t) for t in range(10))
    assert not wanted.ends_before(10**18)
    assert wanted.end_after(10**9) == ""
    assert (wanted.late, wanted.is_exhausted) == (0, False)


@pytest.mark.parametrize(
    ("seq", "reason"), [(0, ""), (3, ""), (4, "frames"), (9, "frames")]
)
def test_the_last_frame_wanted_is_known_by_its_seq(seq: int, reason: str) -> None:
    wanted = free(frames=5)

    assert wanted.end_after(seq) == reason


def test_a_duration_counts_from_the_first_frame_taken() -> None:
    wanted = free(duration_s=2.0)
    assert not wanted.ends_before(100 * SECOND_NS)

    wanted.took(100 * SECOND_NS)
    wanted.took(101 * SECOND_NS)

    assert not wanted.ends_before(102 * SECOND_NS - 1)
    assert wanted.ends_before(102 * SECOND_NS)


def test_a_duration_goes_on_over_a_restart_of_capture() -> None:
    wanted = free(duration_s=2.0, t_first_ns=100 * SECOND_NS)

    wanted.took(101 * SECOND_NS)

    assert wanted.ends_before(102 * SECOND_NS)


def test_of_a_timetable_only_the_frames_that_are_due_are_wanted() -> None:
    wanted = timed(every_s=1.0)
    wanted.begin(0, None)

    found = [n for n in range(40) if wanted.wants(n * SECOND_NS // 10)]

    assert found == [0, 10, 20, 30]
    assert not wanted.is_every_frame


def test_a_timetable_goes_on_where_an_earlier_process_came_to() -> None:
    limits = Limits(t_start_ns=1 * SECOND_NS)
    wanted = Wanted(limits, schedule_from({"times_s": [0, 1, 2]}))

    wanted.begin(50 * SECOND_NS, served_ns=int(2.05 * SECOND_NS))

    assert wanted.wants(3 * SECOND_NS)
    assert wanted.is_exhausted


def test_a_timetable_ends_with_its_last_frame() -> None:
    wanted = timed(times_s=[0, 1])
    wanted.begin(0, None)

    assert wanted.wants(0)
    assert wanted.end_after(0) == ""
    assert wanted.wants(SECOND_NS)
    assert wanted.end_after(1) == "timetable"


def test_a_trigger_wants_as_many_frames_as_it_says() -> None:
    wanted = timed(trigger=True)
    wanted.begin(0, None)
    assert not wanted.wants(1)

    wanted.trigger(2)

    assert [wanted.wants(t) for t in range(2, 6)] == [True, True, False, False]


def test_deadlines_that_had_passed_are_counted() -> None:
    wanted = timed(every_s=1.0)
    wanted.begin(0, None)
    wanted.wants(0)

    wanted.wants(5 * SECOND_NS)

    assert wanted.late > 0


def test_what_is_of_before_a_common_start_is_not_wanted() -> None:
    wanted = Wanted(Limits(), None)
    wanted.begin(0, None, from_ns=5 * SECOND_NS)

    found = [n for n in range(10) if wanted.wants(n * SECOND_NS)]

    assert found == [5, 6, 7, 8, 9]
    assert wanted.is_every_frame


def test_a_timetable_counts_from_a_common_start() -> None:
    wanted = timed(times_s=[1])
    wanted.begin(0, None, from_ns=5 * SECOND_NS)

    assert [n for n in range(10) if wanted.wants(n * SECOND_NS)] == [6]


def test_what_triggers_asked_for_before_is_owed() -> None:
    wanted = Wanted(Limits(pending=2), schedule_from({"trigger": True}))
    wanted.begin(0, None)

    assert [wanted.wants(t) for t in range(4)] == [True, True, False, False]
