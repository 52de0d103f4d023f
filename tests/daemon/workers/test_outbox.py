"""What a supervisor that does not read for a while hears afterwards."""

import os
import select
import threading
from collections.abc import Iterator

import pytest

from imagemp.daemon.workers.base import Worker
from imagemp.daemon.workers.orders import (
    Asked,
    Drained,
    Event,
    Finished,
    Leave,
    Ready,
    Report,
    RingMade,
    Told,
    ToSupervisor,
    ToWorker,
)
from imagemp.daemon.workers.outbox import Outbox
from imagemp.errors import LinkClosedError
from imagemp.link import Link, close_all, pair

from .desk import Desk

WAIT_S = 20.0


class Ends:
    """An outbox, and the supervisor's end of its link."""

    def __init__(self) -> None:
        ours, theirs = pair()
        self.supervisor: Link[ToSupervisor] = Link(ours, ToSupervisor)
        self.link: Link[ToWorker] = Link(theirs, ToWorker)
        self.outbox = Outbox(self.link)

    def stuff(self) -> int:
        """Send reports until there is no room; give how many went."""
        n = 0
        while self.outbox.send(Report("s", handled=n)):
            n += 1
        return n

    def read(self) -> list[Told]:
        """Read, as a supervisor that is back does, all that there is."""
        told: list[Told] = []
        while self.outbox or select.select([self.supervisor], [], [], 0)[0]:
            if (received := self.supervisor.receive()) is not None:
                told.append(received[0])
                close_all(received[1])
            self.outbox.flush()
        return told

    def is_ready(self) -> bool:
        """Whether a worker that waits for its outbox wakes."""
        return bool(select.select([self.outbox], [], [], 0)[0])


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.outbox.close()
    made.link.close()
    made.supervisor.close()


def test_what_matters_is_kept_in_order_and_reports_are_not(ends: Ends) -> None:
    stuffed = ends.stuff()

    kept = [ends.outbox.send(told) for told in (Drained("s"), Event("x"))]
    lost = [ends.outbox.send(told) for told in (Report("s"), Asked(1, "ping", {}))]
    ends.outbox.send(Finished("s"))
    told = ends.read()

    assert kept == [True, True]
    assert lost == [False, False]
    assert len(told) == stuffed + 3
    assert told[-3:] == [Drained("s"), Event("x"), Finished("s")]


def test_who_waits_is_woken_when_there_is_room_and_sleeps_otherwise(
    ends: Ends,
) -> None:
    before = ends.is_ready()
    ends.stuff()
    ends.outbox.send(Drained("s"))
    full = ends.is_ready()
    while ends.supervisor.receive() is not None:
        pass
    roomy = ends.is_ready()
    ends.outbox.flush()

    assert (before, full, roomy) == (False, False, True)
    assert not ends.is_ready()
    assert ends.supervisor.receive() == (Drained("s"), [])


def test_orders_wake_as_before(ends: Ends) -> None:
    ends.supervisor.send(Leave())

    assert ends.is_ready()


def test_descriptors_are_kept_with_their_message(ends: Ends) -> None:
    ends.stuff()
    ring = os.memfd_create("ring")
    os.write(ring, b"frames")
    ends.outbox.send(RingMade("s", 0, {}, 30.0), (ring,))
    os.close(ring)

    received = ends.supervisor.receive()
    while received is not None and not isinstance(received[0], RingMade):
        ends.outbox.flush()
        received = ends.supervisor.receive()

    assert received is not None
    assert os.pread(received[1][0], 6, 0) == b"frames"
    close_all(received[1])


def test_the_last_words_are_waited_for(ends: Ends) -> None:
    ends.stuff()
    ends.outbox.send(Finished("s"))
    thread = threading.Thread(target=ends.outbox.drain, args=(WAIT_S,))
    thread.start()

    told: Told | None = None
    while not isinstance(told, Finished):
        assert select.select([ends.supervisor], [], [], WAIT_S)[0]
        received = ends.supervisor.receive()
        told = received[0] if received is not None else None
    thread.join(WAIT_S)

    assert not thread.is_alive()
    assert len(ends.outbox) == 0


def test_a_supervisor_that_is_gone_is_waited_for_no_longer(ends: Ends) -> None:
    ends.stuff()
    ends.outbox.send(Finished("s"))
    ends.supervisor.close()

    ends.outbox.drain(WAIT_S)

    with pytest.raises(LinkClosedError):
        ends.outbox.flush()


class Idle(Worker):
    """Does nothing but serve its link."""

    kind = "idle"

    def step(self) -> None:
        select.select([self.outbox], [], [])
        self.serve_link()


def test_a_worker_goes_on_telling_when_its_supervisor_reads_again() -> None:
    desk = Desk(Idle)
    while desk.worker.tell(Report("s")):
        pass
    desk.worker.tell(Drained("s"))

    with desk.running():
        drained = desk.expect(Drained)
        ready = desk.expect(Ready)
    desk.close()

    assert (drained, ready) == (Drained("s"), Ready())
