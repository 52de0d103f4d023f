"""What holds for every timetable and every camera."""

from fractions import Fraction
from itertools import count, pairwise

from hypothesis import given
from hypothesis import strategies as st

from .schedule_clock import MS, SECOND, START, begun, taken

ascending_ms = st.lists(
    st.integers(0, 10_000), min_size=1, max_size=40, unique=True
).map(sorted)
frame_times = st.lists(
    st.integers(0, 20_000 * MS), min_size=1, max_size=80, unique=True
).map(sorted)


def seconds_of(times_ms: list[int]) -> tuple[float, ...]:
    return tuple(ms / 1000 for ms in times_ms)


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


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 5)), max_size=20).map(
        sorted
    ),
    frame_times,
)
def test_no_trigger_gets_a_frame_of_before_it_nor_more_than_it_asked_for(
    triggers: list[tuple[int, int]], frames: list[int]
) -> None:
    schedule = begun(trigger=True)
    for at_ms, n in triggers:
        schedule.trigger(n, START + at_ms * MS)

    got = taken(schedule, frames)

    asked = [at_ms * MS for at_ms, n in triggers for _ in range(n)]
    assert all(frame >= at for frame, at in zip(got, asked, strict=False))
    after = [sum(frame >= at for at in asked) for frame in frames]
    assert len(got) == max_taken(after)


def max_taken(allowed: list[int]) -> int:
    """Give how many frames can be taken if so many may be by each of them."""
    got = 0
    for most in allowed:
        got += got < most
    return got


@given(st.floats(1e-6, 10, allow_nan=False), frame_times)
def test_a_fixed_interval_is_never_early_and_never_bunched(
    period_s: float, frames: list[int]
) -> None:
    got = taken(begun(every_s=period_s), frames)

    period = Fraction(str(period_s)) * SECOND
    for before, frame in pairwise([-1, *got]):  # a deadline of its own for each
        number = -(-(before + 1) // period)
        assert int(number * period) <= frame
