"""Frames of two cameras find each other by their times, and no other."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from imagemp.daemon.sources.pairing import Pairing

PERIOD_NS = 1_000


@dataclass(frozen=True)
class Shot:
    """A frame of one camera."""

    t_sensor_ns: int
    number: int


def paired(
    left: list[Shot], right: list[Shot], period_ns: int = PERIOD_NS
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Add both streams in order of time; give pairs, orphans and their counts."""
    pairing: Pairing[Shot] = Pairing(period_ns)
    pairs, orphans = [], []
    both = [
        (shot.t_sensor_ns, side, shot)
        for side, s in enumerate((left, right))
        for shot in s
    ]
    for _, side, shot in sorted(both, key=lambda one: one[:2]):
        pairing.add(side, shot)
        while True:
            pair, alone = pairing.take()
            orphans += [one.number for one in alone]
            if pair is None:
                break
            pairs.append((pair[0].number, pair[1].number))
    return pairs, orphans, pairing.orphans


@given(
    st.integers(-300, 300),
    st.sets(st.integers(0, 30), max_size=20),
    st.sets(st.integers(0, 30), max_size=20),
    st.lists(st.integers(-90, 90), min_size=31, max_size=31),
)
def test_partners_find_each_other_whatever_is_lost_on_either_side(
    skew: int, lost_left: set[int], lost_right: set[int], jitter: list[int]
) -> None:
    left = [Shot(n * PERIOD_NS + jitter[n], n) for n in range(31) if n not in lost_left]
    right = [
        Shot(n * PERIOD_NS + jitter[n] + skew, n)
        for n in range(31)
        if n not in lost_right
    ]

    pairs, orphans, counts = paired(left, right)

    assert pairs == [(n, n) for n in range(31) if n not in lost_left | lost_right]
    assert len(orphans) == sum(counts)
    assert set(orphans) <= lost_left ^ lost_right


def test_what_waits_is_given_back() -> None:
    pairing: Pairing[Shot] = Pairing(PERIOD_NS)
    shots = [Shot(n * PERIOD_NS, n) for n in range(3)]
    for shot in shots:
        pairing.add(1, shot)

    assert pairing.clear() == shots
    assert pairing.take() == (None, [])
