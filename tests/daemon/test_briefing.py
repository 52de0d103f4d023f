"""What a worker is told when it comes into a session, at its start or later."""

import msgspec
import pytest

from imagemp.daemon.accounts import Facts
from imagemp.daemon.briefing import open_order, prepare_order
from imagemp.daemon.wallclock import clock_pair
from imagemp.daemon.workers.orders import Report

from .keeper import MAIN, Rig
from .plans import ENCODER, callback, planned

CONFIG = ENCODER + "\nschedule = { every_s = 1 }" + callback("blur")


@pytest.fixture
def facts() -> Facts:
    return Facts("s1", planned(CONFIG), 77, frames=5)


def test_an_encoder_is_told_the_time_and_where_to_record(facts: Facts) -> None:
    facts.clock.append(clock_pair())

    order = open_order(facts, "main")

    assert (order.session, order.started_unix_ns) == ("s1", 77)
    assert order.config["data_dir"] == "/data"
    assert order.config["clock"] == facts.clock
    assert not order.resume
    assert order.counts == {}


def test_a_callback_is_told_of_its_own_code_alone(facts: Facts) -> None:
    order = open_order(facts, "blur")

    assert (order.config["name"], order.config["target"]) == ("blur", "user:blur")
    assert "data_dir" not in order.config


def test_a_successor_is_told_what_was_counted_before_it(facts: Facts) -> None:
    facts.opened.add("main")
    facts.reports["main"] = Report("s1", 9, 7, skipped={"disk_full": 2})

    order = open_order(facts, "main")

    assert order.resume
    assert (order.counts["handled"], order.counts["recorded"]) == (9, 7)
    assert order.counts["skipped"] == {"disk_full": 2}


def test_the_first_ring_of_the_source_begins_at_0(facts: Facts, rig: Rig) -> None:
    order = prepare_order(facts, rig.keep(MAIN).keeper)

    assert (order.epoch, order.first_seq, order.first_index) == (0, 0, 0)
    assert order.settings["kind"] == "synthetic"
    assert order.schedule is not None
    assert order.limits["frames"] == 5


def test_the_next_ring_goes_on_where_the_one_before_ended(
    facts: Facts, rig: Rig
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.drop(2)
    rig.kill_producer()

    order = prepare_order(facts, rig.keeper)

    assert (order.epoch, order.first_seq, order.first_index) == (1, 5, 3)
    assert order.t_last_ns == 1004


def test_a_callback_that_makes_a_ring_is_told_nothing_of_the_source(
    facts: Facts, rig: Rig
) -> None:
    rig.keep(MAIN)
    rig.keeper.plan = msgspec.structs.replace(rig.keeper.plan, name="callback:blur")

    order = prepare_order(facts, rig.keeper)

    assert order.settings == order.limits == {}
    assert order.schedule is None
    assert order.ring["slots"] == 32


def test_a_source_is_told_what_triggers_have_asked_for_and_nobody_took(
    facts: Facts, rig: Rig
) -> None:
    rig.keep(MAIN).begin()
    facts.triggered = 5
    rig.publish(3)
    rig.kill_producer()

    assert prepare_order(facts, rig.keeper).limits["pending"] == 2


def test_who_follows_one_that_died_before_it_answered_is_told_so(facts: Facts) -> None:
    first, second = (open_order(facts, "main") for _ in range(2))

    assert (first.again, second.again) == (False, True)
    assert not second.resume
    assert not open_order(facts, "blur").again
