"""A feed gives the frames of one place, epoch after epoch."""

import os
import select
from collections.abc import Callable, Iterator

import pytest

from imagemp.errors import Evicted
from imagemp.ring.feed import Feed
from imagemp.ring.handover import End, Enter
from imagemp.spec import FrameSpec

from .rig import SMALL, Rig

MakeRing = Callable[..., Rig]


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    yield feed
    feed.clear()


def enter(
    feed: Feed, ring: Rig, epoch: int, policy: str = "every", *, evictable: bool = False
) -> int:
    """Attach a reader to the ring and have the feed read it; give its place."""
    place = ring.seat(every=policy == "every", evictable=evictable)
    counters = [fd for fd in ring.counters[place] if fd >= 0]
    fds = [os.dup(fd) for fd in (ring.writer.segment.fd, *counters)]
    feed.enter(Enter(epoch, place, policy, ring.spec.to_plain(), 30.0 + epoch), fds)
    return place


def read(feed: Feed) -> list[int]:
    """Take and release whatever is there; give the indexes."""
    found = []
    while (frame := feed.take()) is not None:
        found.append(frame.info.index)
        feed.release(frame)
    return found


def is_readable(feed: Feed) -> bool:
    return bool(select.select([feed], [], [], 0)[0])


def is_pending(feed: Feed) -> bool:
    return feed.is_pending


def is_finished(feed: Feed) -> bool:
    return feed.is_finished


def test_a_feed_without_an_epoch_has_nothing(feed: Feed) -> None:
    assert feed.take() is None
    assert feed.epoch == feed.fileno() == -1
    assert not is_pending(feed)
    assert not is_finished(feed)


def test_an_epoch_is_finished_before_the_next_begins(
    feed: Feed, make_ring: MakeRing
) -> None:
    first, second = make_ring(), make_ring(first_index=3)
    enter(feed, first, 0)
    first.publish(3)
    enter(feed, second, 1)
    second.publish(2)

    feed.end(End(0, 3, base=0, last=False))

    assert feed.epoch == 0
    assert read(feed) == [0, 1, 2, 3, 4]
    assert feed.epoch == 1
    assert not is_finished(feed)


def test_frames_of_a_later_epoch_wait_until_the_end_of_this_one_is_known(
    feed: Feed, make_ring: MakeRing
) -> None:
    first, second = make_ring(), make_ring(first_index=1)
    enter(feed, first, 0)
    first.publish()
    enter(feed, second, 1)
    second.publish()

    assert read(feed) == [0]
    assert not is_pending(feed)

    feed.end(End(0, 1, last=False))
    assert is_pending(feed)
    assert read(feed) == [1]


def test_an_epoch_stays_as_long_as_a_frame_of_it_is_kept(
    feed: Feed, make_ring: MakeRing
) -> None:
    first, second = make_ring(), make_ring(first_index=2)
    place = enter(feed, first, 0)
    first.publish(2)
    enter(feed, second, 1)
    second.publish(2)
    feed.end(End(0, 2, last=False))

    kept = [feed.take() for _ in range(4)]

    frames = [frame for frame in kept if frame is not None]
    assert [frame.info.index for frame in frames] == [0, 1, 2, 3]
    assert feed.epoch == 0
    assert frames[1].image.reshape(-1)[0] == 1
    for frame, epoch in zip(frames, (0, 1, 1, 1), strict=True):
        feed.release(frame)
        assert feed.epoch == epoch
    assert first.base(place) == 2


def test_an_end_without_an_epoch_is_the_end_of_the_stream(feed: Feed) -> None:
    feed.end(End(0, 5))

    assert is_finished(feed)
    assert feed.end_index == 5
    assert feed.take() is None


def test_a_stream_is_finished_when_each_epoch_is(
    feed: Feed, make_ring: MakeRing
) -> None:
    first, second = make_ring(), make_ring(first_index=1)
    enter(feed, first, 0)
    first.publish()
    feed.end(End(0, 1, last=False))
    enter(feed, second, 1)
    second.publish()

    feed.end(End(1, 2))

    assert not is_finished(feed)
    assert read(feed) == [0, 1]
    assert is_finished(feed)
    assert feed.end_index == 2


