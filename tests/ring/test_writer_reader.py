"""The contract of docs/ring.md, rule by rule, in one process."""

import os
import select
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from imagemp.errors import Evicted
from imagemp.frames import AnyArray, FrameInfo, plain_dtype
from imagemp.ring.layout import DROP_CAUSES, GRABBED, GRABBED0, PUBLISHED, PUBLISHED0
from imagemp.ring.ledger import LedgerFaultError
from imagemp.spec import Field, FrameSpec, Plane

from .rig import Rig, read_all, seqs, take_all

MakeRing = Callable[..., Rig]


def is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


# -- publish, every


def test_every_reader_gets_each_frame_once_in_order(make_ring: MakeRing) -> None:
    ring = make_ring(slots=3)
    readers = [ring.every(), ring.every()]

    for n in range(1, 40):
        ring.publish()
        assert [read_all(reader) for reader in readers] == [[n - 1]] * 2

    assert ring.published == 39


def test_a_reader_is_told_only_of_what_is_published(make_ring: MakeRing) -> None:
    ring = make_ring()
    reader = ring.every()
    assert reader.take() is None
    assert not is_readable(reader.fileno())

    ring.publish()

    assert is_readable(reader.fileno())
    assert len(take_all(reader)) == 1
    assert not is_readable(reader.fileno())


@pytest.mark.parametrize("every", [True, False], ids=["every", "latest"])
def test_order_and_published_are_stored_before_a_reader_is_told(
    make_ring: MakeRing, every: bool
) -> None:
    ring = make_ring(slots=3)
    ready = ring.counters[ring.seat(every=every, evictable=False)][0]
    if every:
        os.eventfd_read(ready)
    os.eventfd_write(ready, 2**64 - 2)  # full: here the writer gets no further
    not_this_one = ring.writer.acquire()

    with pytest.raises(BlockingIOError):
        ring.publish()

    assert ring.published == 1
    assert ring.writer.segment.order[0] == not_this_one + 1


def test_a_reader_is_told_of_its_eviction_before_its_slots_are_free(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=1)
    evicted = ring.counters[ring.seat(every=True, evictable=True)][2]
    ring.publish()
    os.eventfd_write(evicted, 2**64 - 2)  # full: here the writer gets no further

    with pytest.raises(BlockingIOError):
        ring.publish()

    assert ring.ledger.used == 1
    assert 0 in ring.ledger.seats


def test_a_full_ring_drops_and_counts_and_uses_no_index(make_ring: MakeRing) -> None:
    ring = make_ring(slots=3)
    reader = ring.every()
    ring.publish(5)
    read_all(reader)

    ring.publish(1)

    assert seqs(take_all(reader)) == [5]
    assert ring.dropped(DROP_CAUSES.index("ring_full")) == 2
    assert ring.published == 4
    assert reader.next == 4


def test_without_readers_frames_are_published_all_the_same(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)

    assert ring.publish(50) == 50
    assert ring.ledger.used == 0


def test_captured_is_published_and_dropped_at_any_instant(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2, first_index=7)
    reader = ring.every()

    for n in range(1, 20):
        ring.publish()
        if n % 3 == 0:
            read_all(reader)
        cells = ring.header.cells
        assert cells[GRABBED] - cells[GRABBED0] == n
        assert cells[PUBLISHED] - cells[PUBLISHED0] + ring.dropped() == n


def test_a_slot_that_could_not_be_filled_comes_back(make_ring: MakeRing) -> None:
    ring = make_ring(slots=1)
    reader = ring.every()
    slot = ring.writer.acquire()

    ring.writer.give_back(slot)

    assert ring.publish() == 1
    assert seqs(take_all(reader)) == [0]


def test_a_frame_waits_while_all_frames_before_it_are_in_use(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=3)
    reader = ring.every()
    ring.publish(3)
    first, second, third = take_all(reader)

    reader.release(third)
    reader.release(second)
    assert not is_readable(ring.writer.fileno())
    assert ring.publish() == 0

    reader.release(first)
    assert is_readable(ring.writer.fileno())
    assert ring.publish(4) == 3
    assert ring.released(0) == 3


