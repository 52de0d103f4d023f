"""What encoder and callback share: every frame is dealt with once and accounted for.

The ring, its producer and the supervisor's keeper are real; the consumer does next
to nothing with a frame.
"""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemp.daemon.workers.consumer import BATCH, Consumer, percentiles
from imagemp.daemon.workers.orders import (
    Discard,
    Drained,
    Failed,
    LeftEpoch,
    Opened,
    OpenSession,
    Report,
    ToWorker,
)
from imagemp.errors import DiskError, Evicted
from imagemp.frames import Frame
from imagemp.link import Link
from imagemp.ring.handover import End, Enter
from imagemp.spec import FrameSpec

from ..keeper import BLOBS, MAIN, MOTION, SPEC, Rig, open_fds
from .desk import Desk

SESSION = OpenSession("s1", 0)


class Collector(Consumer):
    """Notes the index of each frame.

    Attributes:
        causes: Why a frame is skipped, by index.
        begun: The specs it began with.
    """

    kind = "collector"

    def __init__(self, link: Link[ToWorker]) -> None:
        super().__init__(link)
        self.frames: list[int] = []
        self.causes: dict[int, str] = {}
        self.begun: list[FrameSpec] = []
        self.finished = 0

    def open(self, order: OpenSession) -> str:
        if order.config:
            raise DiskError("no disk", "mount one")
        self.handled = self.recorded = order.counts.get("handled", 0)
        return "/data/s1"

    def begin(self, spec: FrameSpec) -> None:
        self.begun.append(spec)

    def handle(self, frame: Frame) -> str:
        self.frames.append(frame.info.index)
        return self.causes.get(frame.info.index, "")

    def finish(self) -> None:
        self.finished += 1

    def numbers(self) -> dict[str, Any]:
        return {"seen": len(self.frames)}

    def broken(self, order: OpenSession, error: Exception) -> None:
        self.tell(Failed(order.session, "E_DISK", str(error)))

    def tear_down(self) -> None:
        self.feed.clear()


class Place:
    """A collector that reads a ring.

    Attributes:
        rig: The ring, its producer and its keeper.
        desk: The collector's link.
    """

    def __init__(self, name: str, slots: int) -> None:
        self.name, self.slots = name, slots
        self.rig, self.desk = Rig(), Desk(Collector)
        self.rig.links[name] = self.desk.link

    @property
    def worker(self) -> Collector:
        """The collector."""
        return self.desk.worker

    def open(self, order: OpenSession = SESSION) -> None:
        """Begin a session and its first epoch."""
        reader = {r.worker: r for r in (MAIN, MOTION, BLOBS)}[self.name]
        others = () if self.name == "main" else (MAIN,)
        self.rig.keep(*others, reader)
        self.desk.order(order)
        self.worker.serve_link()
        self.rig.begin(self.slots)
        self.worker.serve_link()

    def step(self, times: int = 1) -> None:
        """Let the collector do some steps; it has something to do in each."""
        for _ in range(times):
            self.worker.step()

    def report(self) -> Report:
        """Give its last report."""
        return self.desk.all_of(Report)[-1]

    def close(self) -> None:
        """Close everything."""
        self.desk.close()
        self.rig.close()


@pytest.fixture
def place() -> Iterator[Place]:
    """The one recorder of a ring of 32 slots."""
    with closing(Place("main", 32)) as made:
        yield made


@pytest.fixture
def blobs() -> Iterator[Place]:
    """A reader that may be evicted from a ring of 2 slots."""
    with closing(Place("blobs", 2)) as made:
        yield made


# -- a session


def test_a_session_that_is_open_says_where(place: Place) -> None:
    place.open()

    assert place.desk.all_of(Opened) == [Opened("s1", "/data/s1")]
    assert place.worker.begun == [SPEC]


def test_a_session_that_cannot_begin_says_why_and_reads_nothing(place: Place) -> None:
    before = open_fds()
    place.rig.keep(MAIN)
    place.desk.order(OpenSession("s1", 0, config={"bad": 1}))
    place.rig.begin()
    place.step()

    assert [failed.message for failed in place.desk.all_of(Failed)] == ["no disk"]
    assert place.worker.begun == []
    assert place.worker.feed.reader is None
    place.rig.keeper.close()
    place.rig.output.close()
    assert open_fds() == before


