"""The timetable, on a clock that the tests turn."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.config import ScheduleConfig
from imagemp.daemon.schedule import Schedule, schedule_from
from imagemp.errors import ConfigError

MS = 1_000_000
SECOND = 1000 * MS
START = 7_000 * SECOND

ascending_ms = st.lists(
    st.integers(0, 10_000), min_size=1, max_size=40, unique=True
).map(sorted)
frame_times = st.lists(
    st.integers(0, 20_000 * MS), min_size=1, max_size=80, unique=True
).map(sorted)


def begun(plan: Iterable[object] | None = None, /, **keys: object) -> Schedule:
    schedule = Schedule.from_config(msgspec.convert(keys, ScheduleConfig), plan)
    schedule.begin(START)
    return schedule


def taken(schedule: Schedule, times_ns: list[int]) -> list[int]:
    return [t for t in times_ns if schedule.due(START + t)]


def seconds_of(times_ms: list[int]) -> tuple[float, ...]:
    return tuple(ms / 1000 for ms in times_ms)


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


def test_a_trigger_means_nothing_to_a_schedule_without() -> None:
    schedule = begun(times_s=(1.0,))
    schedule.trigger()

    assert taken(schedule, [0, SECOND, 2 * SECOND]) == [SECOND]


def test_a_generator_is_taken_one_ahead_so_it_may_go_on_for_ever() -> None:
    drawn: list[int] = []

    def seconds() -> Iterator[int]:
        for n in count():
            drawn.append(n)
            yield n

    schedule = begun(seconds())

    assert taken(schedule, [0, SECOND]) == [0, SECOND]
    assert drawn == [0, 1, 2]
    assert not schedule.finished


@pytest.mark.parametrize(
    ("seconds", "problem"),
    [
        ([0, 2, 1], "schedule.generator: item 3 must be after 2, is 1"),
        ([0, 0], "schedule.generator: item 2 must be after 0, is 0"),
        ([-1], "schedule.generator: item 1 must be after the start, is -1"),
        (["soon"], "schedule.generator: item 1 must be seconds, is 'soon'"),
        ([float("nan")], "schedule.generator: item 1 must be seconds, is nan"),
        ([None], "schedule.generator: item 1 must be seconds, is None"),
    ],
)
def test_a_generator_that_does_not_ascend_is_refused(
    seconds: list[Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        taken(begun(seconds), [i * SECOND for i in range(9)])

    assert str(refusal.value) == problem


@pytest.mark.parametrize(
    "text",
    [
        "0\n1\n2.5\n",
        "t_s\n0\n1\n2.5",
        "name,t_s\r\na,0\r\nb,1\r\nc,2.5\r\n",
        "\ufeff0\n\n1\n2.5",
    ],
)
def test_a_file_has_one_column_or_one_called_t_s(tmp_path: Path, text: str) -> None:
    file = tmp_path / "times.csv"
    file.write_text(text)

    got = taken(begun(file=str(file)), [i * 500 * MS for i in range(9)])

    assert got == [0, SECOND, 2_500 * MS]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must have a time in it, has none"),
        ("t_s\n", "must have a time in it, has none"),
        ("a,b\n1,2\n", "must have one column or a t_s, has a, b"),
        ("0\nx\n", "item 2 must be seconds, is 'x'"),
        ("1\n1\n", "item 2 must be after 1, is 1"),
        ("name,t_s\na\n", "item 1 must be seconds, is ''"),
    ],
)
def test_a_file_with_no_timetable_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "times.csv"
    file.write_text(text)

    with pytest.raises(ConfigError, match=r"^schedule\.file: ") as refusal:
        begun(file=str(file))

    assert str(refusal.value).endswith(problem)


def test_a_file_that_is_missing_is_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "none.csv"

    with pytest.raises(ConfigError, match=r"schedule\.file: .*none\.csv cannot be"):
        begun(file=str(file))


@pytest.mark.parametrize("what", ["plan", "listed"])
def test_a_generator_is_loaded_from_the_users_file(tmp_path: Path, what: str) -> None:
    file = tmp_path / "plan.py"
    file.write_text("def plan():\n    yield 1\n    yield 2\nlisted = [1, 2]\n")

    schedule = begun(generator=f"{file}:{what}")

    assert taken(schedule, [0, SECOND, 2 * SECOND]) == [SECOND, 2 * SECOND]


def test_a_generator_that_gives_nothing_to_iterate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.py"
    file.write_text("def plan():\n    return 3\n")

    with pytest.raises(ConfigError, match="must give seconds one by one"):
        begun(generator=f"{file}:plan")


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


@given(ascending_ms, frame_times)
def test_no_frame_is_taken_early_and_none_twice_for_a_deadline(
    deadlines_ms: list[int], frames: list[int]
) -> None:
    schedule = begun(times_s=seconds_of(deadlines_ms))

    got = taken(schedule, frames)

    deadlines = [ms * MS for ms in deadlines_ms]
    for before, frame in pairwise([-1, *got]):  # a deadline lies in each step
        assert any(before < deadline <= frame for deadline in deadlines)


@given(ascending_ms, frame_times)
def test_every_deadline_is_taken_or_skipped_or_still_to_come(
    deadlines_ms: list[int], frames: list[int]
) -> None:
    schedule = begun(times_s=seconds_of(deadlines_ms))

    got = taken(schedule, frames)

    to_come = sum(ms * MS > frames[-1] for ms in deadlines_ms)
    assert len(got) + schedule.skipped + to_come == len(deadlines_ms)
    assert schedule.finished == (to_come == 0)
    assert schedule.late == schedule.skipped


@given(ascending_ms, frame_times)
def test_catching_up_takes_the_nth_frame_never_before_the_nth_deadline(
    deadlines_ms: list[int], frames: list[int]
) -> None:
    schedule = begun(times_s=seconds_of(deadlines_ms), late="catch-up")

    got = taken(schedule, frames)

    own = [next((f for f in frames if f >= ms * MS), -1) for ms in deadlines_ms]
    assert all(f >= ms * MS for f, ms in zip(got, deadlines_ms, strict=False))
    assert schedule.skipped == 0
    assert schedule.late == sum(
        a != b for a, b in zip(got, own[: len(got)], strict=True)
    )


@given(st.integers(1, 5_000), frame_times)
def test_a_fixed_interval_is_as_good_as_its_times_written_out(
    period_ms: int, frames: list[int]
) -> None:
    written_out = (Fraction(n * period_ms, 1000) for n in count())
    fixed, listed = begun(every_s=period_ms / 1000), begun(written_out)

    assert taken(fixed, frames) == taken(listed, frames)
    assert fixed.skipped == listed.skipped
    assert fixed.next_ns() == listed.next_ns()


@given(
    st.lists(st.integers(0, 20) | st.none(), max_size=60),
    st.integers(1, 7),
    st.sampled_from([0.0, 0.01]),
)
def test_as_many_frames_come_as_were_triggered(
    orders: list[int | None], per_trigger: int, start_in_s: float
) -> None:
    schedule = begun(
        trigger=True, frames_per_trigger=per_trigger, start_in_s=start_in_s
    )

    got = 0
    for now_ms, order in enumerate(orders):
        schedule.trigger(order)
        got += schedule.due(START + now_ms * MS)
    got += len(taken(schedule, [SECOND + n for n in range(60 * 20 + 1)]))

    assert got == sum(per_trigger if n is None else n for n in orders)


@given(frame_times, st.sampled_from(["skip", "catch-up"]))
def test_the_next_deadline_is_when_a_frame_is_next_taken(
    frames: list[int], late: str
) -> None:
    schedule = begun(every_s=0.25, late=late)

    for frame in frames:
        wanted = schedule.next_ns()
        assert wanted is not None
        assert schedule.due(START + frame) == (START + frame >= wanted)
