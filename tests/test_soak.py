"""The soak tells growth from noise; the soak itself is `make soak`."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import soak
from tests.daemon.test_cycles import Held, a_session, repeat
from tests.soak import Plan, Soaked

HELD = Held(files=9, maps=100, threads=1)
PLAN = Plan("cycles", repeat(a_session), 1, 1000)
LOOKS = list(range(0, 1001, 20))


def soaked(kib: list[int], after: Held = HELD, cycles: int = 1000) -> Soaked:
    """Give what was found of one process."""
    looks = LOOKS[: len(kib)]
    memory: list[Mapping[str, int]] = [{"main": n} for n in kib]
    files = ({"main": ["pipe"]}, {"main": ["pipe", "/dev/shm"]})  # noqa: S108
    plan = Plan(PLAN.name, PLAN.happen, 1, cycles)
    return Soaked(plan, looks, memory, {"main": HELD}, {"main": after}, files)


def test_memory_that_grows_with_the_cycles_is_a_problem() -> None:
    found = soaked([20_000 + 2 * n for n in LOOKS])

    assert found.slope("main") == pytest.approx(2.0)
    assert list(found.problems()) == ["main: memory grew by 2000 KiB"]


@pytest.mark.parametrize(
    "kib",
    [
        [20_000] * len(LOOKS),
        [20_000 + n // 4 for n in LOOKS],  # it may be 0.25 KiB a cycle
        [20_000 + 950 * (n > 500) for n in LOOKS],  # one step
        [20_000 + (7919 * n) % 1200 for n in LOOKS],  # noise
        [22_000 - n for n in LOOKS],
    ],
)
def test_a_step_or_noise_is_none(kib: list[int]) -> None:
    assert list(soaked(kib).problems()) == []


def test_a_descriptor_that_stays_is_a_problem_and_is_named() -> None:
    (problem,) = soaked([1] * len(LOOKS), Held(10, 100, 1)).problems()

    assert "files=10" in problem
    assert "files ['/dev/shm']" in problem


def test_a_soak_that_was_cut_too_short_says_so() -> None:
    (problem,) = soaked([1] * 10).problems()

    assert problem == "cycles: 180 cycles are too few to tell"
    assert list(soaked([1] * 11).problems()) == []


@pytest.mark.system
def test_every_plan_of_the_soak_can_be_carried_out(tmp_path: Path) -> None:
    for number, plan in enumerate(soak.PLANS):
        short = Plan(plan.name, plan.happen, 2, 2)
        found = soak.soak(short, tmp_path / str(number), 60.0)

        assert found.done == [0, 2]
        assert found.before == found.after
        assert soak.table([found]).row_count == len(found.before) == 5
