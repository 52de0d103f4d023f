"""The timetable, on a clock that the tests turn."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from imagemp.config import ScheduleConfig
from imagemp.daemon.schedule import Schedule, schedule_from

from .schedule_clock import MS, SECOND, START, begun, taken


def test_without_a_timetable_every_frame_is_wanted() -> None:
    schedule = begun()

    assert taken(schedule, [0, 1, 2, 3]) == [0, 1, 2, 3]
    assert schedule.next_ns() == START
    assert not schedule.finished


def test_nothing_is_wanted_before_it_has_begun() -> None:
    schedule = Schedule.from_config(ScheduleConfig(every_s=1))

    assert not schedule.due(START)
    assert schedule.next_ns() is None


@pytest.mark.parametrize(
    "keys", [{}, {"every_s": 1.0}, {"times_s": (0.0,)}, {"trigger": True}]
)
def test_start_in_s_puts_the_first_frame_off(keys: dict[str, Any]) -> None:
    schedule = begun(start_in_s=2.5, **keys)
    schedule.trigger()

    assert schedule.next_ns() == START + 2_500 * MS
    assert not schedule.due(START + 2_500 * MS - 1)
    assert schedule.due(START + 2_500 * MS)


def test_a_fixed_interval_takes_the_first_frame_at_or_after_each_deadline() -> None:
    frames = [i * 33 * MS for i in range(40)]

    got = taken(begun(every_s=0.5), frames)

    assert got == [0, 16 * 33 * MS, 31 * 33 * MS]


def test_a_camera_slower_than_the_interval_gives_every_frame_and_counts() -> None:
    schedule = begun(every_s=0.1)
    frames = [i * SECOND for i in range(5)]

    assert taken(schedule, frames) == frames
    assert schedule.skipped == schedule.late == 40 - 4


@pytest.mark.parametrize(
    ("keys", "expected_s"),
    [
        ({"times_s": (0.0, 1.0, 2.5)}, [0, 1, 2.5]),
        ({"times_s": (1.0, 2.5)}, [1, 2.5]),
        ({"intervals_s": (1.0, 1.5)}, [0, 1, 2.5]),
        ({"intervals_s": (0.1,) * 10}, [i / 10 for i in range(11)]),
    ],
)
def test_explicit_times_are_each_taken_once_and_then_it_is_over(
    keys: dict[str, Any], expected_s: list[float]
) -> None:
    schedule = begun(**keys)

    got = taken(schedule, [i * 50 * MS for i in range(100)])

    assert got == [round(s * SECOND) for s in expected_s]
    assert schedule.finished
    assert schedule.next_ns() is None
    assert schedule.late == schedule.skipped == 0


def test_late_skip_gives_one_frame_for_all_deadlines_that_have_passed() -> None:
    schedule = begun(times_s=(1.0, 2.0, 3.0, 4.0))

    assert taken(schedule, [3_500 * MS, 3_600 * MS, 4_000 * MS]) == [
        3_500 * MS,
        4_000 * MS,
    ]
    assert (schedule.late, schedule.skipped) == (2, 2)


def test_late_catch_up_gives_a_frame_each_and_skips_none() -> None:
    schedule = begun(times_s=(1.0, 2.0, 3.0, 4.0), late="catch-up")
    frames = [3_500 * MS, 3_600 * MS, 3_700 * MS, 3_800 * MS, 4_000 * MS]

    assert taken(schedule, frames) == [*frames[:3], 4_000 * MS]
    assert (schedule.late, schedule.skipped) == (2, 0)


def test_a_long_gap_in_a_fast_timetable_costs_no_time() -> None:
    schedule = begun(every_s=0.000_001)

    assert taken(schedule, [0, 86_400 * SECOND]) == [0, 86_400 * SECOND]
    assert schedule.skipped == 86_400 * 1_000_000 - 1


@pytest.mark.parametrize("period", ["0.1", "0.0333333", "1e-06"])
def test_a_million_ticks_do_not_drift(period: str) -> None:
    schedule = begun(every_s=float(period))

    for _ in range(1_000_000):
        deadline = schedule.next_ns()
        assert deadline is not None
        schedule.due(deadline)

    exact = int(1_000_000 * Fraction(period) * SECOND)
    assert schedule.next_ns() == START + exact
    assert schedule.late == 0


def test_a_trigger_gives_as_many_frames_as_configured() -> None:
    schedule = begun(trigger=True, frames_per_trigger=3)
    frames = list(range(0, 100, 10))

    assert taken(schedule, frames) == []
    assert schedule.next_ns() is None
    schedule.trigger()
    assert schedule.next_ns() == START
    assert taken(schedule, frames) == frames[:3]
    assert not schedule.finished


def test_triggers_pile_up_even_before_the_start() -> None:
    schedule = Schedule.from_config(ScheduleConfig(trigger=True, frames_per_trigger=2))
    schedule.trigger()
    schedule.trigger()
    schedule.begin(START)
    schedule.trigger(5)

    assert len(taken(schedule, list(range(100)))) == 2 + 2 + 5


def test_a_trigger_gets_no_frame_of_before_it() -> None:
    schedule = begun(trigger=True)
    schedule.trigger(2, at_ns=START + 5 * SECOND)
    schedule.trigger(1, at_ns=START + 7 * SECOND)

    assert schedule.next_ns() == START + 5 * SECOND
    assert taken(schedule, [s * SECOND for s in range(10)]) == [
        5 * SECOND,
        6 * SECOND,
        7 * SECOND,
    ]


def test_a_trigger_means_nothing_to_a_schedule_without() -> None:
    schedule = begun(times_s=(1.0,))
    schedule.trigger()

    assert taken(schedule, [0, SECOND, 2 * SECOND]) == [SECOND]


def test_a_schedule_is_made_from_what_a_message_carries() -> None:
    plain = msgspec.to_builtins(ScheduleConfig(times_s=(1.0, 2.0)))

    schedule = schedule_from(plain)
    schedule.begin(START)

    assert taken(schedule, [0, SECOND, 2 * SECOND]) == [SECOND, 2 * SECOND]


@pytest.mark.parametrize("keys", [{"every_s": 1.0}, {"times_s": (0.0, 1.0, 2.0, 3.0)}])
def test_a_successor_goes_on_where_the_worker_before_it_ended(
    keys: dict[str, Any],
) -> None:
    schedule = Schedule.from_config(ScheduleConfig(**keys))
    schedule.begin(START, served_ns=START + 1_200 * MS)

    assert taken(schedule, [1_300 * MS, 2_000 * MS]) == [2_000 * MS]
    assert schedule.late == 0
