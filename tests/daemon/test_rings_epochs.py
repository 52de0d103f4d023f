"""A producer dies: its ring is read to the end, the next one goes on from there."""

import os

import pytest

from imagemp.daemon.epochs import Totals
from imagemp.daemon.pipeline import ReaderPlan
from imagemp.ring.handover import End, Enter

from .keeper import BLOBS, GUEST, MAIN, MOTION, Rig, open_fds

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


def test_a_guest_whom_a_dead_producer_never_seated_has_nothing_of_its_epoch(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.dead.add("capture")  # it does not come to what it is told

    rig.keeper.join(GUEST)
    rig.kill_producer(last=True)

    assert rig.read("guest") == []
    assert rig.is_finished("guest")


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
    assert rig.is_finished("main")


def test_seq_and_index_go_on_in_the_next_epoch(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.drop(2)

    rig.kill_producer()

    assert rig.keeper.next_epoch == (1, 5, 3, 1004)
    assert rig.keeper.live is None


SECOND_NS = 10**9  # 30 periods of the rig's camera


def test_what_a_camera_made_after_its_last_frame_is_missed_if_capture_was_away(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)  # the last at 1002 ns
    rig.kill_producer()

    rig.keeper.no_more_wanted(1002 + SECOND_NS)

    assert rig.keeper.totals().missed == {"capture_restart": 29}


def test_so_it_is_if_its_successor_had_no_frame_yet(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.kill_producer()
    rig.begin()

    assert rig.keeper.next_epoch[3] == 1002
    rig.kill_producer()
    assert rig.keeper.next_epoch[3] == 1002
    rig.begin()
    rig.keeper.no_more_wanted(1002 + SECOND_NS)

    assert rig.keeper.totals().missed == {"capture_restart": 29}


def test_nothing_is_missed_after_the_last_frame_of_a_capture_that_lives(
    rig: Rig,
) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)

    rig.keeper.no_more_wanted(1002 + SECOND_NS)

    assert rig.keeper.totals().missed == {}


def test_a_producer_that_dies_after_its_end_has_still_ended(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.end()

    rig.kill_producer(last=True)

    assert rig.read("main") == [0, 1]
    assert rig.is_finished("main")


def test_a_producer_that_dies_without_a_ring_for_the_last_time_ends_it(
    rig: Rig,
) -> None:
    rig.keep(MAIN)

    rig.keeper.producer_died(last=False)
    assert not rig.is_finished("main")
    rig.keeper.producer_died(last=True)

    assert rig.is_finished("main")


def test_a_producer_given_up_ends_the_stream_where_its_epoch_did(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(2)
    rig.kill_producer()
    assert rig.read("main") == [0, 1]
    assert not rig.is_finished("main")

    rig.keeper.give_up()

    assert rig.is_finished("main")
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
