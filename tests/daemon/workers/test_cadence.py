"""Reports come at most once a period, and none while nothing changes."""

from hypothesis import given
from hypothesis import strategies as st

from imagemp.daemon.workers.cadence import Cadence

PERIOD_S = 0.25


def test_nothing_is_due_while_nothing_has_changed() -> None:
    cadence = Cadence(PERIOD_S)

    assert cadence.timeout(100.0) is None
    assert not cadence.take(100.0)


def test_the_first_change_is_told_at_once_and_once() -> None:
    cadence = Cadence(PERIOD_S)

    cadence.mark()

    assert cadence.timeout(100.0) == 0.0
    assert cadence.take(100.0)
    assert not cadence.take(101.0)


def test_a_change_soon_after_a_report_waits_for_its_period() -> None:
    cadence = Cadence(PERIOD_S)
    cadence.mark()
    cadence.take(100.0)

    cadence.mark()

    assert cadence.timeout(100.1) == 100.25 - 100.1
    assert not cadence.take(100.2)
    assert cadence.take(100.25)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), max_size=60))
def test_no_change_is_lost_and_no_report_comes_early(
    events: list[tuple[float, bool]],
) -> None:
    cadence, now, changed, told = Cadence(PERIOD_S), 1000.0, False, [0.0]

    for passed, marks in events:
        now += passed
        if marks:
            cadence.mark()
            changed = True
        if cadence.take(now):
            assert changed
            assert now >= told[-1] + PERIOD_S
            told.append(now)
            changed = False

    assert (cadence.timeout(now) is not None) == changed