def test_a_frame_released_twice_counts_once(make_ring: MakeRing) -> None:
    ring = make_ring()
    reader = ring.every()
    ring.publish(2)
    frame, _ = take_all(reader)

    reader.release(frame)
    reader.release(frame)
    ring.writer.reclaim()

    assert ring.released(0) == 1
    assert ring.ledger.used == 1


def test_the_slowest_reader_decides_what_is_free(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)
    slow, fast = ring.every(), ring.every()
    ring.publish(2)

    read_all(fast)
    assert ring.publish() == 0
    read_all(slow)

    assert ring.publish() == 1


# -- attach, detach


def test_a_late_reader_gets_what_is_published_after_it(make_ring: MakeRing) -> None:
    ring = make_ring(slots=8, first_index=100)
    ring.every()
    ring.publish(3)
    late = ring.every()

    ring.publish(2)

    assert ring.released(1) == 103
    assert read_all(late) == [103, 104]


@pytest.mark.parametrize("first", [0, 1, 65535, 2**40])
def test_a_reader_knows_its_base_before_any_frame(
    make_ring: MakeRing, first: int
) -> None:
    ring = make_ring(first_index=first)
    reader = ring.every()

    reader.finish(first)

    assert is_readable(reader.fileno()) is False
    assert reader.next == first
    assert reader.is_finished


def test_a_reader_that_is_gone_leaves_its_slots(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)
    ring.every()
    ring.latest()
    ring.publish(2)

    for place in (0, 1, 1, 99):
        ring.writer.forget(place)

    assert ring.ledger.used == 0
    assert ring.publish(3) == 3


def test_what_a_reader_did_before_it_was_gone_is_ignored(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)
    ghost, reader = ring.every(), ring.every()
    ring.publish(2)
    read_all(ghost)

    ring.writer.forget(0)

    assert ring.publish() == 0
    assert read_all(reader) == [0, 1]
    assert ring.publish() == 1


# -- a supervised reader dies


def test_a_successor_gets_exactly_what_was_not_released(make_ring: MakeRing) -> None:
    ring = make_ring(slots=6)
    reader = ring.every()
    ring.publish(5)
    frames = take_all(reader)
    for frame in frames[:2]:
        reader.release(frame)

    successor = ring.succeed(0)

    assert ring.released(0) == 2
    assert seqs(take_all(successor)) == [2, 3, 4]


def test_a_successor_counts_on_from_there(make_ring: MakeRing) -> None:
    ring = make_ring(slots=4)
    ring.every()
    ring.publish(4)

    successor = ring.succeed(0)
    found = read_all(successor)
    for _ in range(9):
        ring.publish()
        found += read_all(successor)

    assert found == list(range(13))
    ring.writer.reclaim()
    assert ring.ledger.used == 0


def test_a_successor_of_one_that_released_all_starts_with_the_next(
    make_ring: MakeRing,
) -> None:
    ring = make_ring()
    read_all_of_first = ring.every()
    ring.publish(3)
    read_all(read_all_of_first)

    successor = ring.succeed(0)
    ring.publish(2)

    assert read_all(successor) == [3, 4]


def test_successors_may_die_one_after_the_other(make_ring: MakeRing) -> None:
    ring = make_ring(slots=8)
    ring.every()
    ring.publish(6)

    for n in range(4):
        reader = ring.succeed(0)
        frame = reader.take()
        assert frame is not None
        assert seqs([frame]) == [n]
        reader.release(frame)

    assert read_all(ring.succeed(0)) == [4, 5]


def test_a_place_that_was_given_up_has_no_successor(make_ring: MakeRing) -> None:
    ring = make_ring()
    ring.every()
    ring.writer.forget(0)
    ready, done = os.eventfd(0), os.eventfd(0)

    assert ring.writer.succeed(0, ready, done) is False
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(done)


def test_a_successor_of_a_stranger_can_be_evicted_too(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)
    ring.every(evictable=True)
    ring.publish(2)
    successor = ring.succeed(0)

    assert ring.publish() == 1

    assert ring.evictions == [(0, 2)]
    with pytest.raises(Evicted):
        successor.take()


def test_a_successor_without_a_counter_to_tell_it_is_never_evicted(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=2)
    ring.every(evictable=True)
    ring.publish(2)

    assert ring.writer.succeed(0, os.eventfd(0), os.eventfd(0))

    assert ring.publish() == 0
    assert ring.evictions == []


