"""The supervisor's part in a ring: what it tells whom, and what it keeps.

Producer, counters and readers are real; only the processes around them are not.
"""

import os

import pytest

from imagemp.daemon.epochs import Totals
from imagemp.daemon.pipeline import ReaderPlan
from imagemp.daemon.workers.orders import Attach, Gone, Successor
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


def test_a_place_that_is_not_kept_is_given_back(rig: Rig) -> None:
    rig.keep(MAIN, MOTION, BLOBS).begin(slots=2)
    rig.publish()
    rig.kill("motion")
    rig.kill("blobs")

    assert [g.place for g in rig.orders("capture", Gone)] == [1, 2]
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


@pytest.mark.parametrize("name", ["motion", "blobs"])
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

    rig.keeper.join(GUEST)
    rig.read("main")
    rig.publish()

    assert rig.to("guest") == ["Enter", "Enter"]
    assert rig.read("guest") == [3]


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


# -- the end


def test_all_are_told_where_the_stream_ends(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin()
    rig.publish(3)

    rig.end()

    for worker in ("main", "motion"):
        assert rig.orders(worker, End) == [End(0, 3, -1, last=True)]
        rig.read(worker)
        assert rig.feeds[worker].is_finished


def test_a_ring_that_was_never_made_ends_for_all_who_wait_for_it(rig: Rig) -> None:
    rig.keep(MAIN, MOTION)

    rig.keeper.ended(0)

    assert rig.to("capture") == []
    assert all(feed.is_finished for feed in rig.feeds.values())


def test_a_ring_that_was_made_and_never_opened_ends_for_all(rig: Rig) -> None:
    rig.keep(MAIN, MOTION)
    rig.make_ring()

    rig.keeper.ended(0)

    assert all(feed.is_finished for feed in rig.feeds.values())


def test_a_callback_that_makes_no_further_ring_ends_the_one_before(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.kill_producer()
    rig.begin()
    rig.publish(3)
    rig.kill_producer()

    rig.keeper.ended(5)  # its successor found nothing to return

    assert rig.read("main") == [0, 1, 2, 3, 4]
    assert rig.feeds["main"].is_finished


def test_a_successor_that_comes_after_the_end_drains_and_is_finished(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.end()
    rig.read("main", 1)

    rig.kill("main")
    rig.revive("main")

    assert rig.read("main") == [1, 2]
    assert rig.feeds["main"].is_finished


@pytest.mark.parametrize("name", ["motion", "blobs", "guest"])
def test_who_has_no_place_at_the_end_is_told_that_nothing_comes(
    rig: Rig, name: str
) -> None:
    rig.keep(MAIN, MOTION, BLOBS).begin()
    rig.publish(3)
    if name != "guest":
        rig.kill(name)
    rig.end()

    if name == "guest":
        rig.keeper.join(GUEST)
    else:
        rig.revive(name)

    assert rig.feeds[name].is_finished
    assert rig.feeds[name].end_index == 3


def test_who_came_back_while_there_was_no_producer_hears_of_the_end(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin()
    rig.publish(3)
    rig.kill("motion")
    rig.kill_producer()
    rig.revive("motion")
    assert not rig.feeds["motion"].is_finished

    rig.keeper.give_up()

    assert rig.feeds["motion"].is_finished
    assert rig.feeds["motion"].end_index == 3


def test_who_comes_after_a_ring_that_never_was_is_told_so(rig: Rig) -> None:
    rig.keep(MAIN)
    rig.dead.add("main")
    rig.keeper.ended(0)

    rig.revive("main")

    assert rig.feeds["main"].is_finished


# -- the producer dies


def test_what_was_published_is_read_to_the_end_and_then_goes_on(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin()
    rig.publish(3)
    rig.read("main", 1)

    rig.kill_producer()
    rig.begin()
    rig.publish(2)

    assert rig.orders("main", End) == [End(0, 3, 1, last=False)]
    assert rig.read("main") == [1, 2, 3, 4]
    assert rig.read("motion") == [2, 4]


def test_a_reader_that_heard_nothing_yet_gets_all_of_a_dead_epoch(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    (place,) = rig.keeper.epochs[0].places.values()
    os.eventfd_read(place.sets[0][0])  # as if the producer had not come to `ready`

    rig.kill_producer(last=True)

    assert rig.read("main") == [0, 1, 2]


def test_what_was_released_and_not_collected_counts(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(4)
    rig.read("main", 3)
    rig.kill("main")

    rig.kill_producer()
    rig.revive("main")

    assert rig.orders("main", End)[-1].base == 3
    assert rig.read("main") == [3]


def test_a_successor_told_of_but_never_taken_over_has_its_base_from_the_end(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(4)
    rig.read("main", 1)
    rig.kill("main")
    rig.dead.add("capture")  # it does not hear of the successor any more
    rig.revive("main")

    rig.kill_producer()

    assert rig.read("main") == [1, 2, 3]


def test_readers_that_die_one_after_the_other_in_a_dead_epoch_lose_nothing(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(6)
    found = rig.read("main", 1)
    rig.kill_producer()
    for _ in range(3):
        found += rig.read("main", 1)
        rig.take("main", 1)
        rig.kill("main")
        rig.revive("main")

    assert found + rig.read("main") == [0, 1, 2, 3, 4, 5]


def test_a_successor_in_a_dead_epoch_waits_for_its_base(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.read("main", 1)
    rig.publish(2)  # told to a reader that does not look any more
    rig.kill("main")
    rig.kill_producer()
    rig.ends_are_late = True
    rig.revive("main")

    assert rig.read("main") == []  # else it would take those 2 for its base
    rig.deliver()

    assert rig.read("main") == [1, 2, 3]


def test_a_successor_may_find_two_epochs_to_finish(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.kill_producer()
    rig.begin()
    rig.publish(2)
    rig.kill("main")

    rig.revive("main")
    rig.end()

    assert rig.read("main") == [0, 1, 2, 3]
    assert rig.feeds["main"].is_finished


def test_seq_and_index_go_on_in_the_next_epoch(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.drop(2)

    rig.kill_producer()

    assert rig.keeper.next_epoch == (1, 5, 3, 1004)
    assert rig.keeper.live is None


def test_a_producer_that_dies_after_its_end_has_still_ended(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.end()

    rig.kill_producer(last=True)

    assert rig.read("main") == [0, 1]
    assert rig.feeds["main"].is_finished


def test_a_producer_that_dies_without_a_ring_for_the_last_time_ends_it(
    rig: Rig,
) -> None:
    rig.keep(MAIN)

    rig.keeper.producer_died(last=False)
    assert not rig.feeds["main"].is_finished
    rig.keeper.producer_died(last=True)

    assert rig.feeds["main"].is_finished


def test_a_producer_given_up_ends_the_stream_where_its_epoch_did(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.kill_producer()
    assert rig.read("main") == [0, 1]
    assert not rig.feeds["main"].is_finished

    rig.keeper.give_up()

    assert rig.feeds["main"].is_finished
    assert rig.keeper.is_over


# -- what is kept of it


def test_totals_are_those_of_all_epochs(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.drop(1)
    rig.kill_producer()
    rig.begin()
    rig.publish(2)

    totals = rig.keeper.totals()

    assert (totals.captured, totals.published, totals.staged) == (6, 5, 0)
    assert totals.dropped == {"camera_error": 1}


def test_what_a_dead_producer_had_in_hand_is_dropped_under_capture_restart(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.grab()
    assert rig.keeper.totals().staged == 1

    rig.kill_producer()

    totals = rig.keeper.totals()
    assert (totals.captured, totals.published, totals.staged) == (3, 2, 0)
    assert totals.dropped == {"capture_restart": 1}


def test_the_totals_of_an_epoch_outlive_its_memory(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.grab()
    rig.kill_producer()
    rig.begin()
    rig.publish()
    before = rig.keeper.totals()

    rig.read("main")
    assert len(rig.keeper.epochs) == 1
    assert rig.keeper.totals() == before

    rig.keeper.close()
    assert rig.keeper.totals() == before


def test_a_dead_epoch_stays_until_the_last_reader_that_is_kept_has_left(
    rig: Rig,
) -> None:
    twin = ReaderPlan("twin", "every", evictable=False)
    rig.keep(MAIN, twin).begin()
    rig.publish()
    rig.kill_producer()
    rig.begin()

    rig.read("main")
    assert [epoch.number for epoch in rig.keeper.epochs] == [0, 1]

    rig.read("twin")
    assert [epoch.number for epoch in rig.keeper.epochs] == [1]


@pytest.mark.parametrize("dies", [False, True])
def test_who_keeps_no_place_keeps_no_memory_of_a_dead_epoch(
    rig: Rig, dies: bool
) -> None:
    rig.keep(MAIN, MOTION).begin()
    rig.keeper.join(GUEST)
    rig.publish()
    rig.kill_producer()
    rig.begin()
    if dies:
        rig.kill("motion")

    rig.read("main")

    assert [epoch.number for epoch in rig.keeper.epochs] == [1]
    assert rig.read("guest") == [0]


def test_a_dead_epoch_goes_with_the_last_reader_that_was_given_up(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish()
    rig.kill_producer()
    rig.begin()

    rig.kill("main")
    rig.keeper.reader_gone("main")

    assert [epoch.number for epoch in rig.keeper.epochs] == [1]


def test_an_epoch_that_nobody_was_attached_to_goes_with_the_next(rig: Rig) -> None:
    rig.keep(MAIN)
    rig.make_ring()
    rig.kill_producer()

    rig.begin()
    rig.publish()

    assert [epoch.number for epoch in rig.keeper.epochs] == [1]
    assert rig.read("main") == [0]


def test_closing_leaves_nothing_open_whatever_has_happened(rig: Rig) -> None:
    before = open_fds()
    rig.keep(MAIN, MOTION, BLOBS)
    for _ in range(3):
        rig.begin(slots=2)
        rig.keeper.join(GUEST)
        rig.publish(4)
        for worker in ("main", "motion"):
            rig.kill(worker)
            rig.revive(worker)
        rig.kill_producer()
    rig.keeper.give_up()

    rig.close()
    rig.close()

    assert open_fds() == before
    assert rig.keeper.totals() != Totals()


def test_a_reader_enters_with_descriptors_of_its_own(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    (entered,) = rig.orders("main", Enter)

    rig.keeper.close()

    assert entered.has_overflow is False
    rig.publish(2)
    assert rig.read("main") == [0, 1]
