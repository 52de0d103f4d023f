"""The recovery worker: asks before it touches anything, and is in nobody's way."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from imagemp.daemon.workers.orders import (
    Event,
    Ready,
    Recover,
    Search,
    Told,
    ToSupervisor,
    Unended,
)
from imagemp.link import Link, pair
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import read_manifest, write_manifest
from tests.recording.sessions import SESSION, leave, note

WAIT_S = 90.0  # it runs when no other program wants to
COMMAND = (sys.executable, "-m", "imagemp.daemon.workers", "recovery")
IONICE = shutil.which("ionice")
T = TypeVar("T", bound=Told)


class Searcher:
    """A recovery process, and the supervisor's end of its link."""

    def __init__(self, data_dir: Path) -> None:
        ours, theirs = pair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own
                [*COMMAND, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
            )
        self.link: Link[Told] = Link(ours, ToSupervisor)
        self.expect(Ready)
        self.data_dir = data_dir

    def search(self) -> None:
        """Send it off."""
        assert self.link.send(Search(str(self.data_dir), "cam0"))

    def allow(self, go: bool = True) -> str:
        """Answer when it asks; give about which session it did."""
        session = self.expect(Unended).session
        assert self.link.send(Recover(session, go=go))
        return session

    def expect(self, kind: type[T]) -> T:
        """Give the next message, which must be of this kind."""
        assert select.select([self.link], [], [], WAIT_S)[0], f"no {kind.__name__}"
        received = self.link.receive()
        assert received is not None
        assert isinstance(received[0], kind), received[0]
        return received[0]

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.link.close()


@pytest.fixture
def searcher(tmp_path: Path) -> Iterator[Searcher]:
    made = Searcher(tmp_path)
    yield made
    made.close()


def session(data_dir: Path, name: str = SESSION) -> Path:
    """Leave a session that nobody ended, under a name."""
    folder = leave(data_dir, range(5))
    manifest = note(folder)
    manifest.session = name
    write_manifest(folder, manifest)
    return folder.rename(folder.with_name(name))


def test_a_session_that_may_be_repaired_is(tmp_path: Path, searcher: Searcher) -> None:
    folder = session(tmp_path)

    searcher.search()

    assert searcher.allow() == SESSION
    event = searcher.expect(Event)
    assert event.name == "recovered"
    assert event.details["encoders"]["main"]["frames"] == 5
    assert searcher.process.wait(WAIT_S) == 0
    assert read_manifest(folder).state == "recovered"


def test_a_session_that_is_on_is_left_alone(tmp_path: Path, searcher: Searcher) -> None:
    folder = session(tmp_path)

    searcher.search()
    searcher.allow(go=False)

    assert searcher.process.wait(WAIT_S) == 0
    assert read_manifest(folder).state == "running"


@pytest.mark.parametrize("state", ["complete", "incomplete", "recovered"])
def test_a_session_that_was_ended_is_not_asked_about(
    tmp_path: Path, searcher: Searcher, state: str
) -> None:
    folder = session(tmp_path)
    note(folder, state)  # type: ignore[arg-type]

    searcher.search()

    assert searcher.process.wait(WAIT_S) == 0


def test_who_still_writes_is_waited_for_after_all_others(
    tmp_path: Path, searcher: Searcher
) -> None:
    first, second = session(tmp_path, "1"), session(tmp_path, "2")
    with SessionFolder.open(first):
        searcher.search()
        assert searcher.allow() == "1"
        assert searcher.allow() == "2"
        assert searcher.expect(Event).details["session"] == "2"
        assert read_manifest(first).state == "running"

    assert searcher.allow() == "1"
    assert searcher.expect(Event).name == "recovered"
    assert read_manifest(second).state == "recovered"


def test_one_that_cannot_be_repaired_does_not_stop_it(
    tmp_path: Path, searcher: Searcher
) -> None:
    (session(tmp_path, "1") / "session.json").write_text('{"state": "of later"}')
    (session(tmp_path, "2") / "frames-0001.tif").mkdir()
    session(tmp_path, "3")

    searcher.search()
    told = []
    for _ in range(3):
        searcher.allow()
        told.append(searcher.expect(Event))

    names = [event.name for event in told]
    assert names == ["not_recovered", "not_recovered", "recovered"]
    assert "session.json" in told[0].details["message"]
    assert "Is a directory" in told[1].details["message"]
    assert searcher.process.wait(WAIT_S) == 0


def test_it_runs_when_nobody_else_wants_to(searcher: Searcher) -> None:
    pid = searcher.process.pid

    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    if IONICE is not None:
        told = subprocess.check_output([IONICE, "-p", str(pid)], text=True)  # noqa: S603
        assert told.split() in (["idle"], ["none:", "prio", "0"])
