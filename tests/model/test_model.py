"""The ring's protocol holds on small bounds, and the model sees when it does not."""

import pytest

from .bounds import RECORD, Bounds
from .scenarios import MUTANTS, QUICK, SCENARIOS
from .search import search, search_all


@pytest.mark.parametrize("name", QUICK)
def test_every_promise_holds_in_every_interleaving(name: str) -> None:
    verdict = search(QUICK[name])

    assert verdict.fault == "", verdict.way
    assert verdict.endings > 0


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_caught(name: str) -> None:
    verdict = search(MUTANTS[name])

    assert verdict.fault != ""


@pytest.mark.system
def test_every_promise_holds_in_all_scenarios_and_no_mutant_escapes() -> None:
    searches = SCENARIOS | MUTANTS

    verdicts = dict(search_all(searches))

    assert [name for name in searches if not verdicts[name].is_expected] == []


def test_the_way_to_a_fault_is_told_step_by_step() -> None:
    bounds = Bounds(2, (RECORD,), 1, mutant="grabbed_stored_late")

    verdict = search(bounds)

    assert verdict.fault == "5 0 staged by the cells, 1 in truth"
    assert verdict.way == ("the source gives P a frame", "P stores grabbed=0")


def test_a_search_is_the_same_each_time() -> None:
    bounds = QUICK["spill"]

    first, second = search(bounds), search(bounds)

    assert (first.states, first.endings) == (second.states, second.endings)
