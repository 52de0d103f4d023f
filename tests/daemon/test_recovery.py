"""What a daemon before left incomplete is repaired by the next, in nobody's way."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from imagemp.client import Telemetry
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import read_manifest
from imagemp.recording.mend.verifying import verify
from tests.recording.sessions import SESSION, leave, note
from tests.running import Daemon

from .test_faults import METRICS, captured, wait_gone
from .test_recording import begin, listening, record, wait_for, what_is_left

EVENTS = "event.cam0"
IDLE_S = 60.0  # recovery runs when no other program wants to
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
ring = { slots = 64, overflow_size = "64 MiB" }
"""
ONE = CONFIG + "encoder = { segment_pages = 40 }\n"
TWO = (
    CONFIG + "[[pipelines.cam0.encoder]]\n[[pipelines.cam0.encoder]]\nname = 'spare'\n"
)

Starter = Callable[..., Daemon]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start daemons one after the other, over the same recordings."""
    with ExitStack() as stack:

        def started(toml: str = ONE) -> Daemon:
            (tmp_path / "notify").unlink(missing_ok=True)
            daemon = Daemon(tmp_path, toml)
            stack.callback(daemon.stop)
            return daemon

        yield started


def kill(daemon: Daemon, *workers: str) -> None:
    """Kill a daemon as a power cut would, and some of what might outlive it."""
    pids = [daemon.pid(worker) for worker in workers]
    daemon.process.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    daemon.process.wait()


def recovered(session: str) -> Callable[[dict[str, Any]], bool]:
    """Make a predicate of an event: this session is recovered."""
    return lambda m: m["name"] == "recovered" and m["details"]["session"] == session


def heard(daemon: Daemon, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait for an event; the last one is told to whoever comes late."""
    with Telemetry([EVENTS], daemon.runtime) as telemetry:
        return wait_for(telemetry, EVENTS, is_it, IDLE_S)


def held(daemon_folder: Path) -> Path:
    """Leave a session whose repair takes for ever: its frame log never opens."""
    folder = leave(daemon_folder / "data", range(5))
    note(folder)
    (folder / "frames.csv").unlink()
    os.mkfifo(folder / "frames.csv")
    return folder


def test_what_was_killed_with_its_supervisor_is_recovered(start: Starter) -> None:
    daemon = start()
    with listening(daemon, METRICS) as telemetry:
        session = begin(daemon)
        seen = wait_for(telemetry, METRICS, captured(100))
    kill(daemon, "main")

    daemon = start()
    event = heard(daemon, recovered(session))

    left = what_is_left(daemon)
    main = left.counts.encoders["main"]
    assert left.manifest.state == "recovered"
    assert left.counts.broken() == []
    assert left.seqs == [int(row["seq"]) for row in left.rows]
    assert left.seqs == list(range(main.recorded))
    assert main.recorded >= seen["counts"]["encoders"]["main"]["recorded"]
    assert event["details"]["encoders"]["main"]["frames"] == main.recorded
    assert verify(left.path).problems == []
    assert f"recovered pipeline=cam0 session={session} " in daemon.log.read_text()


def test_what_two_encoders_wrote_to_its_end_is_recovered(start: Starter) -> None:
    daemon = start(TWO)
    with listening(daemon, METRICS) as telemetry:
        session = begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
    kill(daemon)

    daemon = start(TWO)
    heard(daemon, recovered(session))

    left = {name: what_is_left(daemon, encoder=name) for name in ("main", "spare")}
    counts = left["main"].counts
    assert counts.broken() == []
    for name, found in left.items():
        line = counts.encoders[name]
        assert found.seqs == list(range(line.recorded))
        # One may leave just before the other sees a last frame; that is told.
        assert line.skipped.get("undrained", 0) == counts.published - line.recorded
    assert verify(left["main"].path).problems == []


def test_a_session_that_somebody_writes_is_left_alone(
    start: Starter, tmp_path: Path
) -> None:
    locked = leave(tmp_path / "data", range(5))
    note(locked)
    locked = locked.rename(locked.with_name("1"))
    note(leave(tmp_path / "data", range(5)))

    with SessionFolder.open(locked):
        heard(start(), recovered(SESSION))

        assert read_manifest(locked).state == "running"


def test_ready_and_recording_do_not_wait_for_a_recovery(
    start: Starter, tmp_path: Path
) -> None:
    folder = held(tmp_path)
    daemon = start()
    pid = daemon.recovery()
    assert pid is not None
    gone = os.pidfd_open(pid)

    result = record(daemon, frames=50)

    assert result["state"] == "complete"
    left = what_is_left(daemon)
    assert len(left.seqs) == 50
    assert verify(left.path).problems == verify(left.path).notes == []
    assert not wait_gone([gone], 0)
    assert read_manifest(folder).state == "running"
    assert daemon.stop() == 0
    assert wait_gone([gone], 5.0)


def test_a_recovery_dies_with_its_supervisor(start: Starter, tmp_path: Path) -> None:
    held(tmp_path)
    daemon = start()
    pid = daemon.recovery()
    assert pid is not None
    gone = os.pidfd_open(pid)

    kill(daemon)

    assert wait_gone([gone], 5.0)


def test_a_recovery_that_is_killed_is_told_of_and_hurts_nobody(
    start: Starter, tmp_path: Path
) -> None:
    held(tmp_path)
    daemon = start()
    pid = daemon.recovery()
    assert pid is not None
    gone = os.pidfd_open(pid)

    os.kill(pid, signal.SIGKILL)

    assert wait_gone([gone], 5.0)
    assert record(daemon, frames=20)["state"] == "complete"
    said = "recovery died, killed by SIGKILL pipeline=cam0\n"
    assert said in daemon.log.read_text()


def test_a_folder_that_cannot_be_repaired_hurts_nobody(
    start: Starter, tmp_path: Path
) -> None:
    folder = leave(tmp_path / "data", range(5))
    (folder / "session.json").write_text('{"state": "of later"}')

    daemon = start()
    event = heard(daemon, lambda m: m["name"] == "not_recovered")

    assert event["details"]["session"] == SESSION
    (line,) = re.findall(r"not_recovered: .*", daemon.log.read_text())
    assert line.endswith(f" pipeline=cam0 session={SESSION}")
    assert record(daemon, frames=20)["state"] == "complete"
