"""The law closes whatever has happened, and each cause is named."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from imagemp.counts import CallbackCounts, EncoderCounts
from imagemp.daemon.accounts import Facts, Stage, close_law
from imagemp.daemon.epochs import Totals
from imagemp.daemon.workers.orders import Finalise, Report
from imagemp.link import MAX_PACKET

from .plans import ENCODER, callback, planned

COUNT = st.integers(0, 10**6)
PLANS = {
    "recording": planned(ENCODER),
    "with callbacks": planned(ENCODER + callback("motion") + callback("blobs")),
    "fed by one": planned(
        'encoder = { input = "callback:blur" }' + callback("blur", 'policy = "every"')
    ),
    "inline": planned(ENCODER + callback("inner", "inline = true")),
}


def facts_of(plan: str, **fields: Any) -> Facts:  # noqa: ANN401 - of Facts
    return Facts("s1", PLANS[plan], 0, **fields)


def seen(published: int, **fields: Any) -> Totals:  # noqa: ANN401 - of Totals
    return Totals(captured=published, published=published, **fields)


# -- the law


@st.composite
def totals(draw: st.DrawFn) -> Totals:
    published, staged = draw(COUNT), draw(COUNT)
    dropped = Counter(draw(st.dictionaries(st.sampled_from("abc"), COUNT)))
    missed = Counter(draw(st.dictionaries(st.sampled_from("xyz"), COUNT)))
    captured = published + staged + dropped.total()
    return Totals(captured, published, staged, dropped, missed)


@st.composite
def reports(draw: st.DrawFn, published: int) -> Report:
    """Draw numbers that a consumer may tell: handled = recorded + skipped."""
    handled = draw(st.integers(0, published))
    recorded = draw(st.integers(0, handled))
    undrained = draw(st.integers(0, handled - recorded))
    skipped = {"disk_full": handled - recorded - undrained, "undrained": undrained}
    delivered = draw(st.integers(0, handled - undrained))
    behind = draw(st.integers(0, handled - undrained - delivered))
    numbers = {"callbacks": {"inner": {"delivered": delivered, "behind": behind}}}
    return Report("s1", handled, recorded, recorded, skipped, numbers)


@given(st.data(), st.sampled_from(sorted(PLANS)))
def test_the_law_closes_whatever_was_counted_and_whoever_was_given_up(
    data: st.DataObject, plan: str
) -> None:
    facts = facts_of(plan)
    rings = {ring.name: data.draw(totals()) for ring in facts.plan.rings}
    for ring in facts.plan.rings:
        for reader in ring.readers:
            fate = data.draw(st.sampled_from(["silent", "told", "given up"]))
            if fate != "silent":
                numbers = data.draw(reports(rings[ring.name].published))
                facts.reports[reader.worker] = numbers
            if fate == "given up":
                facts.given_up[reader.worker] = "callback_error"

    counts = close_law(facts, rings)

    assert counts.broken() == []
    lines: list[EncoderCounts | CallbackCounts]
    lines = [*counts.encoders.values(), *counts.callbacks.values()]
    assert all(n >= 0 for line in lines for n in line.skipped.values())
    assert all(line.in_flight >= 0 for line in lines)


def test_a_worker_that_never_reported_has_all_in_flight() -> None:
    counts = close_law(facts_of("recording"), {"source": seen(9)})

    assert counts.encoders["main"].in_flight == 9


def test_what_a_worker_leaves_that_was_given_up_has_a_cause() -> None:
    facts = facts_of("with callbacks", given_up={"motion": "callback_error"})
    facts.reports["motion"] = Report("s1", 6, 5, skipped={"callback_error": 1})

    line = close_law(facts, {"source": seen(10)}).callbacks["motion"]

    assert (line.delivered, line.in_flight) == (5, 0)
    assert line.skipped == {"callback_error": 5}


def test_an_encoder_that_is_fed_by_a_callback_answers_for_that_ring() -> None:
    facts = facts_of("fed by one")
    facts.reports["main"] = Report("s1", 7, 7)

    counts = close_law(facts, {"source": seen(10), "callback:blur": seen(8)})

    assert counts.encoders["main"].published == 8
    assert counts.encoders["main"].in_flight == 1
    assert counts.callbacks["blur"].published is None
    assert counts.published == 10


def inline_line(facts: Facts, published: int) -> Any:  # noqa: ANN401 - a line
    counts = close_law(facts, {"source": seen(published)})
    assert counts.broken() == []
    return counts.callbacks["inner"]


def inline_report(handled: int, delivered: int, **skipped: int) -> Report:
    numbers = {"callbacks": {"inner": {"delivered": delivered}}}
    recorded = handled - sum(skipped.values())
    return Report("s1", handled, recorded, skipped=skipped, numbers=numbers)


def test_an_inline_callback_missed_what_it_raised_at() -> None:
    facts = facts_of("inline", reports={"main": inline_report(10, 7)})

    line = inline_line(facts, 12)

    assert line.skipped == {"callback_error": 3}
    assert (line.delivered, line.in_flight) == (7, 2)


def test_an_inline_callback_has_seen_what_the_disk_refused() -> None:
    facts = facts_of("inline", reports={"main": inline_report(10, 10, disk_full=4)})

    assert inline_line(facts, 10).skipped == {}


def test_an_inline_callback_that_let_frames_go_is_behind() -> None:
    facts = facts_of("inline", reports={"main": inline_report(10, 4)})
    facts.reports["main"].numbers["callbacks"]["inner"]["behind"] = 6

    assert inline_line(facts, 10).skipped == {"behind": 6}


def test_an_inline_callback_may_have_seen_frames_that_are_held() -> None:
    facts = facts_of("inline", reports={"main": inline_report(2, 8)})
    facts.reports["main"].numbers["seen"] = 9

    line = inline_line(facts, 12)

    assert line.skipped == {"callback_error": 1}
    assert (line.delivered, line.in_flight) == (8, 3)


def test_what_stop_now_left_is_no_fault_of_an_inline_callback() -> None:
    facts = facts_of("inline", reports={"main": inline_report(10, 6, undrained=4)})

    assert inline_line(facts, 10).skipped == {"undrained": 4}


def test_an_inline_callback_is_given_up_with_its_encoder() -> None:
    facts = facts_of("inline", reports={"main": inline_report(10, 10)})
    facts.given_up["main"] = "undrained"

    line = inline_line(facts, 13)

    assert (line.delivered, line.skipped, line.in_flight) == (10, {"undrained": 3}, 0)


def test_totals_of_epochs_add_up_by_cause() -> None:
    sum_ = Totals()

    for n in (1, 2):
        sum_.add(
            Totals(4 * n, n, n, Counter(a=n), Counter(gap=n), not_wanted=n, late=n)
        )

    assert sum_ == Totals(12, 3, 3, Counter(a=3), Counter(gap=3), 3, 3)


# -- what is known of a session


def test_the_first_problem_is_the_one_that_is_told() -> None:
    facts = facts_of("recording")

    facts.fail("E_DISK", "full", "make room")
    facts.fail("E_CAMERA", "gone")

    assert facts.result()["error"] == {
        "code": "E_DISK",
        "message": "full",
        "hint": "make room",
    }
    assert facts.reason == "failed"


def test_a_session_that_went_well_tells_no_error() -> None:
    facts = facts_of("recording", dir="/data/s1", reason="frames")
    facts.stage = Stage.COMPLETE

    assert facts.result() == {
        "session": "s1",
        "pipeline": "cam0",
        "dir": "/data/s1",
        "state": "complete",
        "reason": "frames",
    }


@given(st.lists(st.text(max_size=3000), max_size=60))
def test_the_events_of_a_session_fit_into_one_message(texts: list[str]) -> None:
    facts = facts_of("recording")

    for text in texts:
        facts.add_event("source_failed", {"message": text}, 1)

    order = Finalise("complete", 1, {}, facts.events, [])
    assert len(msgspec.json.encode(order)) < MAX_PACKET
    assert len(facts.events) + facts.events_left_out == len(texts)


def test_a_session_is_over_when_it_is_closed_and_not_before() -> None:
    over = {stage for stage in Stage if stage.is_over}

    assert over == {Stage.COMPLETE, Stage.INCOMPLETE}


# -- since when nothing is wanted


def test_a_duration_that_was_over_ends_the_session_before_it_was_stopped() -> None:
    facts = facts_of("recording", duration_s=2.0)

    assert facts.end_ns(7_000_000_000) == 7_000_000_000  # no frame yet
    facts.t_first_ns = 1_000_000_000
    assert facts.end_ns(7_000_000_000) == 3_000_000_000
    assert facts.end_ns(2_000_000_000) == 2_000_000_000
