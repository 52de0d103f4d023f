"""What readers release is taken back now and then, and always before it is lacked."""

from collections.abc import Callable

import pytest

from imagemp.ring.ledger import SPREAD, SPREAD_NBYTES
from imagemp.spec import FrameSpec

from .rig import Rig, read_all

MakeRing = Callable[..., Rig]
LARGE = FrameSpec.image((SPREAD_NBYTES // 2 + 1,))
HALF_AS_LARGE = FrameSpec.image((SPREAD_NBYTES // 4,))


def keep_up(ring: Rig, n: int, *, tidies: bool = False) -> list[int]:
    """Publish frames, each released before the next; give the slots used."""
    (reader,) = ring.readers or (ring.every(),)
    slots = []
    for _ in range(n):
        slots.append(ring.commit())
        if tidies:
            ring.writer.tidy()
        read_all(reader)
    return slots


def test_what_is_released_waits_until_a_few_frames_are(make_ring: MakeRing) -> None:
    ring = make_ring(slots=32)

    keep_up(ring, SPREAD)
    assert (ring.released(0), ring.ledger.used) == (0, SPREAD)
    keep_up(ring, 1)

    assert (ring.released(0), ring.ledger.used) == (SPREAD, 1)


@pytest.mark.parametrize(
    ("spec", "spread"), [(LARGE, 1), (HALF_AS_LARGE, 4)], ids=["2 MB", "1 MB"]
)
def test_large_frames_use_no_more_slots_than_fit_the_caches(
    make_ring: MakeRing, spec: FrameSpec, spread: int
) -> None:
    ring = make_ring(spec, slots=8)

    slots = keep_up(ring, 12)

    assert len(set(slots)) == spread


def test_between_two_frames_it_is_taken_back_if_it_is_time(make_ring: MakeRing) -> None:
    ring = make_ring(slots=32)

    keep_up(ring, SPREAD - 1, tidies=True)
    assert ring.released(0) == 0
    keep_up(ring, 1, tidies=True)

    assert ring.released(0) == SPREAD - 1  # the last one was still in use


def test_the_slot_of_a_large_frame_is_taken_back_for_the_next_one(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(LARGE, slots=8)

    slots = keep_up(ring, 5, tidies=True)

    assert slots == [0] * 5


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 8])
def test_nothing_is_dropped_while_a_released_slot_waits(
    make_ring: MakeRing, slots: int
) -> None:
    ring = make_ring(slots=slots)

    keep_up(ring, 100)

    assert ring.published == 100
    assert ring.dropped() == 0


@pytest.mark.parametrize("every", [True, False], ids=["every", "latest"])
def test_nobody_is_evicted_while_a_released_slot_waits(
    make_ring: MakeRing, every: bool
) -> None:
    ring = make_ring(slots=3)
    record = ring.every()
    stranger = ring.every(evictable=True) if every else ring.latest(evictable=True)

    for _ in range(50):
        ring.publish()
        read_all(record)
        read_all(stranger)

    assert ring.evictions == []
    assert ring.published == 50


def test_a_lagging_stranger_is_judged_by_what_it_has_released(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=4)
    slow, stranger = ring.every(), ring.every(evictable=True)
    ring.ledger.seats[1].allowance = 1

    for n in range(4):
        ring.publish()
        assert read_all(stranger) == [n]

    assert ring.evictions == []
    assert read_all(slow) == [0, 1, 2, 3]


def test_what_a_frame_says_of_the_ring_is_never_too_low(make_ring: MakeRing) -> None:
    ring = make_ring(slots=32)
    reader, lags = ring.every(), 3
    used = []

    for n in range(30):
        ring.publish()
        if n >= lags:
            frame = reader.take()
            assert frame is not None
            used.append(frame.info.ring_used)
            reader.release(frame)

    assert all(lags + 1 <= n <= lags + SPREAD for n in used[lags:])
