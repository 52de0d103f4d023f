"""Whatever befalls a receiver or the daemon, the recording loses nothing by it.

And the receiver is told: each frame it was promised comes once, or it is evicted.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.receiver import Receiver
from tests.daemon.test_recording import (
    begin,
    check_agreement,
    listening,
    wait_for,
)
from tests.running import Daemon, running

from .outside import (
    RawGuest,
    captured,
    finish,
    is_readable,
    open_files,
    outside,
    stop,
    take_all,
    used,
)

SOON_S = 10.0
NO_OVERFLOW = ("ring.overflow=none", "ring.slots=64")
CONFIG = """
[telemetry]
rate_hz = 10

[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
ring = { slots = 256, overflow = "memory", overflow_size = "8 MB" }
encoder = {}
"""
GATED = CONFIG.replace('"synthetic"', '"{folder}/gated.py:Gated"')
GATED_PY = """
from pathlib import Path

from imagemp.daemon.sources.synthetic import SyntheticSource


class Gated(SyntheticSource):
    def open(self):
        if self.first_seq:  # in a successor: wait until the other end is opened
            Path(__file__).with_name("gate").open().close()
        return super().open()
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("daemon"), CONFIG) as started:
        yield started


def close(_: "subprocess.Popen[bytes]", frames: Receiver) -> None:
    frames.close()


def be_killed(process: "subprocess.Popen[bytes]", _: Receiver) -> None:
    process.kill()


@pytest.mark.parametrize("leave", [close, be_killed])
def test_who_leaves_gives_back_its_slots(
    daemon: Daemon, leave: "Callable[[subprocess.Popen[bytes], Receiver], None]"
) -> None:
    with (
        Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames,
        outside(daemon, "every") as process,
    ):
        if leave is close:
            process.kill()
        else:
            frames.close()
            process.send_signal(signal.SIGSTOP)
        begin(daemon, "ring.slots=1000")
        used(daemon, lambda n: n > 50)
        leave(process, frames)
        used(daemon, lambda n: n < 20)
        stop(daemon)

    assert check_agreement(daemon).counts.dropped == {}


def test_the_context_manager_leaves_as_well(daemon: Daemon) -> None:
    begin(daemon)
    pid = daemon.pid("capture")
    before = open_files(pid)
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        assert frames.receive(SOON_S) is not None
        within = open_files(pid)
    used(daemon, lambda n: n < 20)
    after = open_files(pid)
    stop(daemon)

    assert (within, after) == (before + 3, before)


# ---- who dies elsewhere


