"""The capture worker: each frame is published or counted, and orders are heard.

The link, the ring, its readers and the supervisor's keeper are real; the camera
gives a frame when the test says so.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import msgspec
import pytest

from imagemp.daemon.pipeline import ReaderPlan
from imagemp.daemon.sources.base import BadFrameError, EndOfSource, Grab
from imagemp.daemon.workers.capture import Capture
from imagemp.daemon.workers.orders import (
    Adopted,
    Ended,
    Failed,
    FirstFrame,
    LetGo,
    Prepare,
    RingMade,
    Stop,
    Trigger,
)
from imagemp.errors import SourceError
from imagemp.frames import Frame

from ..keeper import GUEST, MAIN, Rig, open_fds
from .camera import DEAF, KIND, HandCamera
from .desk import WAIT_S, Desk, dup

SECOND_NS = 1_000_000_000


class Studio:
    """A capture worker that runs, with a camera in the test's hand."""

    def __init__(self) -> None:
        self.desk, self.rig = Desk(Capture), Rig()
        self.rig.links["capture"] = self.desk.link

    def prepare(self, kind: str = KIND, **fields: Any) -> None:  # noqa: ANN401 - of Prepare
        """Have the source opened and the ring made."""
        epoch, seq, index, t_last = self.rig.keeper.next_epoch
        ring = fields.pop("ring", {"slots": 8})
        settings = {"kind": kind}
        order = Prepare("s1", epoch, seq, index, settings, ring, t_last_ns=t_last)
        self.desk.order(msgspec.structs.replace(order, **fields))

    def begin(
        self,
        *readers: ReaderPlan,
        kind: str = KIND,
        **fields: Any,  # noqa: ANN401 - of Prepare
    ) -> HandCamera:
        """Begin a session with these readers; give the camera."""
        if readers:
            self.rig.keep(*readers)
        self.prepare(kind, **fields)
        made = self.desk.expect(RingMade)
        self.rig.keeper.made(made, dup(self.desk.fds))
        self.rig.keeper.go()
        return HandCamera.made[-1]

    def take(self, n: int, worker: str = "main") -> list[Frame]:
        """Wait for this many frames; give copies, and give them back."""
        feed, found = self.rig.feeds[worker], list[Frame]()
        while len(found) < n:
            if (frame := feed.take()) is not None:
                found.append(frame.copy())
                feed.release(frame)
                continue
            assert select.select([feed], [], [], WAIT_S)[0], f"{len(found)} frames"
        return found

    def ended(self) -> Ended:
        """Wait for the end, and let the readers know."""
        ended = self.desk.expect(Ended)
        self.rig.keeper.ended(ended.index)
        return ended

    def dropped(self) -> dict[str, int]:
        """Give what was dropped so far, by cause."""
        return dict(self.rig.keeper.totals().dropped)

    def close(self) -> None:
        """Close everything."""
        self.desk.close()
        self.rig.close()


@pytest.fixture
def studio() -> Iterator[Studio]:
    with closing(Studio()) as made, made.desk.running():
        yield made


def seqs(frames: list[Frame]) -> list[int]:
    """Give the seqs of frames whose pixels bear them out."""
    assert all((frame.image == frame.info.seq % 251).all() for frame in frames)
    return [frame.info.seq for frame in frames]


def until(holds: Callable[[], bool]) -> None:
    """Wait for what the other thread does within microseconds."""
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end
        os.sched_yield()


# -- a ring and its frames


def test_a_ring_is_made_for_what_the_source_gives(studio: Studio) -> None:
    studio.prepare()

    made = studio.desk.expect(RingMade)

    assert made.spec["planes"][0]["shape"] == [64]
    assert (made.session, made.epoch, made.fps) == ("s1", 0, 10.0)
    assert made.notes == ["by hand"]
    assert len(studio.desk.fds) == 1


def test_frames_come_as_the_camera_gives_them_with_its_times(studio: Studio) -> None:
    camera = studio.begin(MAIN)

    camera.give(Grab(5 * SECOND_NS, exposure_us=80.0, gain=2.0))
    camera.give(Grab(6 * SECOND_NS))

    first, second = studio.take(2)
    assert seqs([first, second]) == [0, 1]
    assert (first.info.t_sensor_ns, first.info.exposure_us) == (5 * SECOND_NS, 80.0)
    assert first.info.gain == 2.0
    assert second.info.t_arrival_ns > first.info.t_arrival_ns
    told = studio.desk.expect(FirstFrame)
    assert (told.t_sensor_ns, told.missed) == (5 * SECOND_NS, {})


