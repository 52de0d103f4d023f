"""The supervisor's part in a ring: what it tells whom, and what it keeps.

Producer, counters and readers are real; only the processes around them are not.
"""

import os

import pytest

from imagemp.daemon.workers.orders import Attach, Gone, Successor
from imagemp.errors import Evicted
from imagemp.ring.handover import End, Enter
from imagemp.ring.layout import READER_CELLS

from .keeper import BLOBS, GUEST, MAIN, MOTION, Rig, open_fds

# -- the beginning


def test_every_reader_is_attached_before_the_producer_may_start(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin()

    assert rig.to("capture") == ["Attach", "Attach", "Start"]
    assert rig.to("main") == rig.to("motion") == ["Enter"]


def test_the_readers_of_a_ring_get_each_frame(rig: Rig) -> None:
    rig.keep(MAIN, MOTION, BLOBS).begin()

    rig.publish(3)

    assert rig.read("main") == rig.read("blobs") == [0, 1, 2]
    assert rig.read("motion") == [2]


def test_a_producer_is_told_who_may_be_evicted(rig: Rig) -> None:
    rig.keep(MAIN, BLOBS).begin()

    attached = rig.orders("capture", Attach)

    assert [(a.policy, a.evictable) for a in attached] == [
        ("every", False),
        ("every", True),
    ]


def test_a_reader_that_comes_between_ring_and_start_is_attached_once(rig: Rig) -> None:
    rig.keep(MAIN, MOTION)
    rig.make_ring(slots=2)
    rig.keeper.reader_back("main")  # its process was late

    rig.keeper.go()

    assert rig.to("capture") == ["Attach", "Attach", "Start"]
    for _ in range(5):  # nobody pins what nobody reads
        assert rig.publish() == 1
        rig.read("main")


def test_a_guest_that_joins_in_mid_session_gets_what_comes_from_then_on(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)

    rig.keeper.join(GUEST)
    rig.publish(2)

    assert rig.read("guest") == [2, 3]


def test_a_guest_that_joins_before_the_start_misses_nothing(rig: Rig) -> None:
    rig.keep(MAIN)
    rig.make_ring()
    rig.keeper.join(GUEST)
    assert rig.to("guest") == []

    rig.keeper.go()
    rig.publish()

    assert rig.read("guest") == [0]


# -- a reader dies


def test_a_successor_gets_what_was_not_released_and_the_cell_says_the_same(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(5)
    rig.read("main", 2)
    rig.take("main", 2)

    rig.kill("main")
    rig.publish()
    rig.revive("main")

    assert rig.read("main") == [2, 3, 4, 5]


def test_a_successor_has_counters_that_nobody_had_before(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish()
    rig.take("main", 1)
    (place,) = rig.keeper.epochs[0].places.values()
    (before,) = place.sets
    old = [os.dup(fd) for fd in before]

    rig.kill("main")
    rig.revive("main")
    for fd in old:
        os.eventfd_write(fd, 1000)  # the dead one's last write was late
        os.close(fd)

    assert rig.read("main") == [0]
    assert rig.publish(20) == 8


def test_the_old_counters_are_closed_when_the_producer_has_moved_on(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    before = open_fds()

    for _ in range(3):
        rig.kill("main")
        rig.revive("main")

    assert open_fds() == before


def test_counters_that_the_producer_may_still_use_are_kept(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(6)
    rig.read("main", 2)
    rig.is_heard = False  # what the producer says comes late
    rig.kill("main")
    rig.revive("main")
    rig.read("main", 2)
    rig.dead.add("capture")  # nor does it hear of the second successor
    rig.kill("main")
    rig.revive("main")

    rig.keeper.adopted(0)  # the first one
    rig.kill_producer(last=True)

    assert rig.read("main") == [4, 5]


def test_a_callback_that_may_be_evicted_keeps_its_place_when_it_dies(rig: Rig) -> None:
    rig.keep(MAIN, BLOBS).begin()
    rig.publish(3)
    rig.read("blobs", 1)

    rig.kill("blobs")
    rig.revive("blobs")

    assert rig.read("blobs") == [1, 2]


def test_a_place_that_is_not_kept_is_given_back(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin(slots=2)
    rig.publish()
    rig.kill("motion")

    assert [g.place for g in rig.orders("capture", Gone)] == [1]
    rig.read("main")
    assert rig.publish(2) == 2


def test_the_newest_reader_comes_back_to_a_place_of_its_own(rig: Rig) -> None:
    rig.keep(MOTION).begin()
    rig.publish()
    rig.kill("motion")

    rig.revive("motion")
    rig.publish()

    assert rig.orders("capture", Successor) == []
    assert rig.read("motion") == [1]


@pytest.mark.parametrize("name", ["motion"])
def test_who_is_seated_while_it_is_dead_is_seated_anew_when_it_is_back(
    rig: Rig, name: str
) -> None:
    rig.keep(MAIN, MOTION, BLOBS).begin()
    rig.kill(name)
    rig.kill_producer()
    rig.begin(slots=4)

    rig.revive(name)

    assert rig.orders("capture", Successor) == []
    rig.publish()
    assert rig.read(name) == [0]


def test_a_reader_that_will_not_come_back_keeps_nothing(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin(slots=2)
    rig.publish(2)
    before = open_fds()

    rig.kill("main")
    rig.keeper.reader_gone("main")
    rig.revive("main")

    assert rig.publish(2) == 2
    assert rig.orders("main", End) == []
    assert len(open_fds()) < len(before)


def test_who_reads_no_ring_of_ours_is_ignored(rig: Rig) -> None:
    rig.keep(MAIN).begin()

    rig.keeper.reader_died("stranger")
    rig.keeper.reader_back("stranger")
    rig.keeper.reader_gone("stranger")
    rig.keeper.left("stranger", 0)
    rig.keeper.adopted(99)

    assert rig.to("stranger") == []


# -- a reader is evicted


def test_a_callback_that_was_evicted_is_seated_anew(rig: Rig) -> None:
    rig.keep(MAIN, BLOBS).begin(slots=2)
    rig.publish(2)
    rig.read("main")

    rig.publish()

    assert rig.told  # the eviction
    assert rig.to("blobs") == ["Enter", "Enter"]
    rig.publish()
    assert rig.read("blobs")[-1] == 3


def test_a_guest_that_was_evicted_is_seated_when_it_asks(rig: Rig) -> None:
    rig.keep(MAIN).begin(slots=2)
    rig.keeper.join(GUEST)
    rig.publish(2)
    rig.read("main")
    rig.publish()
    assert rig.to("guest") == ["Enter"]

    rig.keeper.join(GUEST, lost=1)
    rig.read("main")
    rig.publish()

    assert rig.to("guest") == ["Enter", "Enter"]
    assert rig.read("guest") == [3]


@pytest.mark.parametrize(("lost", "seated"), [(1, 2), (0, 1), (-1, 1)])
def test_a_guest_that_knows_of_an_eviction_first_is_seated_as_soon_as_we_know(
    rig: Rig, lost: int, seated: int
) -> None:
    rig.keep(MAIN).begin(slots=2)
    rig.keeper.join(GUEST)  # on place 1
    rig.publish(2)
    rig.read("main")

    rig.keeper.join(GUEST, lost)
    rig.publish()

    assert rig.to("guest") == ["Enter"] * seated


def test_a_guest_that_asks_late_is_not_evicted_unawares_from_the_next_epoch(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin(slots=2)
    rig.keeper.join(GUEST)
    lost = rig.orders("guest", Enter)[0].place
    rig.publish(2)
    rig.read("main")
    rig.publish()
    with pytest.raises(Evicted):
        rig.read("guest")
    rig.feeds["guest"].leave()
    rig.kill_producer()
    rig.begin(slots=2)

    rig.keeper.join(GUEST, lost)  # it asked while it had no place
    rig.read("main")
    rig.publish(2)
    rig.read("main")
    rig.publish()

    assert rig.to("guest") == ["Enter", "Enter"]
    with pytest.raises(Evicted):
        rig.read("guest")


def test_a_guest_that_asks_twice_has_one_place(rig: Rig) -> None:
    rig.keep(MAIN).begin()

    rig.keeper.join(GUEST)
    rig.keeper.join(GUEST)

    assert rig.to("guest") == ["Enter"]


def test_a_guest_that_was_evicted_hears_of_the_end(rig: Rig) -> None:
    rig.keep(MAIN).begin(slots=2)
    rig.keeper.join(GUEST)
    rig.publish(2)
    rig.read("main")
    rig.publish()

    rig.end()

    (end,) = rig.orders("guest", End)
    assert end.last


def test_whose_place_it_is_is_known(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin()

    assert rig.keeper.reader_at(1) == "motion"
    assert rig.keeper.reader_at(7) is None
    assert rig.keeper.evicted(7) is None


def test_readers_without_number_do_not_share_a_cell(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.read("main")
    for _ in range(READER_CELLS - 1):
        rig.keeper.join(GUEST)
        rig.keeper.reader_gone("guest")
        rig.feeds.pop("guest").clear()
    rig.keeper.join(GUEST)  # has come as often as there are cells
    rig.publish()
    rig.read("guest")
    rig.writer.reclaim()

    rig.kill_producer(last=True)

    assert rig.orders("main", End)[0].base == 2
    assert rig.read("main") == [2]
