"""Every worker, struck in every state by every end: the law holds, and it works again.

After each the pages, the rows and the pixels are compared with the accounts, and one
more session is recorded without a loss. The gateway has a table of its own.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from imagemp.recording.manifest import read_manifest
from tests.running import Daemon, running

from .test_faults import METRICS, captured, config, ring, wait_gone
from .test_recording import (
    accounts,
    begin,
    check_agreement,
    listening,
    newest,
    record,
    wait_for,
    what_is_left,
)

pytestmark = pytest.mark.system

LONG_S = 60.0
FROZEN_S = 0.3
USER_CODE = """
import os
from pathlib import Path
from typing import Any

from imagemp.callback import Callback
from imagemp.daemon.sources.synthetic import SyntheticSource

HERE = Path(__file__).parent


def leave_if_told(who):
    '''Exit with 0, unasked, once: nobody can have a process do that from outside.'''
    told = HERE / f"leave-{who}"
    if told.exists():
        told.unlink()
        os._exit(0)


class Apart(Callback):
    def set_up(self, settings):
        self.who = settings["who"]
        leave_if_told(f"{self.who}-starting")

    def process(self, frame):
        leave_if_told(f"{self.who}-running")

    def tear_down(self):
        leave_if_told(f"{self.who}-stopping")


class Camera(SyntheticSource):
    def open(self):
        leave_if_told("capture-starting")
        return super().open()

    def grab(self, wake):
        leave_if_told("capture-running")
        return super().grab(wake)

    def close(self):
        leave_if_told("capture-stopping")
        super().close()