def test_one_that_released_too_much_has_no_successor(make_ring: MakeRing) -> None:
    ring = make_ring()
    reader = ring.every(evictable=True)
    os.eventfd_write(reader.done, 5)

    assert ring.writer.succeed(0, os.eventfd(0), os.eventfd(0)) is False

    assert ring.evictions == [(0, 0)]


# -- latest


def test_a_latest_reader_gets_the_newest_frame_only(make_ring: MakeRing) -> None:
    ring = make_ring(slots=3)
    reader = ring.latest()
    ring.publish(7)

    assert read_all(reader) == [6]
    assert reader.take() is None


def test_an_offer_is_not_taken_for_a_base(make_ring: MakeRing) -> None:
    ring = make_ring()
    reader = ring.latest()

    assert reader.take() is None
    ring.publish()

    assert read_all(reader) == [0]


def test_a_frame_taken_is_not_overwritten(make_ring: MakeRing) -> None:
    ring = make_ring(slots=3)
    reader = ring.latest()
    ring.publish()
    frames = take_all(reader)

    ring.publish(10)

    assert seqs(frames) == [0]
    frames += take_all(reader)
    ring.publish(10)
    assert seqs(frames) == [0, 10]


def test_an_offer_read_and_released_unnoticed_frees_its_slot(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=1)
    reader = ring.latest()

    for seq in range(5):
        assert ring.publish() == 1
        assert read_all(reader) == [seq]

    assert ring.dropped() == 0


def test_an_offer_not_taken_is_no_reason_to_drop(make_ring: MakeRing) -> None:
    ring = make_ring(slots=1)
    readers = [ring.latest(), ring.latest(), ring.latest(evictable=True)]

    assert ring.publish(5) == 5

    assert [read_all(reader) for reader in readers] == [[4]] * 3
    assert ring.evictions == []


def test_an_offer_that_one_of_two_has_taken_cannot_be_withdrawn(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=1)
    taker, _ = ring.latest(), ring.latest()
    ring.publish()
    frames = take_all(taker)

    assert ring.publish() == 0

    assert seqs(frames) == [0]


def test_a_latest_reader_holds_as_many_slots_as_it_takes(make_ring: MakeRing) -> None:
    ring = make_ring(slots=3)
    reader = ring.latest()
    frames = []
    for _ in range(3):
        ring.publish()
        frames += take_all(reader)

    assert ring.publish() == 0

    reader.release(frames[1])
    assert ring.publish() == 0
    reader.release(frames[0])
    assert ring.publish() == 1
    assert seqs(frames[2:]) == [2]


def test_a_latest_reader_leaves_the_window_of_an_every_reader_alone(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=4)
    every, latest = ring.every(), ring.latest()
    ring.publish(4)
    (held,) = take_all(latest)

    assert read_all(every) == [0, 1, 2, 3]
    ring.publish(9)

    assert seqs([held]) == [3]
    assert read_all(every) == [4, 5, 6]


# -- eviction


def test_a_stranger_that_alone_is_in_the_way_is_evicted(make_ring: MakeRing) -> None:
    ring = make_ring(slots=3)
    record, stranger = ring.every(), ring.every(evictable=True)
    ring.publish(3)
    read_all(record)

    assert ring.publish() == 1

    assert ring.evictions == [(1, 3)]
    assert read_all(record) == [3]
    with pytest.raises(Evicted):
        stranger.take()


def test_a_stranger_stays_while_the_recording_needs_the_slots(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=2)
    _, stranger = ring.every(), ring.every(evictable=True)
    ring.publish(2)

    assert ring.publish() == 0

    assert ring.evictions == []
    assert read_all(stranger) == [0, 1]


def test_a_stranger_that_holds_the_newest_is_evicted(make_ring: MakeRing) -> None:
    ring = make_ring(slots=1)
    stranger = ring.latest(evictable=True)
    ring.publish()
    (frame,) = take_all(stranger)

    assert ring.publish() == 1

    assert ring.evictions == [(0, 0)]
    with pytest.raises(Evicted):
        stranger.copy(frame)


