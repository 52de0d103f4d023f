"""What is told of callbacks: how long they take, what they raise, what they skip."""

from pathlib import Path
from typing import Any

import pytest

from tests.running import Daemon, running

from .test_recording import listening, wait_for

FRAMES = 12
CODE = """
import logging
import time
from imagemp import Callback

class Slow(Callback):
    def set_up(self, settings):
        self.calls = 0

    def before_frame(self, info):
        return info.seq != 3

    def process(self, frame):
        self.calls += 1
        self.send(len(self.buffer))
        time.sleep(0.02 if self.calls % 2 else 0)

    def tear_down(self):
        logging.getLogger("cb_logger").info("%d calls", self.calls)

class NoEnd(Callback):
    def tear_down(self):
        raise ValueError("no disk")
"""
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0.source]
kind = "synthetic"
width = 64
height = 48
fps = 100
[pipelines.cam0.encoder]
keep_free = "0"
[[pipelines.cam0.callbacks]]
name = "slow"
target = "mine.py:Slow"
policy = "every"
buffer_length = 4
full_buffer = true
budget_ms = 15
"""


def recorded(daemon: Daemon) -> tuple[Any, Any]:
    """Run a session; give its counts, and the last report."""
    with listening(daemon, "metrics.cam0 ") as telemetry:
        done = daemon.call("session.start", frames=FRAMES, wait="done")
        (session,) = done["sessions"]
        report = wait_for(
            telemetry,
            "metrics.cam0",
            lambda m: m["session"] == session["session"] and m["state"] == "complete",
        )
    return session["counts"], report


@pytest.mark.parametrize("inline", ["", "inline = true\n"], ids=["own", "inline"])
def test_the_reports_tell_how_a_callback_fares(tmp_path: Path, inline: str) -> None:
    (tmp_path / "mine.py").write_text(CODE)

    with running(tmp_path, CONFIG + inline) as daemon:
        counts, report = recorded(daemon)
        events = daemon.manifest().events
        log = daemon.log.read_text()

    numbers = report["callbacks"]["slow"]
    delivered = FRAMES - 1  # but for the one that it did not want
    calls = delivered - 3  # the buffer was not full before
    line = counts["callbacks"]["slow"]
    assert (line["delivered"], line["skipped"]) == (delivered, {"filtered": 1})
    assert numbers["sent"] + numbers["unsent"] == calls
    assert numbers["over_budget"] >= calls // 2
    assert numbers["took_ms"]["p99"] >= 20
    assert numbers["errors"] == 0
    (over,) = [event for event in events if event["name"] == "over_budget"]
    assert (over["callback"], over["budget_ms"]) == ("slow", 15)
    assert over["took_ms"] > 15
    assert log.count("over_budget") == 1


def test_what_a_callback_raises_is_a_number_an_event_and_a_traceback(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    config = CONFIG.replace("mine.py:Slow", "mine.py:NoEnd") + "inline = true\n"

    with running(tmp_path, config) as daemon:
        _, report = recorded(daemon)
        events = daemon.manifest().events
        log = daemon.log.read_text()

    (error,) = [event for event in events if event["name"] == "callback_error"]
    assert error["message"] == "ValueError: no disk"
    assert report["callbacks"]["slow"]["errors"] == 1
    assert log.count('raise ValueError("no disk")') == 1


def test_what_a_callback_logs_is_in_the_log_of_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)

    with running(tmp_path, CONFIG) as daemon:
        recorded(daemon)
        daemon.stop()
        log = daemon.log.read_text()

    calls = FRAMES - 1 - 3  # one was not wanted, three were before the buffer was full
    assert f"{calls} calls" in log