"""
CALLBACKS = """
[[pipelines.cam0.callbacks]]
name = "apart"
target = "{folder}/mine.py:Apart"
policy = "every"
settings = {{ who = "apart" }}
[[pipelines.cam0.callbacks]]
name = "inside"
target = "{folder}/mine.py:Apart"
inline = true
settings = {{ who = "main" }}
"""
ENDS = {"kill": signal.SIGKILL, "segv": signal.SIGSEGV, "stop": signal.SIGSTOP}
ROWS = [
    (worker, state, end)
    for worker in ("capture", "main", "apart")
    for state in ("idle", "starting", "running", "stopping")
    for end in (*ENDS, "exit 0")
    if (state, end) != ("idle", "exit 0")  # none of the user's code runs then
]


@contextmanager
def daemon_in(folder: Path) -> Iterator[Daemon]:
    """Run a daemon whose every worker has code in it that may leave."""
    folder.mkdir()
    (folder / "mine.py").write_text(USER_CODE)
    kind = '"{folder}/mine.py:Camera"'
    toml = config(ring() + CALLBACKS).replace('"synthetic"', kind)
    with running(folder, toml.replace("{{", "{").replace("}}", "}")) as daemon:
        yield daemon


class Blow:
    """One end of one worker."""

    def __init__(self, daemon: Daemon, worker: str, state: str, end: str) -> None:
        self.daemon, self.pid, self.end = daemon, daemon.pid(worker), end
        self._flag = daemon.folder / f"leave-{worker}-{state}"

    def prepare(self) -> None:
        """Have it leave by itself when it gets there."""
        if self.end == "exit 0":
            self._flag.touch()

    def strike(self) -> None:
        """Strike it from outside; what is only frozen goes on after a while."""
        if self.end in ENDS:
            send(self.pid, ENDS[self.end])
        if self.end == "stop":
            time.sleep(FROZEN_S)
        send(self.pid, signal.SIGCONT)


def send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def while_idle(daemon: Daemon, blow: Blow) -> None:
    blow.strike()
    while_nothing_happens(daemon)


def while_starting(daemon: Daemon, blow: Blow) -> None:
    blow.prepare()
    begin(daemon, wait="none")
    blow.strike()
    daemon.call("session.wait", until="first", timeout_s=LONG_S)
    daemon.call("session.stop")


def while_running(daemon: Daemon, blow: Blow) -> None:
    with listening(daemon, METRICS) as telemetry:
        session = begin(daemon)
        told = wait_for(telemetry, METRICS, captured(30, session))
        blow.prepare()
        blow.strike()
        enough = told["counts"]["captured"] + 100
        wait_for(telemetry, METRICS, captured(enough, session), LONG_S)
    daemon.call("session.stop")


def while_stopping(daemon: Daemon, blow: Blow) -> None:
    encoder = daemon.pid("main")
    while_nothing_happens(daemon)
    send(encoder, signal.SIGSTOP)  # so that stopping takes as long as this does
    stopping = threading.Thread(target=daemon.call, args=("session.stop",))
    stopping.start()
    while daemon.pipeline()["state"] != "stopping":
        time.sleep(0.01)
    blow.prepare()
    blow.strike()
    send(encoder, signal.SIGCONT)
    stopping.join()


def while_nothing_happens(daemon: Daemon) -> None:
    """Have a session on with some frames in it."""
    with listening(daemon, METRICS) as telemetry:
        session = begin(daemon)
        wait_for(telemetry, METRICS, captured(30, session), LONG_S)


MOMENTS: dict[str, Callable[[Daemon, Blow], None]] = {
    "idle": while_idle,
    "starting": while_starting,
    "running": while_running,
    "stopping": while_stopping,
}


def check_the_law(daemon: Daemon) -> None:
    """Frames that were captured and are not in the pages have a cause."""
    left = check_agreement(daemon)
    main = left.counts.encoders["main"]
    lost = sum(left.counts.dropped.values()) + sum(main.skipped.values())
    assert left.counts.captured - len(left.seqs) == lost


@pytest.mark.parametrize(("worker", "state", "end"), ROWS)
def test_a_worker_that_is_struck_costs_what_is_counted(
    tmp_path: Path, worker: str, state: str, end: str
) -> None:
    with daemon_in(tmp_path / "d") as daemon:
        if state != "idle":
            record(daemon, frames=5)  # then all have been at work
        blow = Blow(daemon, worker, state, end)

        MOMENTS[state](daemon, blow)
        if state == "idle":
            daemon.call("session.stop")
        check_the_law(daemon)
        left = what_is_left(daemon)
        again = record(daemon, frames=20)
        seqs = check_agreement(daemon).seqs

    if worker != "capture":
        assert left.seqs == list(range(left.counts.captured))
    assert again["state"] == "complete"
    assert seqs == list(range(20))


# -- the daemon itself


def lives_on(folder: Path) -> None:
    """A daemon in the folder of one that is gone mends what it left, and works."""
    (folder / "notify").unlink(missing_ok=True)
    with running(folder, config(ring())) as successor:
        successor.wait_for_recovery()
        states = [
            read_manifest(path).state
            for path in (folder / "data").glob("cam0/*")
            if (path / "session.json").exists()
        ]
        assert record(successor, frames=10)["state"] == "complete"
        check_the_law(successor)
    assert set(states) <= {"complete", "incomplete"}


@pytest.mark.parametrize("seed", range(20))
def test_sigterm_at_any_moment_twice_in_a_row_ends_it_cleanly(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same moments each time
    folder = tmp_path / "d"
    folder.mkdir()
    daemon = Daemon(folder, config(ring()))
    if seed % 4:
        begin(daemon, wait=chance.choice(["none", "first"]))
    time.sleep(chance.random() * 0.4)

    daemon.process.send_signal(signal.SIGTERM)
    time.sleep(chance.random() * 0.1)
    with suppress(ProcessLookupError):
        daemon.process.send_signal(signal.SIGTERM)

    assert daemon.stop() == 0
    if any((folder / "data").glob("cam0/*/*.tif")):
        left = what_is_left(daemon)
        main = left.counts.encoders["main"]
        lost = sum(left.counts.dropped.values()) + sum(main.skipped.values())
        assert left.counts.broken() == []
        assert left.counts.captured - len(left.seqs) == lost
        assert [int(row["seq"]) for row in left.rows] == left.seqs
    lives_on(folder)


def test_without_a_supervisor_all_but_the_encoder_go_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    daemon = Daemon(folder, config(ring()))
    with listening(daemon, METRICS) as telemetry:
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
    gateway = daemon.call("status")["gateway"]["pid"]
    others = [os.pidfd_open(pid) for pid in (gateway, daemon.pid("capture"))]
    main = daemon.pid("main")
    encoder = os.pidfd_open(main)
    session = newest(daemon)
    send(main, signal.SIGSTOP)  # it holds its lock

    daemon.process.kill()
    daemon.process.wait()

    assert wait_gone(others, 1.0)
    daemon.stop()
    (folder / "notify").unlink(missing_ok=True)
    with running(folder, config(ring())) as successor:
        successor.wait_for_recovery()
        assert read_manifest(session).state == "running"  # nobody touched it
        send(main, signal.SIGCONT)
        assert wait_gone([encoder], 10.0)
        left = read_manifest(session)
        recorded = accounts(left.counts | {}).encoders["main"].recorded
        assert left.state == "incomplete"
        assert sum(file.pages for file in left.files) == recorded > 0
        assert record(successor, frames=10)["state"] == "complete"


def test_a_callback_that_crashes_100_times_costs_no_recorded_frame(
    tmp_path: Path,
) -> None:
    with daemon_in(tmp_path / "d") as daemon:
        flag = daemon.folder / "leave-apart-running"
        begin(daemon)
        while restarts_of(daemon, "apart") < 100:
            flag.touch()
            if worker_of(daemon, "apart")["state"] in ("backoff", "fatal"):
                daemon.call("worker.restart", worker="apart")  # that forgives
        flag.unlink(missing_ok=True)
        result = daemon.call("session.stop")["sessions"][0]
        left = check_agreement(daemon)

    assert result["state"] == "complete"
    assert left.seqs == list(range(left.counts.captured))
    apart = left.counts.callbacks["apart"]
    assert apart.delivered + sum(apart.skipped.values()) == left.counts.published


def restarts_of(daemon: Daemon, worker: str) -> int:
    return int(worker_of(daemon, worker)["restarts"])


def worker_of(daemon: Daemon, worker: str) -> dict[str, Any]:
    found = (w for w in daemon.pipeline()["workers"] if w["name"] == worker)
    return dict(next(found))