def test_a_copy_that_is_not_whole_is_never_given(make_ring: MakeRing) -> None:
    ring = make_ring(slots=1)
    stranger = ring.every(evictable=True)
    ring.publish()
    frame = stranger.take()
    assert frame is not None
    kept = stranger.copy(frame)

    ring.publish()

    for use in (stranger.copy, stranger.release):
        with pytest.raises(Evicted):
            use(frame)
    assert seqs([kept]) == [0]
    assert kept.image.flags.writeable


def test_an_evicted_reader_is_told_again_each_time_it_asks(make_ring: MakeRing) -> None:
    ring = make_ring(slots=1)
    stranger = ring.every(evictable=True)
    ring.publish(2)

    for _ in range(3):
        with pytest.raises(Evicted):
            stranger.take()

    assert stranger.was_evicted


def test_an_evicted_reader_may_attach_anew(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)
    ring.every(evictable=True)
    ring.publish(3)
    anew = ring.every(evictable=True)

    ring.publish(2)

    assert ring.evictions == [(0, 2)]
    assert read_all(anew) == [3, 4]


def test_one_stranger_goes_if_one_is_enough(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)
    fast, slow = ring.every(evictable=True), ring.every(evictable=True)
    ring.publish(2)
    read_all(fast)

    ring.publish()

    assert ring.evictions == [(1, 2)]
    assert read_all(fast) == [2]
    assert slow.evicted >= 0


def test_strangers_go_together_if_they_are_in_the_way_together(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=1)
    record = ring.every()
    strangers = [ring.every(evictable=True), ring.latest(evictable=True)]
    ring.publish()
    take_all(strangers[1])
    read_all(record)

    assert ring.publish() == 1

    assert ring.evictions == [(1, 1), (2, 0)]
    assert read_all(record) == [1]


def test_what_an_evicted_reader_still_writes_is_ignored(make_ring: MakeRing) -> None:
    ring = make_ring(slots=2)
    record, stranger = ring.every(), ring.every(evictable=True)
    ring.publish(2)
    read_all(record)
    ring.publish()

    os.eventfd_write(stranger.done, 100)

    assert ring.publish(2) == 1
    assert read_all(record) == [2, 3]


@pytest.mark.parametrize("n", [1, 4, 2**32, 2**64 - 2])
def test_a_stranger_that_releases_what_it_never_had_is_evicted(
    make_ring: MakeRing, n: int
) -> None:
    ring = make_ring(slots=4)
    strangers = [ring.every(evictable=True), ring.latest(evictable=True)]
    record = ring.every()
    ring.publish(3)

    for stranger, had in zip(strangers, (3, 1), strict=True):
        os.eventfd_write(stranger.done, min(had + n, 2**64 - 2))
    ring.publish()

    assert sorted(ring.evictions) == [(0, 3), (1, 0)]
    assert read_all(record) == [0, 1, 2, 3]


def test_a_worker_of_ours_that_releases_too_much_is_a_fault(
    make_ring: MakeRing,
) -> None:
    ring = make_ring()
    reader = ring.every()
    os.eventfd_write(reader.done, 1)

    with pytest.raises(LedgerFaultError, match="place 0: released 1 frames, had 0"):
        ring.writer.reclaim()


def test_counters_of_a_reader_that_left_are_never_mistaken_for_a_newcomers(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=4)
    for place in range(20):
        stranger = ring.every(evictable=True)
        ring.publish()
        os.eventfd_write(stranger.done, 9 if place % 2 else 1)
        ring.writer.reclaim()
        ring.writer.forget(place)

    assert len(ring.evictions) == 10
    assert ring.ledger.used == 0


# -- the end of the stream


def test_an_every_reader_finishes_when_it_has_all(make_ring: MakeRing) -> None:
    ring = make_ring()
    reader = ring.every()
    ring.publish(3)
    assert seqs([frame for frame in [reader.take()] if frame]) == [0]

    reader.finish(3)

    assert not reader.is_finished
    assert seqs(take_all(reader)) == [1, 2]
    assert reader.is_finished


def test_a_latest_reader_looks_once_more_and_finishes(make_ring: MakeRing) -> None:
    ring = make_ring()
    reader = ring.latest()
    ring.publish(3)

    reader.finish(3)

    assert not reader.is_finished
    assert read_all(reader) == [2]
    assert reader.is_finished


