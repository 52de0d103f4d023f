"""How all who read a ring, or were to read it, hear of its end."""

import pytest

from imagemp.ring.handover import End

from .keeper import BLOBS, GUEST, MAIN, MOTION, Rig

# -- the end


def test_all_are_told_where_the_stream_ends(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin()
    rig.publish(3)

    rig.end()

    for worker in ("main", "motion"):
        assert rig.orders(worker, End) == [End(0, 3, -1, last=True)]
        rig.read(worker)
        assert rig.is_finished(worker)


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
    assert rig.is_finished("main")


def test_a_successor_that_comes_after_the_end_drains_and_is_finished(rig: Rig) -> None:
    rig.keep(MAIN).begin()
    rig.publish(3)
    rig.end()
    rig.read("main", 1)

    rig.kill("main")
    rig.revive("main")

    assert rig.read("main") == [1, 2]
    assert rig.is_finished("main")


@pytest.mark.parametrize("name", ["motion", "guest"])
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

    assert rig.is_finished(name)
    assert rig.feeds[name].end_index == 3


def test_who_came_back_while_there_was_no_producer_hears_of_the_end(rig: Rig) -> None:
    rig.keep(MAIN, MOTION).begin()
    rig.publish(3)
    rig.kill("motion")
    rig.kill_producer()
    rig.revive("motion")
    assert not rig.is_finished("motion")

    rig.keeper.give_up()

    assert rig.is_finished("motion")
    assert rig.feeds["motion"].end_index == 3


def test_who_comes_after_a_ring_that_never_was_is_told_so(rig: Rig) -> None:
    rig.keep(MAIN)
    rig.dead.add("main")
    rig.keeper.ended(0)

    rig.revive("main")

    assert rig.is_finished("main")
