"""The callback worker: user code on copies of frames, and a ring of what it returns."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from imagemp.daemon.workers.callback import CallbackWorker
from imagemp.daemon.workers.orders import (
    Drained,
    Ended,
    Event,
    Failed,
    LetGo,
    Opened,
    OpenSession,
    Prepare,
    Report,
    RingMade,
)
from imagemp.errors import Evicted

from ..keeper import BLOBS, MAIN, MOTION, Rig, open_fds
from .desk import Desk, dup

CODE = """
from imagemp.callback import Callback

class Look(Callback):
    starts = 0
    def set_up(self, settings):
        Look.starts += 1
    def process(self, frame):
        pass

class Odd(Callback):
    def before_frame(self, info):
        return info.seq % 2 == 1

class Broken(Callback):
    def process(self, frame):
        raise ValueError("no blob")

class Negative(Callback):
    def process(self, frame):
        return 255 - frame.image
"""


class Place:
    """A callback that reads one ring, and perhaps fills another.

    Attributes:
        source: The ring it reads.
        returned: The ring of what it returns, read by an encoder.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "user.py"
        self.file.write_text(CODE)
        self.desk = Desk(CallbackWorker)
        self.source, self.returned = Rig(), Rig()
        self.returned.links["capture"] = self.desk.link

    def open(self, name: str, reader: str = "motion", *, slots: int = 8) -> None:
        """Begin a session and its first epoch."""
        self.source.links[reader] = self.desk.link
        plan = {"motion": MOTION, "blobs": BLOBS, "main": MAIN}[reader]
        self.source.keep(plan)
        config = {"name": "c", "target": f"{self.file}:{name}", "buffer_length": 2}
        self.desk.order(OpenSession("s1", 0, config=config))
        self.desk.worker.serve_link()
        self.source.begin(slots)

    def prepare(self) -> None:
        """Want a ring of what it returns."""
        self.returned.keep(MAIN)
        self.desk.order(Prepare("s1", 0, 0, 0, {}, {"slots": 8}))

    def close(self) -> None:
        """Close everything."""
        self.desk.close()
        self.source.close()
        self.returned.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with closing(Place(tmp_path)) as made:
        yield made


def test_frames_are_delivered_and_counted(place: Place) -> None:
    place.open("Look", "main")
    place.source.publish(3)
    place.source.end()

    place.desk.worker.step()

    assert place.desk.all_of(Opened) == [Opened("s1")]
    report = place.desk.all_of(Report)[-1]
    assert (report.handled, report.recorded) == (3, 3)
    assert place.desk.all_of(Drained)


def test_a_frame_that_is_not_wanted_is_filtered(place: Place) -> None:
    place.open("Odd", "main")
    place.source.publish(5)
    place.source.end()

    place.desk.worker.step()

    report = place.desk.all_of(Report)[-1]
    assert (report.recorded, report.skipped) == (2, {"filtered": 3})


def test_what_the_users_code_raises_is_told_and_counted_and_ends_the_process(
    place: Place,
) -> None:
    place.open("Broken", "main")
    place.source.publish(2)

    with pytest.raises(ValueError, match="no blob"):
        place.desk.worker.step()

    (event,) = place.desk.all_of(Event)
    assert event.name == "callback_error"
    assert event.details["message"] == "ValueError: no blob"
    assert place.desk.all_of(Report)[-1].numbers["errors"] == 1


def test_a_callback_that_cannot_be_loaded_says_why(place: Place) -> None:
    place.open("Nobody")

    (failed,) = place.desk.all_of(Failed)

    assert "has no Nobody" in failed.message
    assert place.desk.all_of(Opened) == []


def test_a_callback_that_has_drained_holds_no_ring(place: Place) -> None:
    before = open_fds()
    place.open("Look", "main")
    place.source.publish(2)
    place.source.end()
    place.desk.worker.step()

    place.source.close()

    assert open_fds() == before


def test_a_frame_that_was_overwritten_never_reaches_the_users_code(
    place: Place,
) -> None:
    place.open("Look", "blobs", slots=1)
    place.source.publish()
    worker = place.desk.worker
    worker.serve_link()
    frame = worker.feed.take()
    assert frame is not None

    place.source.publish()  # it stood in the way

    with pytest.raises(Evicted):
        worker.handle(frame)


def test_what_a_callback_returns_is_read_from_a_ring_of_its_own(place: Place) -> None:
    place.open("Negative", "main")
    place.prepare()

    with place.desk.running():
        place.source.publish(3)
        made = place.desk.expect(RingMade)
        place.returned.keeper.made(made, dup(place.desk.fds))
        place.returned.keeper.go()
        place.source.end()
        ended = place.desk.expect(Ended)
        place.returned.keeper.ended(ended.index)

        assert place.returned.read("main") == [0, 1, 2]
        assert place.returned.feeds["main"].is_finished


def test_a_callback_without_a_frame_ends_its_ring_without_making_it(
    place: Place,
) -> None:
    place.open("Negative", "main")
    place.prepare()
    place.source.end()

    place.desk.worker.step()

    assert place.desk.all_of(RingMade) == []
    (ended,) = place.desk.all_of(Ended)
    assert ended.index == 0


def test_a_session_that_is_over_while_a_ring_is_made_leaves_the_callback_free(
    place: Place,
) -> None:
    place.open("Negative", "main")
    place.prepare()
    with place.desk.running():
        place.source.publish()
        place.desk.expect(RingMade)

        place.desk.order(LetGo())  # in place of Start
        place.source.end()

        assert place.desk.expect(Drained).session == "s1"


def test_what_a_dead_callback_had_published_is_read_and_its_successor_goes_on(
    place: Place,
) -> None:
    place.open("Negative", "main")
    place.prepare()
    with place.desk.running():
        place.source.publish(2)
        made = place.desk.expect(RingMade)
        place.returned.keeper.made(made, dup(place.desk.fds))
        place.returned.keeper.go()
        place.source.end()
        place.desk.expect(Ended)  # and it dies before that is heard
    place.returned.keeper.producer_died(last=False)
    assert place.returned.read("main") == [0, 1]
    assert place.returned.keeper.next_epoch[:3] == (1, 2, 2)

    place.returned.keeper.ended(2)  # its successor had nothing more to return

    assert place.returned.feeds["main"].is_finished