def test_who_comes_while_the_camera_is_waited_for_gets_the_next_frame(
    studio: Studio,
) -> None:
    camera = studio.begin(MAIN)
    camera.give_frames(1)
    studio.take(1)

    studio.rig.keeper.join(GUEST)
    studio.rig.kill("main")
    studio.rig.revive("main")
    studio.desk.expect(Adopted)  # heard in the middle of a grab
    camera.give_frames(1)

    assert seqs(studio.take(1, "guest")) == [1]
    assert seqs(studio.take(1)) == [1]


def test_frames_that_the_sensor_made_and_we_missed_are_counted(studio: Studio) -> None:
    camera = studio.begin(MAIN)

    camera.give(Grab(1), Grab(2, missed=3))

    assert [frame.info.missed_before for frame in studio.take(2)] == [0, 3]
    assert studio.rig.keeper.totals().missed == {"sensor_gap": 3}


def test_frames_missed_while_there_was_no_capture_are_told_by_the_clock(
    studio: Studio,
) -> None:
    studio.begin(MAIN).give_frames(1)
    studio.take(1)
    studio.rig.keeper.producer_died(last=False)

    studio.begin().give(Grab(2 * SECOND_NS))  # ten periods later

    (frame,) = studio.take(1)
    assert (frame.info.seq, frame.info.missed_before) == (1, 9)
    assert studio.rig.keeper.totals().missed == {"capture_restart": 9}
    assert studio.desk.expect(FirstFrame).missed == {"capture_restart": 9}


# -- no slot


def test_a_frame_that_finds_no_slot_is_dropped_and_its_seq_is_used(
    studio: Studio,
) -> None:
    camera = studio.begin(MAIN, ring={"slots": 2})
    camera.give_frames(4)
    camera.give(EndOfSource())
    studio.ended()
    assert studio.dropped() == {"ring_full": 2}
    assert seqs(studio.take(2)) == [0, 1]


def test_who_may_wait_loses_nothing(studio: Studio) -> None:
    camera = studio.begin(MAIN, ring={"slots": 2, "when_full": "wait"})

    camera.give_frames(20)
    camera.give(EndOfSource())

    assert seqs(studio.take(20)) == list(range(20))
    assert studio.ended().index == 20
    assert studio.dropped() == {}


def test_who_waits_for_a_slot_hears_that_its_reader_is_gone(studio: Studio) -> None:
    camera = studio.begin(MAIN, ring={"slots": 2, "when_full": "wait"})
    camera.give_frames(6)
    camera.give(EndOfSource())
    wait_for_the_last_slot(studio, 2)

    studio.rig.keeper.reader_gone("main")

    assert studio.ended().index == 6


def test_who_waits_for_a_slot_hears_of_the_successor_who_has_them_all(
    studio: Studio,
) -> None:
    camera = studio.begin(MAIN, ring={"slots": 2, "when_full": "wait"})
    camera.give_frames(6)
    camera.give(EndOfSource())
    wait_for_the_last_slot(studio, 2)

    studio.rig.kill("main")
    studio.rig.revive("main")

    assert seqs(studio.take(6)) == list(range(6))
    assert studio.ended().index == 6


def test_who_waits_for_a_slot_can_be_stopped(studio: Studio) -> None:
    camera = studio.begin(MAIN, ring={"slots": 2, "when_full": "wait"})
    camera.give_frames(5)
    wait_for_the_last_slot(studio, 2)

    studio.desk.order(Stop())
    studio.rig.keeper.reader_gone("main")

    ended = studio.ended()
    assert (ended.reason, ended.index) == ("stopped", 3)


def test_a_ring_that_is_let_go_while_a_slot_is_waited_for_does_no_harm(
    studio: Studio,
) -> None:
    camera = studio.begin(MAIN, ring={"slots": 2, "when_full": "wait"})
    camera.give_frames(5)
    wait_for_the_last_slot(studio, 2)

    studio.desk.order(LetGo())
    studio.rig.keeper.close()
    studio.rig.feeds["main"].clear()
    studio.begin(MAIN).give_frames(1)

    assert len(studio.take(1)) == 1
    assert camera.closed


