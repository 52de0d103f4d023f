"""Whoever stalls beside a recording, and for however long, costs it no frame."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagemp.client import Telemetry
from tests.daemon.test_recording import begin, check_agreement
from tests.running import Daemon, running

from .outside import finish, outside, said, stop

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

STALLED_S = 60.0
CODE = """
import time

def second(buffer, queue):
    time.sleep(1)
"""
CONFIG = """
[pipelines.cam0.source]
kind = "synthetic"
width = 160
height = 120
fps = 100
[pipelines.cam0.ring]
slots = 64
overflow = "none"
[pipelines.cam0.encoder]
keep_free = "0"
[[pipelines.cam0.callbacks]]
name = "all"
target = "mine.py:second"
policy = "every"
[[pipelines.cam0.callbacks]]
name = "newest"
target = "mine.py:second"
"""
HOLDER = """
import sys
from imagemp import Receiver

with Receiver("cam0", "every", runtime_dir=sys.argv[1]) as frames:
    print("in", flush=True)
    frame = frames.receive()
    print("holds", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(daemon: Daemon) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a receiver that keeps its first frame for ever."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", HOLDER, str(daemon.runtime)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    try:
        assert said(process) == "in"
        yield process
    finally:
        process.kill()
        process.communicate()


def pass_time(daemon: Daemon, seconds: float) -> None:
    """Wait until so much time has passed, by the daemon's own heartbeats."""
    until = time.monotonic() + seconds
    with Telemetry(["hb "], daemon.runtime) as telemetry:
        while time.monotonic() < until:
            assert telemetry.receive(10.0) is not None


def test_neither_viewer_nor_receiver_nor_callback_costs_a_recorded_frame(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    with (
        running(tmp_path, CONFIG) as daemon,
        outside(daemon, "latest") as viewer,
        outside(daemon, "every") as reader,
        holder(daemon) as killed,
        holder(daemon) as stopped,
    ):
        session = begin(daemon)
        assert [said(viewer), said(reader)] == ["first", "first"]
        assert [said(killed), said(stopped)] == ["holds", "holds"]

        killed.kill()
        for process in (viewer, reader, stopped):
            process.send_signal(signal.SIGSTOP)
        pass_time(daemon, STALLED_S)
        for process in (viewer, reader, stopped):
            process.send_signal(signal.SIGCONT)

        pass_time(daemon, 2.0)
        stop(daemon)
        finish(daemon, session)
        counts = check_agreement(daemon).counts
        seen = int(said(viewer))

    main = counts.encoders["main"]
    assert counts.captured > STALLED_S * 90
    assert (counts.dropped, main.skipped) == ({}, {})
    assert main.recorded == counts.captured
    assert counts.callbacks["newest"].delivered >= STALLED_S * 0.8
    assert set(counts.callbacks["all"].skipped) == {"behind"}
    assert seen > 50  # it went on: a second of frames came after it was continued
