"""The law holds in every message of a session under stress, not only at its end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagemp.client import Telemetry
from tests.daemon.test_recording import accounts, begin, check_agreement, listening
from tests.running import Daemon, running

METRICS = "metrics.cam0"
UNTIL_S = 20.0

USER_CODE = """
import time

from imagemp.callback import Callback


class Slow(Callback):
    def process(self, frame):
        time.sleep(0.02)
        return frame


class Half(Callback):
    def process(self, frame):
        return frame if frame.info.seq % 2 else None
"""

CONFIG = """
[telemetry]
rate_hz = 10

[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 500 }
ring = { slots = 16, overflow = "memory", overflow_size = "1 MiB" }
encoder = {}

[[pipelines.cam0.callbacks]]
name = "slow"
target = "{folder}/mine.py:Slow"
policy = "every"

[[pipelines.cam0.callbacks]]
name = "newest"
target = "{folder}/mine.py:Slow"

[[pipelines.cam0.callbacks]]
name = "half"
target = "{folder}/mine.py:Half"
inline = true
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "mine.py").write_text(USER_CODE)
    with running(folder, CONFIG) as started:
        yield started


def reports(telemetry: Telemetry, session: str) -> Iterator[dict[str, Any]]:
    """Give the reports of a session, the last of them when it is complete."""
    while (message := telemetry.receive(UNTIL_S)) is not None:
        topic, body = message
        if topic != METRICS or body["session"] != session:
            continue
        yield body
        if body["state"] in ("complete", "incomplete"):
            return
    raise AssertionError(f"no report for {UNTIL_S} s")


def check_law(told: list[dict[str, Any]]) -> None:
    """Each report closes, nothing is negative, and what is counted only grows."""
    before = 0
    for report in told:
        counts = accounts(report["counts"])
        assert counts.broken() == [], report
        in_flight = [reader.in_flight for reader in counts.encoders.values()]
        in_flight += [reader.in_flight for reader in counts.callbacks.values()]
        assert min(counts.staged, *in_flight) >= 0, report
        assert counts.captured >= before
        before = counts.captured


@pytest.mark.parametrize(
    "recorded", ["source", pytest.param("half", marks=pytest.mark.system)]
)
def test_every_report_of_a_stressed_session_closes(
    daemon: Daemon, recorded: str
) -> None:
    asked = [f"encoder.input=callback:{recorded}"] if recorded != "source" else []
    workers = ["main", "slow", "capture", "newest"]
    pids = {worker: daemon.pid(worker) for worker in workers}
    told = []
    with listening(daemon, METRICS) as telemetry:
        session = begin(daemon, *asked, duration_s=4)
        for n, report in enumerate(reports(telemetry, session)):
            told.append(report)
            stress(pids, n)
    left = check_agreement(daemon, timed=False)

    assert len(told) > 20
    check_law(told)
    assert sum(left.counts.dropped.values()) > 0
    assert left.counts.missed["capture_restart"] > 0


def stress(pids: dict[str, int], n: int) -> None:
    """Stop and kill: one thing at each of the first reports."""
    faults = {
        3: ("main", signal.SIGSTOP),
        12: ("main", signal.SIGCONT),
        14: ("slow", signal.SIGKILL),
        16: ("capture", signal.SIGKILL),
        20: ("main", signal.SIGKILL),
        22: ("newest", signal.SIGKILL),
    }
    if n in faults:
        worker, number = faults[n]
        os.kill(pids[worker], number)