def wait_for_the_last_slot(studio: Studio, slots: int) -> None:
    """Wait until the ring is full and one more frame has been grabbed."""
    feed = studio.rig.feeds["main"]
    for _ in range(slots):
        while feed.take() is None:
            assert select.select([feed], [], [], WAIT_S)[0]
    until(lambda: studio.rig.keeper.totals().captured > slots)


def test_what_is_queued_for_overflow_is_published_before_the_end(
    studio: Studio,
) -> None:
    ring = {"slots": 4, "overflow": "memory", "overflow_nbytes": 64 * 4096}
    camera = studio.begin(MAIN, ring=ring)
    camera.give_frames(40)
    camera.give(EndOfSource())

    ended = studio.ended()

    totals = studio.rig.keeper.totals()
    assert (totals.captured, totals.staged) == (40, 0)
    assert ended.index == totals.published == 40 - totals.dropped.total()
    assert len(studio.take(ended.index)) == ended.index
    assert totals.dropped.keys() <= {"overflow_slow"}


def test_what_is_stored_while_the_camera_is_waited_for_is_published_at_once(
    studio: Studio,
) -> None:
    camera = studio.begin(MAIN, ring=SPILLING)

    with slow_spill(studio) as permits:
        camera.give_frames(4)
        until(lambda: studio.rig.keeper.totals().staged == 1)
        permits.release()

        assert seqs(studio.take(4)) == [0, 1, 2, 3]


def test_the_end_waits_for_what_is_being_stored(studio: Studio) -> None:
    camera = studio.begin(MAIN, ring=SPILLING)

    with slow_spill(studio) as permits:
        camera.give_frames(4)
        camera.give(EndOfSource())
        until(lambda: not studio.desk.worker.running)
        for _ in range(2):  # once it answers again it has been through its loop
            studio.rig.kill("main")
            studio.rig.revive("main")
            studio.desk.expect(Adopted)
        assert studio.desk.all_of(Ended) == []
        permits.release()

        assert studio.ended().index == 4
        assert seqs(studio.take(4)) == [0, 1, 2, 3]


SPILLING = {"slots": 4, "overflow": "memory", "overflow_nbytes": 64 * 4096}


@contextmanager
def slow_spill(studio: Studio) -> Iterator[threading.Semaphore]:
    """Have each frame stored only when the test permits it."""
    writer = studio.desk.worker.output.writer
    assert writer is not None
    assert writer.spill is not None
    store, permits = writer.spill._store, threading.Semaphore(0)

    def later(slot: int, to: int) -> None:
        permits.acquire()
        store(slot, to)

    writer.spill._store = later
    try:
        yield permits
    finally:
        permits.release(100)


# -- the end


@pytest.mark.parametrize(
    ("limits", "reason", "index"),
    [
        ({"frames": 3}, "frames", 3),
        ({"duration_s": 0.35}, "duration", 4),
        ({"duration_s": 0.35, "t_first_ns": SECOND_NS - 1}, "duration", 4),
    ],
)
def test_a_session_ends_by_its_limits(
    studio: Studio, limits: dict[str, Any], reason: str, index: int
) -> None:
    studio.begin(MAIN, limits=limits).give_frames(10)

    ended = studio.ended()

    assert (ended.reason, ended.index, ended.retry) == (reason, index, False)
    assert len(studio.take(index)) == index


def test_a_stop_is_heard_while_the_camera_is_waited_for(studio: Studio) -> None:
    camera = studio.begin(MAIN)
    camera.give_frames(2)
    studio.take(2)

    studio.desk.order(Stop())

    assert (studio.ended().reason, camera.closed) == ("stopped", 0)
    studio.desk.order(LetGo())
    studio.prepare()
    studio.desk.expect(RingMade)
    assert camera.closed


def test_a_source_that_is_over_says_so_and_is_not_tried_again(studio: Studio) -> None:
    camera = studio.begin(MAIN)
    camera.give_frames(1)
    camera.give(EndOfSource())

    ended = studio.ended()

    assert (ended.reason, ended.index, ended.retry) == ("end_of_source", 1, False)


