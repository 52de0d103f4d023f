"""How long a dead worker waits for its successor, and when there is none."""

from hypothesis import given
from hypothesis import strategies as st

from imagemp.daemon.restarts import (
    CAP_S,
    FIRST_S,
    GATEWAY_CAP_S,
    STABLE_S,
    TOO_MANY,
    Restarts,
    retry_s,
)

CHANCE = st.floats(0, 1)
EVEN = 0.5  # shifts nothing


def delays(restarts: Restarts, n: int, lived_s: float = 0.0) -> list[float]:
    return [restarts.failed(0.0, lived_s, EVEN) for _ in range(n)]


def test_the_delay_doubles_up_to_30_seconds() -> None:
    assert delays(Restarts(), 9) == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@given(
    st.lists(st.tuples(st.floats(0, 100), CHANCE), max_size=50),
    st.sampled_from([CAP_S, GATEWAY_CAP_S]),
)
def test_a_delay_is_never_outside_its_bounds(
    lives: list[tuple[float, float]], cap_s: float
) -> None:
    restarts = Restarts(cap_s)

    found = [restarts.failed(0.0, lived_s, chance) for lived_s, chance in lives]

    assert all(0.8 * FIRST_S <= delay <= 1.2 * cap_s + 1e-9 for delay in found)
    assert restarts.total == len(lives)


@given(CHANCE)
def test_chance_shifts_a_delay_by_a_fifth_at_most(chance: float) -> None:
    delay = Restarts().failed(0.0, 0.0, chance)

    assert 0.8 * FIRST_S - 1e-9 <= delay <= 1.2 * FIRST_S + 1e-9


def test_who_lived_for_10_seconds_is_started_at_once_again() -> None:
    restarts = Restarts()
    delays(restarts, 6)

    assert restarts.failed(0.0, STABLE_S, EVEN) == FIRST_S


def test_a_camera_that_fails_all_night_is_still_started_again() -> None:
    restarts = Restarts()

    assert set(delays(restarts, 3000)[10:]) == {CAP_S}
    assert restarts.total == 3000


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12).map(sorted))
def test_5_failures_within_a_minute_are_too_many(times: list[float]) -> None:
    restarts = Restarts()

    for at in times:
        restarts.failed(at, 0.0, EVEN)

    lately = [at for at in times if times[-1] - at <= 60]
    assert restarts.is_too_many(times[-1]) == (len(lately) >= TOO_MANY)


def test_too_many_is_forgotten_after_a_minute() -> None:
    restarts = Restarts()
    for at in range(TOO_MANY):
        restarts.failed(at, 0.0, EVEN)

    assert restarts.is_too_many(60.0)
    assert not restarts.is_too_many(60.1)


def test_who_is_forgiven_begins_anew_but_its_restarts_are_still_counted() -> None:
    restarts = Restarts()
    delays(restarts, TOO_MANY)

    restarts.forgive()

    assert not restarts.is_too_many(0.0)
    assert restarts.failed(0.0, 0.0, EVEN) == FIRST_S
    assert restarts.total == TOO_MANY + 1


def test_pauses_between_tries_double_up_to_30_seconds() -> None:
    assert [retry_s(n) for n in (1, 2, 3, 4, 5, 6, 1000)] == [1, 2, 4, 8, 16, 30, 30]