def test_a_new_session_begins_with_nothing_of_the_one_before(place: Place) -> None:
    place.open()
    place.rig.publish(3)
    place.step()
    place.rig.output.close()
    place.rig.keeper.close()

    place.open(OpenSession("s2", 0))
    place.rig.publish(1)
    place.step()

    assert place.report().session == "s1"
    assert (place.worker.handled, place.worker.recorded) == (1, 1)
    assert len(place.worker.begun) == 2


# -- frames


def test_frames_are_dealt_with_in_order_and_given_back(place: Place) -> None:
    place.open()

    for _ in range(5):  # more frames than there are slots
        place.rig.publish(16)
        place.step(2)

    assert place.worker.frames == list(range(80))


def test_a_worker_looks_at_its_link_between_two_batches(place: Place) -> None:
    place.open()
    place.rig.publish(BATCH + 3)

    place.step()
    place.desk.order(Discard())
    place.step()

    assert place.worker.frames == list(range(BATCH))
    assert place.worker.skipped == {"undrained": 3}


def test_a_worker_with_frames_granted_never_waits_though_its_counter_is_read(
    place: Place,
) -> None:
    place.open()
    place.rig.publish(3 * BATCH)
    place.step()
    ready = place.worker.feed.fileno()
    with pytest.raises(BlockingIOError):
        os.eventfd_read(ready)

    place.step(2)  # would hang here

    assert place.worker.handled == 3 * BATCH


CAUSES = st.sampled_from(["", "", "filtered", "disk_full"])


@settings(max_examples=30)
@given(st.lists(st.tuples(CAUSES, st.booleans()), max_size=30), st.integers(0, 40))
def test_what_is_handled_is_recorded_or_skipped_with_its_cause(
    frames: list[tuple[str, bool]], discard_at: int
) -> None:
    with closing(Place("main", 32)) as place:
        place.open()
        place.worker.causes = {n: cause for n, (cause, _) in enumerate(frames) if cause}
        for n, (_, steps) in enumerate(frames):
            place.rig.publish()
            if n == discard_at:
                place.desk.order(Discard())
            if steps:
                place.step()
        place.rig.end()
        while not place.desk.all_of(Drained):
            place.step()

        report = place.report()
        assert report.handled == report.recorded + sum(report.skipped.values())
        assert report.handled == len(frames)
        assert report.numbers["seen"] == len(place.worker.frames)


def test_a_report_tells_causes_numbers_and_lags_of_one_instant(place: Place) -> None:
    place.open()
    place.worker.causes = {1: "filtered"}
    place.rig.publish(3)

    place.step()

    report = place.report()
    assert (report.session, report.handled, report.recorded) == ("s1", 3, 2)
    assert report.skipped == {"filtered": 1}
    assert report.numbers["seen"] == 3
    assert report.numbers["lag_ms"].keys() == {"p50", "p99"}


def test_reports_do_not_come_faster_than_their_period(place: Place) -> None:
    place.open()

    for _ in range(10):
        place.rig.publish()
        place.step()

    assert len(place.desk.all_of(Report)) < 10


# -- the end


def test_a_worker_that_has_drained_says_so_once_after_its_last_report(
    place: Place,
) -> None:
    place.open()
    place.rig.publish(BATCH + 1)
    place.rig.end()

    place.step(2)
    place.desk.order(Discard())  # wakes it
    place.step()

    assert place.desk.hear()[-2:] == [place.report(), Drained("s1")]
    assert place.report().handled == BATCH + 1
    assert place.worker.finished == 1


def test_stop_now_leaves_what_was_not_read_as_undrained(place: Place) -> None:
    place.open()
    place.rig.publish(3)
    place.step()
    place.rig.publish(20)
    place.rig.end()
    place.desk.order(Discard())

    while not place.desk.all_of(Drained):
        place.step()

    assert place.report().skipped == {"undrained": 20}
    assert place.worker.frames == [0, 1, 2]


def test_a_stream_without_a_ring_is_drained_at_once(place: Place) -> None:
    place.desk.order(SESSION)
    place.desk.order(End(0, 0))

    place.step()

    assert place.desk.all_of(Drained) == [Drained("s1")]
    assert place.worker.begun == []


def test_a_worker_leaves_when_the_supervisor_is_gone(place: Place) -> None:
    place.open()

    place.desk.link.close()
    place.step()

    assert place.worker.leaving


# -- epochs and processes


def test_a_stream_goes_on_over_a_restart_of_its_producer(place: Place) -> None:
    place.open()
    place.rig.publish(3)
    place.rig.kill_producer()
    place.rig.begin()
    place.rig.publish(2)

    place.step()

    assert place.worker.frames == [0, 1, 2, 3, 4]
    assert place.desk.all_of(LeftEpoch) == [LeftEpoch(0)]
    assert len(place.worker.begun) == 1