def test_a_stream_without_frames_ends(make_ring: MakeRing) -> None:
    ring = make_ring()
    readers = [ring.every(), ring.latest()]

    for reader in readers:
        reader.finish(0)

    assert [take_all(reader) for reader in readers] == [[], []]
    assert all(reader.is_finished for reader in readers)


def test_a_successor_told_the_end_first_waits_for_its_base(make_ring: MakeRing) -> None:
    ring = make_ring()
    ring.every()
    ring.publish(3)
    successor = ring.replace(0)

    successor.finish(3)
    before = successor.take(), successor.is_finished
    ring.hand_over(0)

    assert before == (None, False)
    assert seqs(take_all(successor)) == [0, 1, 2]
    assert successor.is_finished


# -- the producer dies


def die_between_published_and_ready(ring: Rig) -> None:
    """Publish one more frame, as far as a producer killed in between gets."""
    slot, index = ring.writer.acquire(), ring.published
    ring.fill(slot, index)
    at = ring.writer.segment.geometry.desc_at(slot)
    ring.writer.segment.view[at : at + 16] = index.to_bytes(8, "little") * 2
    ring.writer.segment.order[index & ring.ledger.mask] = slot
    ring.writer.segment.cells[PUBLISHED] = index + 1
    ring.writer.close()


def test_frames_of_a_dead_epoch_are_read_whatever_ready_says(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=8)
    reader = ring.every()
    ring.publish(2)
    found = read_all(reader)
    die_between_published_and_ready(ring)
    assert reader.take() is None

    reader.finish(ring.published, ring.base(0))

    assert found + read_all(reader) == [0, 1, 2]
    assert reader.is_finished


def test_a_successor_in_a_dead_epoch_goes_on_from_what_was_released(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=8)
    reader = ring.every()
    ring.publish(5)
    frames = take_all(reader)
    reader.release(frames[0])
    ring.writer.reclaim()
    reader.release(frames[1])
    ring.writer.close()

    base = ring.base(0)
    successor = ring.replace(0)
    successor.finish(ring.published, base)

    assert base == 2
    assert seqs(take_all(successor)) == [2, 3, 4]


def test_a_base_that_comes_after_an_end_without_one_is_taken(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=8)
    reader = ring.every()
    ring.publish(3)
    read_all(reader)
    ring.publish(2)
    base = ring.base(0)
    successor = ring.replace(0)
    successor.finish(5)
    ring.writer.close()

    successor.finish(5, base)

    assert seqs(take_all(successor)) == [3, 4]
    assert successor.is_finished


def test_a_stranger_whose_producer_died_before_it_answered_has_nothing(
    make_ring: MakeRing,
) -> None:
    ring = make_ring()
    reader = ring.every()
    os.eventfd_read(reader.ready)
    ring.publish(2)
    os.eventfd_read(reader.ready)
    ring.writer.close()

    reader.finish(2, 2)

    assert reader.take() is None
    assert reader.is_finished


def test_a_stranger_that_was_answered_believes_its_own_counter(
    make_ring: MakeRing,
) -> None:
    ring = make_ring()
    ring.publish(2)
    reader = ring.every(evictable=True)
    ring.publish(2)
    ring.writer.close()

    reader.finish(4, 4)

    assert seqs(take_all(reader)) == [2, 3]


def test_a_latest_reader_takes_what_it_was_offered_by_the_dead(
    make_ring: MakeRing,
) -> None:
    ring = make_ring()
    reader = ring.latest()
    ring.publish(2)
    ring.writer.close()

    reader.finish(2, 0)

    assert read_all(reader) == [1]
    assert reader.is_finished


def test_the_next_epoch_counts_on(make_ring: MakeRing) -> None:
    first = make_ring()
    first.publish(3)
    second = make_ring(first_index=first.published)
    reader = second.every()

    second.publish()

    frame = reader.take()
    assert frame is not None
    assert (frame.info.seq, frame.info.index) == (3, 3)


# -- what a frame looks like

