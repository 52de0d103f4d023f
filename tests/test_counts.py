"""The law holds, or the equation that does not is named."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.counts import CallbackCounts, Counts, EncoderCounts

SOUND = Counts(
    captured=10,
    published=7,
    dropped={"ring_full": 2},
    staged=1,
    expected=13,
    missed={"sensor_gap": 3},
    encoders={"main": EncoderCounts(4, 3, {"disk_full": 1}, 2)},
    callbacks={"motion": CallbackCounts(5, {"behind": 2}, 0)},
)
NUMBERS = st.integers(0, 2**53)
CAUSES = st.dictionaries(st.sampled_from(["ring_full", "overflow_slow"]), NUMBERS)


def test_nothing_is_broken_where_all_adds_up() -> None:
    assert SOUND.broken() == []
    assert Counts().broken() == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"staged": 0}, "captured 10 != published 7 + dropped 2 + staged 0"),
        ({"missed": {}}, "expected 13 != captured 10 + missed 0"),
        (
            {"encoders": {"main": EncoderCounts(4, 3, {}, 2)}},
            "encoder main: published 7 != recorded 4 + skipped 0 + in_flight 2",
        ),
        (
            {"callbacks": {"motion": CallbackCounts(5, {}, 1)}},
            "callback motion: published 7 != delivered 5 + skipped 0 + in_flight 1",
        ),
    ],
)
def test_the_broken_equation_is_named_with_its_numbers(
    change: dict[str, object], named: str
) -> None:
    assert msgspec.structs.replace(SOUND, **change).broken() == [named]


def test_every_broken_equation_is_named() -> None:
    assert len(msgspec.structs.replace(SOUND, published=8).broken()) == 3


def test_a_reader_of_another_ring_is_measured_by_what_that_one_published() -> None:
    behind = EncoderCounts(5, 5, {}, 0, published=5)

    counts = msgspec.structs.replace(SOUND, encoders={"processed": behind})

    assert counts.broken() == []


@given(NUMBERS, CAUSES, NUMBERS, CAUSES)
def test_what_adds_up_is_never_called_broken(
    published: int, dropped: dict[str, int], staged: int, missed: dict[str, int]
) -> None:
    captured = published + sum(dropped.values()) + staged
    expected = captured + sum(missed.values())

    counts = Counts(captured, published, dropped, staged, expected, missed)

    assert counts.broken() == []


def test_counts_are_the_same_after_a_journey_as_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(SOUND), type=Counts) == SOUND
