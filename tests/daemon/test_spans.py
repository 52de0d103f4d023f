"""The spans of an encoder, order by order; times in ns, by hand."""

from hypothesis import given
from hypothesis import strategies as st

from imagemp.daemon.spans import MOST, Spans
from imagemp.daemon.workers.gate import FOREVER

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["trigger", "start", "stop", "done"]), st.integers(0, 300)
    ),
    max_size=30,
)


def armed(pre_ns: int = 10, post_ns: int = 5) -> Spans:
    return Spans(pre_ns, post_ns, at_start=False)


def test_all_is_recorded_from_the_start_or_nothing() -> None:
    always, never = Spans(at_start=True), Spans(at_start=False)

    assert always.plain == [(0, FOREVER)]
    assert never.plain == []
    assert (always.is_on(7), never.is_on(7)) == (True, False)


def test_a_stop_and_a_start_leave_a_gap() -> None:
    spans = Spans(at_start=True)

    spans.stop(100)
    spans.stop(120)
    spans.start(150)
    spans.start(160)

    assert spans.plain == [(0, 100), (150, FOREVER)]
    assert [spans.is_on(t) for t in (99, 100, 149, 150)] == [True, False, False, True]


def test_a_trigger_reaches_back_and_ahead() -> None:
    spans = armed()

    spans.trigger(1, 100)

    assert spans.plain == [(90, 105)]
    assert spans.done(105) == [1]
    assert spans.plain == []


def test_triggers_that_overlap_or_touch_are_one_span_whatever_their_order() -> None:
    spans = armed()

    for number, t_ns in ((1, 100), (2, 130), (3, 115)):
        spans.trigger(number, t_ns)

    assert spans.plain == [(90, 135)]
    assert sorted(spans.done(135)) == [1, 2, 3]


def test_a_span_that_grew_while_it_was_reported_goes_on_where_that_ended() -> None:
    spans = armed()
    spans.trigger(1, 100)
    spans.trigger(2, 104)

    assert spans.done(105) == [1]
    assert spans.plain == [(105, 109)]
    assert spans.done(109) == [2]


def test_what_was_dealt_with_is_not_asked_for_again() -> None:
    spans = armed()
    spans.trigger(1, 100)
    spans.done(105)

    spans.trigger(2, 110)

    assert spans.plain == [(105, 115)]


def test_a_stop_cuts_off_what_a_trigger_would_still_record() -> None:
    spans = armed(post_ns=50)
    spans.trigger(1, 100)

    spans.stop(120)

    assert spans.plain == [(90, 120)]
    assert spans.done(120) == [1]


def test_too_many_spans_grow_together_and_lose_nothing() -> None:
    spans = armed()
    for number in range(MOST + 10):
        spans.trigger(number, 100 * (number + 1))

    assert len(spans.plain) == MOST
    assert all(spans.is_on(100 * (n + 1)) for n in range(MOST + 10))


@given(STEPS)
def test_spans_ascend_and_never_touch(steps: list[tuple[str, int]]) -> None:
    spans, now = armed(), 0

    for n, (what, passed) in enumerate(steps):
        now += passed
        if what == "trigger":
            spans.trigger(n, now)
            assert spans.is_on(now)
        elif what == "done":
            spans.done(now)
        else:
            getattr(spans, what)(now)
            assert spans.is_on(now) is (what == "start")
        ends = [t for span in spans.plain for t in span]
        assert ends == sorted(set(ends))