def test_every_epoch_that_is_left_is_told_even_empty_ones(place: Place) -> None:
    place.open()
    for _ in range(3):
        place.rig.kill_producer()
        place.rig.begin()
    place.rig.publish()

    place.step()

    assert place.desk.all_of(LeftEpoch) == [LeftEpoch(0), LeftEpoch(1), LeftEpoch(2)]
    assert place.worker.frames == [0]


def test_a_process_that_comes_in_a_later_epoch_begins_as_well(place: Place) -> None:
    place.rig.keep(MAIN)
    place.rig.make_ring()
    place.rig.kill_producer()  # before it could start

    place.desk.order(SESSION)
    place.rig.begin()
    place.rig.publish(2)
    place.step()

    assert place.worker.begun == [SPEC]
    assert place.worker.frames == [0, 1]


def test_frames_that_an_earlier_process_dealt_with_are_only_given_back(
    place: Place,
) -> None:
    place.open(OpenSession("s1", 0, resume=True, counts={"handled": 3}))
    place.rig.publish(5)

    place.step()

    assert place.worker.frames == [3, 4]
    assert (place.worker.handled, place.worker.recorded) == (5, 5)


def test_what_never_reached_a_worker_is_behind(blobs: Place) -> None:
    blobs.open()
    blobs.rig.publish()
    blobs.step()
    blobs.rig.read("main")
    blobs.rig.publish(2)
    blobs.rig.read("main")
    blobs.rig.publish()  # evicts it, and seats it anew
    blobs.rig.read("main")
    blobs.rig.publish()

    blobs.step(2)

    assert blobs.worker.frames == [0, 3, 4]
    assert blobs.worker.skipped == {"behind": 2}


def test_a_frame_that_is_evicted_while_it_is_copied_is_behind(blobs: Place) -> None:
    def lose(frame: Frame) -> str:
        blobs.worker.frames.append(frame.info.index)
        if frame.info.index == 1:
            blobs.rig.publish(2)
            blobs.rig.read("main")
            blobs.rig.publish()  # has no slot but those of this reader
        blobs.worker.feed.copy(frame)
        return ""

    blobs.open()
    blobs.worker.handle = lose  # type: ignore[method-assign]
    blobs.rig.publish()
    blobs.step()
    blobs.rig.read("main")
    blobs.rig.publish()
    blobs.rig.read("main")
    blobs.step()
    blobs.rig.read("main")
    blobs.rig.publish()
    blobs.rig.end()
    while not blobs.desk.all_of(Drained):
        blobs.step()

    report, published = blobs.report(), blobs.rig.writer.ledger.next_index
    assert 1 in blobs.worker.frames
    assert report.handled == published
    assert report.recorded + report.skipped["behind"] == published


def test_a_worker_that_was_evicted_does_not_begin_again(blobs: Place) -> None:
    blobs.open()
    blobs.rig.publish(2)
    blobs.rig.read("main")
    blobs.rig.publish()
    with pytest.raises(Evicted):
        blobs.worker.feed.take()
    blobs.worker.feed.leave()

    blobs.step()

    assert blobs.rig.to("blobs").count("Enter") == 2
    assert len(blobs.worker.begun) == 1


def test_who_reads_the_newest_counts_the_rest_as_behind() -> None:
    with closing(Place("motion", 8)) as motion:
        motion.open()
        motion.rig.publish(5)
        motion.step()
        motion.rig.publish(2)
        motion.rig.end()
        while not motion.desk.all_of(Drained):
            motion.step()

        assert motion.worker.frames == [4, 6]
        assert motion.report().skipped == {"behind": 5}
        assert motion.report().handled == 7


def test_a_place_that_begins_again_in_the_same_epoch_takes_descriptors_of_its_own(
    blobs: Place,
) -> None:
    blobs.open()
    before = open_fds()

    for _ in range(3):
        blobs.rig.publish(2)
        blobs.rig.read("main")
        blobs.rig.publish()
        blobs.rig.read("main")
        blobs.step()
        blobs.worker.serve_link()

    assert len(blobs.rig.orders("blobs", Enter)) == 4
    assert open_fds() == before


# -- lags


def test_percentiles_are_in_milliseconds() -> None:
    lags = deque(n * 1_000_000 for n in range(100, 0, -1))

    assert percentiles(lags) == {"p50": 51.0, "p99": 100.0}
    assert percentiles(deque()) == {}
