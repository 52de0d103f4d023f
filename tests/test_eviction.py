"""Who is slow loses its place, is told so, and costs the recording nothing."""

import os
import signal
from collections.abc import Iterator

import pytest

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import Evicted
from imagemp.receiver import Receiver
from tests.daemon.test_recording import begin, check_agreement
from tests.running import Daemon, running

from .outside import captured, finish, open_files, outside, said, stop, take_all

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


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("daemon"), CONFIG) as started:
        yield started


def test_who_lags_is_evicted_told_so_and_goes_on(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        begin(daemon, *NO_OVERFLOW)
        held = frames.receive(SOON_S)
        assert held is not None
        captured(daemon, 80)
        with pytest.raises(Evicted, match="too far behind"):
            held.copy()
        with pytest.raises(Evicted):
            frames.receive(SOON_S)
        seqs = [read_seq(f.image) for _, f in zip(range(20), frames, strict=False)]
        stop(daemon)

    assert held.is_whole is False
    assert frames.evictions == 1
    assert seqs == list(range(seqs[0], seqs[0] + 20))
    assert seqs[0] >= 64


def test_latest_goes_on_after_an_eviction_without_a_word(daemon: Daemon) -> None:
    with Receiver("cam0", "latest", runtime_dir=daemon.runtime) as frames:
        begin(daemon, "ring.overflow=none", "ring.slots=2")
        seqs = [frame.info.seq for _, frame in zip(range(50), frames, strict=False)]
        stop(daemon)

    assert seqs == sorted(set(seqs))
    assert len(seqs) == 50


def test_the_event_names_who_was_evicted_and_how_far_behind(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        begin(daemon, *NO_OVERFLOW)
        frames.receive(SOON_S)
        captured(daemon, 80)
        stop(daemon)

    events = check_agreement(daemon).manifest.events
    (told,) = [event for event in events if event["name"] == "evicted"]
    assert f"-pid-{os.getpid()}-uid-{os.getuid()}" in told["reader"]
    assert 8 < told["behind"] <= 64


@pytest.mark.parametrize(("allowance", "is_evicted"), [(8, True), (65535, False)])
def test_outside_allowance_says_how_far_one_may_lag(
    daemon: Daemon, allowance: int, is_evicted: bool
) -> None:
    asked = [f"ring.outside_allowance={allowance}", "ring.slots=64"]
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, *asked, frames=100)
        assert frames.receive(SOON_S) is not None
        finish(daemon, session)
        seqs = take_all(frames)
    left = check_agreement(daemon)

    assert left.counts.dropped == {}
    assert bool(frames.evictions) == is_evicted
    assert seqs == ([] if is_evicted else list(range(1, 100)))


@pytest.mark.parametrize("policy", ["every", "latest"])
@pytest.mark.parametrize(
    "frames", [100, pytest.param(1000, marks=pytest.mark.system)], ids=str
)
def test_who_stands_still_costs_the_recording_nothing(
    daemon: Daemon, policy: str, frames: int
) -> None:
    with outside(daemon, policy, "follow") as receiver:
        begin(daemon, *NO_OVERFLOW)
        assert said(receiver) == "first"
        receiver.send_signal(signal.SIGSTOP)
        captured(daemon, frames)
        receiver.send_signal(signal.SIGCONT)
        stop(daemon)
    left = check_agreement(daemon)

    assert left.counts.dropped == {}
    assert left.seqs == list(range(left.counts.captured))


@pytest.mark.parametrize("waits", [True, False])
def test_who_was_evicted_hears_of_the_end(daemon: Daemon, waits: bool) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, *NO_OVERFLOW, frames=100)
        assert frames.receive(SOON_S) is not None
        if waits:
            finish(daemon, session)
        else:
            captured(daemon, 80)
            stop(daemon)
        with pytest.raises(Evicted):
            frames.receive(SOON_S)

        assert frames.receive(SOON_S) is None
        assert frames.is_over


def test_who_reads_nothing_for_many_sessions_is_let_go(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        files = open_files(daemon.process.pid)
        for _ in range(30):
            finish(daemon, begin(daemon, "ring.slots=4", frames=1))

        assert open_files(daemon.process.pid) == files - 1
        assert [frame.info.seq for frame in frames] == [0]