def test_epochs_without_a_frame_are_passed_over(
    feed: Feed, make_ring: MakeRing
) -> None:
    for number in range(3):
        enter(feed, make_ring(), number)
        feed.end(End(number, 0, last=False))
    last = make_ring()
    enter(feed, last, 3)
    last.publish()

    assert read(feed) == [0]
    assert feed.epoch == 3


def test_spec_and_rate_are_those_of_the_current_epoch(
    feed: Feed, make_ring: MakeRing
) -> None:
    larger = FrameSpec.image((8, 8))
    enter(feed, make_ring(), 0)
    enter(feed, make_ring(larger), 1)

    assert (feed.spec, feed.fps) == (SMALL, 30.0)
    feed.end(End(0, 0, last=False))
    feed.take()

    assert (feed.spec, feed.fps) == (larger, 31.0)


def test_frames_granted_and_not_taken_are_pending_though_nothing_is_readable(
    feed: Feed, make_ring: MakeRing
) -> None:
    ring = make_ring()
    enter(feed, ring, 0)
    ring.publish(3)

    frame = feed.take()
    assert frame is not None
    feed.release(frame)

    assert not is_readable(feed)
    assert is_pending(feed)
    assert read(feed) == [1, 2]
    assert not is_pending(feed)


def test_who_was_evicted_and_enters_the_same_epoch_goes_on_there(
    feed: Feed, make_ring: MakeRing
) -> None:
    ring = make_ring(slots=2)
    enter(feed, ring, 0, evictable=True)
    ring.publish(3)
    with pytest.raises(Evicted):
        feed.take()

    enter(feed, ring, 0, evictable=True)
    ring.publish()

    assert read(feed) == [3]
    assert feed.epoch == 0


def test_who_leaves_its_only_epoch_waits_for_the_next(
    feed: Feed, make_ring: MakeRing
) -> None:
    enter(feed, make_ring(), 0)

    feed.leave()
    feed.leave()

    assert feed.epoch == -1
    assert feed.take() is None


def test_a_copy_is_refused_if_the_frame_was_overwritten(
    feed: Feed, make_ring: MakeRing
) -> None:
    ring = make_ring(slots=1)
    enter(feed, ring, 0, evictable=True)
    ring.publish()
    frame = feed.take()
    assert frame is not None
    assert feed.copy(frame).image[0] == 0

    ring.publish()

    with pytest.raises(Evicted):
        feed.copy(frame)


def test_a_feed_that_outlives_its_producer_ends_where_that_came_to(
    feed: Feed, make_ring: MakeRing
) -> None:
    ring = make_ring(first_index=7)
    enter(feed, ring, 2)
    ring.publish(2)

    assert feed.outlive(1.0) == 0

    assert feed.end_index == 9
    assert read(feed) == [7, 8]
    assert is_finished(feed)


def test_what_was_published_and_never_granted_is_lost_with_producer_and_daemon(
    feed: Feed, make_ring: MakeRing
) -> None:
    ring = make_ring()
    place = enter(feed, ring, 0)
    ring.publish(1)
    assert read(feed) == [0]
    ring.publish(2)
    os.eventfd_read(ring.counters[place][0])  # as if it had died before

    assert feed.outlive(0.0) == 2

    assert read(feed) == []
    assert (is_finished(feed), feed.end_index) == (True, 1)


def test_a_feed_without_an_epoch_that_outlives_all_is_finished(feed: Feed) -> None:
    assert feed.outlive(0.0) == 0

    assert is_finished(feed)


def test_the_last_frame_of_an_ended_stream_of_the_newest_is_given(
    feed: Feed, make_ring: MakeRing
) -> None:
    ring = make_ring()
    enter(feed, ring, 0, "latest")
    ring.publish(3)
    feed.end(End(0, 3))

    assert is_pending(feed)
    assert read(feed) == [2]
    assert is_finished(feed)


def test_a_cleared_feed_begins_anew(feed: Feed, make_ring: MakeRing) -> None:
    ring = make_ring()
    enter(feed, ring, 0)
    feed.end(End(0, 0))

    feed.clear()
    feed.clear()

    assert feed.spec is None
    assert not is_finished(feed)
    enter(feed, ring, 0)
    ring.publish()
    assert read(feed) == [0]