@pytest.mark.parametrize(("kind", "retry"), [(KIND, True), (DEAF, False)])
def test_a_camera_that_fails_is_tried_again_by_a_new_process_a_file_is_not(
    studio: Studio, kind: str, retry: bool
) -> None:
    camera = studio.begin(MAIN, kind=kind)
    camera.give_frames(1)
    camera.give(SourceError("unplugged", "plug it in"))

    ended = studio.desk.expect(Ended)

    assert (ended.reason, ended.message, ended.index) == ("failed", "unplugged", 1)
    assert (ended.hint, ended.retry) == ("plug it in", retry)


def test_a_frame_that_cannot_be_fetched_is_dropped_as_the_cameras_error(
    studio: Studio,
) -> None:
    camera = studio.begin(MAIN, kind=DEAF)
    camera.fails.extend([None, SourceError("half a frame")])
    camera.give_frames(2)

    ended = studio.ended()

    assert (ended.message, ended.index) == ("half a frame", 1)
    assert studio.dropped() == {"camera_error": 1}
    assert studio.rig.keeper.totals().captured == 2


def test_a_damaged_frame_is_dropped_and_the_camera_goes_on(studio: Studio) -> None:
    camera = studio.begin(MAIN)
    camera.fails.extend([BadFrameError("torn"), None, BadFrameError("torn")])
    camera.give_frames(4)

    found = studio.take(2)

    assert studio.desk.expect(FirstFrame).t_sensor_ns == SECOND_NS
    assert seqs(found) == [1, 3]
    assert studio.dropped() == {"camera_error": 2}
    assert studio.rig.keeper.totals().captured == 4


def test_orders_are_heard_after_the_end(studio: Studio) -> None:
    camera = studio.begin(MAIN)
    camera.give_frames(2)
    camera.give(EndOfSource())
    studio.ended()

    studio.rig.kill("main")
    studio.rig.revive("main")

    studio.desk.expect(Adopted)
    assert seqs(studio.take(2)) == [0, 1]


# -- what is wanted


def test_only_triggered_frames_are_taken_and_the_others_are_not_captured(
    studio: Studio,
) -> None:
    camera = studio.begin(MAIN, schedule={"trigger": True})
    camera.give_frames(3, 10**18)
    until(lambda: studio.rig.keeper.totals().not_wanted == 3)

    studio.desk.order(Trigger(2))
    until(lambda: not select.select([studio.desk.worker.link], [], [], 0)[0])
    camera.give_frames(4, 10**18 + SECOND_NS)

    assert seqs(studio.take(2)) == [0, 1]
    until(lambda: studio.rig.keeper.totals().not_wanted == 5)
    assert studio.rig.keeper.totals().captured == 2


def test_a_timetable_that_is_over_ends_the_session(studio: Studio) -> None:
    camera = studio.begin(MAIN, schedule={"times_s": [0.0]})

    camera.give_frames(3, 10**18)

    assert (studio.ended().reason, len(studio.take(1))) == ("timetable", 1)


# -- what cannot begin


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"settings": {"kind": "nonsense"}}, "E_CAMERA", "nonsense"),
        ({"settings": {"kind": KIND, "raises": 1}}, "E_CAMERA", "TypeError"),
        ({"ring": {"slots": 0}}, "E_RING", "ring.slots"),
        ({"schedule": {"times_s": [2.0, 1.0]}}, "E_CONFIG", "schedule"),
    ],
)
def test_what_cannot_begin_is_told_and_may_be_tried_again(
    studio: Studio, fields: dict[str, Any], code: str, said: str
) -> None:
    studio.prepare(**fields)

    failed = studio.desk.expect(Failed)

    assert failed.code == code
    assert said in failed.message
    studio.begin(MAIN).give_frames(1)
    assert len(studio.take(1)) == 1


def test_a_worker_that_leaves_closes_camera_and_ring() -> None:
    before = open_fds()

    with closing(Studio()) as studio, studio.desk.running():
        camera = studio.begin(MAIN)
        camera.give_frames(1)
        studio.take(1)
    del studio

    assert camera.closed
    assert [fd for fd in open_fds() if "memfd" in fd] == [
        fd for fd in before if "memfd" in fd
    ]


def test_a_worker_whose_supervisor_is_gone_leaves() -> None:
    with closing(Studio()) as studio:
        with studio.desk.running():
            studio.begin(MAIN)
            studio.desk.link.close()
        assert studio.desk.worker.leaving