KINDS: list[np.dtype[Any]] = [
    np.dtype(bool),
    np.dtype("u1"),
    np.dtype("<u2"),
    np.dtype("<f4"),
    np.dtype("<c8"),
    np.dtype([("x", "<f4"), ("hits", "<u2", (3,)), ("ok", "?")]),
]
SHAPES = [(64,), (1,), (8, 8), (480, 640, 3), (2, 3, 5, 7), (1200, 1600)]


def random_plane(shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """Give a plane of random bits, 0 or 1 in each byte: any bool is valid."""
    count = int(np.prod(shape)) * dtype.itemsize
    bits = np.random.default_rng(1).integers(0, 2, count, np.uint8)
    return bits.view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_frame_arrives_as_it_was_filled(
    make_ring: MakeRing, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    ring = make_ring(FrameSpec((Plane("data", shape, plain_dtype(dtype)),)), slots=2)
    reader = ring.every()
    pixels = random_plane(shape, dtype)
    slot = ring.writer.acquire()

    ring.writer.planes(slot)["data"][...] = pixels
    ring.writer.commit(slot, FrameInfo())

    frame = reader.take()
    assert frame is not None
    assert frame.image.dtype == dtype
    assert frame.image.tobytes() == pixels.tobytes()
    assert not frame.image.flags.writeable


def test_planes_of_a_frame_lie_side_by_side(make_ring: MakeRing) -> None:
    planes = Plane("rgb", (5, 7, 3), "u1"), Plane("depth", (5, 7), "<u2")
    ring = make_ring(FrameSpec((*planes, Plane("one", (1,), "<f8"))))
    reader = ring.every()
    slot = ring.writer.acquire()
    for n, plane in enumerate(ring.writer.planes(slot).values()):
        plane[...] = n + 1

    ring.writer.commit(slot, FrameInfo())

    (frame,) = take_all(reader)
    assert list(frame) == ["rgb", "depth", "one"]
    assert [set(frame[name].flat) for name in frame] == [{1}, {2}, {3}]


def test_the_users_fields_arrive(make_ring: MakeRing) -> None:
    fields = Field("name", "S5"), Field("pose", "<f8", (2, 2)), Field("n", "<i4")
    ring = make_ring(FrameSpec.image((8, 8), fields=fields), slots=2)
    reader = ring.every()
    for n in (1, 2):
        slot = ring.writer.acquire()
        values = {"name": b"abc", "pose": np.eye(2) * n, "n": -n}
        ring.writer.commit(slot, FrameInfo(fields=values if n == 1 else {"n": 5}))

    first, second = take_all(reader)

    assert first.info.fields["name"] == b"abc"
    assert first.info.fields["n"] == -1
    assert (first.info.fields["pose"] == np.eye(2)).all()
    assert second.info.fields["n"] == 5
    assert second.info.fields["name"] == b""


def test_a_frame_says_when_and_how_it_was_taken(make_ring: MakeRing) -> None:
    ring = make_ring(first_index=10)
    reader = ring.every()
    info = FrameInfo(17, 0, 2**62, 3, 2**61, exposure_us=1.5, gain=0.1, missed_before=4)
    ring.writer.commit(ring.writer.acquire(), info)

    (frame,) = take_all(reader)
    found = frame.info
    assert (found.seq, found.index, found.missed_before) == (17, 10, 4)
    assert (found.t_sensor_ns, found.t_arrival_ns, found.t_unix_ns) == (
        2**62,
        3,
        2**61,
    )
    assert (found.exposure_us, found.gain) == (1.5, 0.1)


def test_a_frame_tells_its_index_from_whatever_slot_it_had(make_ring: MakeRing) -> None:
    ring = make_ring(slots=3, first_index=5)
    reader = ring.every()
    found = []

    for _ in range(10):
        ring.publish()
        for frame in take_all(reader):
            found.append(frame.info.index)
            reader.release(frame)

    assert found == list(range(5, 15))


def test_everything_may_be_closed_twice(make_ring: MakeRing) -> None:
    ring = make_ring(overflow=2)
    readers = [ring.every(evictable=True), ring.latest()]
    ring.publish(2)
    frames = [frame for reader in readers for frame in take_all(reader)]

    for _ in range(2):
        ring.writer.close()
        for reader in readers:
            reader.close()

    assert seqs(frames) == [0, 1, 1]