def test_a_killed_capture_costs_a_receiver_no_frame(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        begin(daemon)
        found = [frames.receive(SOON_S)]
        daemon.signal("capture", signal.SIGKILL)
        seqs = [f.info.seq for f in found if f is not None]
        while len(seqs) < 100:
            frame = frames.receive(SOON_S)
            assert frame is not None
            assert read_seq(frame.image) == frame.info.seq
            seqs.append(frame.info.seq)
        stop(daemon)
        seqs += take_all(frames)

    assert seqs == check_agreement(daemon).seqs


def test_a_receiver_sleeps_while_capture_is_away(tmp_path: Path) -> None:
    (tmp_path / "gated.py").write_text(GATED_PY)
    os.mkfifo(tmp_path / "gate")
    with (
        running(tmp_path, GATED) as daemon,
        listening(daemon, "event.cam0") as telemetry,
        Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames,
    ):
        begin(daemon, "source.fps=50")
        first = frames.receive(SOON_S)
        captured(daemon, 10)  # more than it takes
        daemon.signal("capture", signal.SIGKILL)
        wait_for(telemetry, "event.cam0", lambda m: m["name"] == "worker_died")
        daemon.pipeline()  # who is answered now: the receiver was told of the end
        rest = list(iter(lambda: frames.receive(0), None))
        is_woken = is_readable(frames)
        (tmp_path / "gate").open("w").close()
        after = frames.receive(SOON_S)
        stop(daemon)

    assert first is not None
    assert len(rest) >= 9
    assert not is_woken
    assert after is not None


def test_follow_goes_on_in_the_next_session(daemon: Daemon) -> None:
    with Receiver("cam0", "every", follow=True, runtime_dir=daemon.runtime) as frames:
        sessions, seqs = [], []
        for _ in range(3):
            sessions.append(begin(daemon, frames=20))
            finish(daemon, sessions[-1])
        for _, frame in zip(range(60), frames, strict=False):
            seqs.append((frames.session, frame.info.seq))

    assert seqs == [(session, n) for session in sessions for n in range(20)]


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.system)]
)
def test_follow_goes_on_when_the_daemon_is_back(
    tmp_path: Path, number: signal.Signals
) -> None:
    first = Daemon(tmp_path, CONFIG)
    with Receiver("cam0", "every", follow=True, runtime_dir=first.runtime) as frames:
        begin(first, frames=10**6)
        before = frames.receive(SOON_S)
        first.process.send_signal(number)
        first.process.wait()
        while frames.receive(0) is not None:  # what it had published is still there
            pass
        is_woken = is_readable(frames)
        first.stop()
        (tmp_path / "notify").unlink()
        with running(tmp_path, CONFIG) as second:
            session = begin(second)
            seqs = [f.info.seq for _, f in zip(range(10), frames, strict=False)]

    assert before is not None
    assert not is_woken
    assert frames.session == session
    assert seqs == list(range(seqs[0], seqs[0] + 10))


@pytest.mark.parametrize("at", [None, 3600.0], ids=["running", "waiting"])
def test_without_follow_a_killed_daemon_is_the_end(
    tmp_path: Path, at: float | None
) -> None:
    daemon = Daemon(tmp_path, CONFIG)
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        begin(daemon, at=at and time.time() + at, force=True)
        daemon.process.kill()
        daemon.process.wait()
        seqs = [frame.info.seq for frame in frames]
    daemon.stop()

    assert seqs == list(range(len(seqs)))
    assert bool(seqs) == (at is None)


def test_a_session_that_never_began_ends(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        begin(daemon, at=time.time() + 3600, force=True)
        stop(daemon)

        assert frames.receive(0.5) is None
        assert frames.is_over


# ---- what it asks for more than once


@pytest.mark.parametrize(
    ("asks", "told"),
    [
        (lambda session, place: (session, place), "Enter"),
        (lambda session, place: (session, place - 1), "End"),  # the place before
        (lambda _, place: ("yesterday", place), "End"),
    ],
    ids=["here", "elsewhere", "long ago"],
)
def test_who_asks_again_before_the_daemon_knows_why_is_attached(
    daemon: Daemon, asks: Callable[[str, int], tuple[str, int]], told: str
) -> None:
    with RawGuest(daemon.runtime) as guest:
        guest.ask()
        session = begin(daemon, *NO_OVERFLOW)
        first = [guest.hear() for _ in range(3)]
        guest.ask_again(*asks(session, first[-1]["place"]))
        captured(daemon, 80)  # more than there are slots: it is evicted
        stop(daemon)
        then = guest.hear()["order"]

    assert [heard["order"] for heard in first] == ["Admitted", "Begin", "Enter"]
    assert then == told


def test_to_ask_again_unasked_costs_the_daemon_nothing(daemon: Daemon) -> None:
    with RawGuest(daemon.runtime) as guest:
        guest.ask()
        session = begin(daemon)
        while guest.hear()["order"] != "Enter":
            pass
        pids = [daemon.process.pid, daemon.pid("capture")]
        before = [open_files(pid) for pid in pids]
        for _ in range(50):
            guest.ask_again(session, 0)
        captured(daemon, 50)
        after = [open_files(pid) for pid in pids]
        stop(daemon)
        select.select([guest.sock], [], [], SOON_S)

    assert after == before
