"""`imagectl events` and `top`: what comes over the telemetry."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from imagemp.ctl.exits import Exit

from .conftest import COMMAND, Imagectl, Terminal
from .fake_daemon import METRICS, STATUS, FakeDaemon

GAP = {"name": "gap", "details": {"frames": 2}}


class Followed:
    """A command in a process of its own, its lines read one by one."""

    def __init__(self, tmp_path: Path, *words: str) -> None:
        command = [*COMMAND, *words, "--runtime-dir", str(tmp_path)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603

    def line(self) -> str:
        """Give the next line."""
        out: IO[bytes] | None = self.process.stdout
        assert out is not None
        return out.readline().decode()

    def __enter__(self) -> "Followed":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def test_events_prints_the_last_of_each_pipeline_and_leaves(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.publish("event.cam0", {"name": "older"})
    daemon.publish("event.cam0", GAP)
    daemon.publish("event.cam1", {"name": "other"})

    assert imagectl("events") == Exit.OK

    first, second = sorted(capsys.readouterr().out.splitlines(), key=lambda s: s[13:])
    assert first.endswith(" cam0: gap frames=2")
    assert second.endswith(" cam1: other")


def test_events_of_one_pipeline_are_asked_for_by_its_name(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.publish("event.cam0", GAP)
    daemon.publish("event.cam1", {"name": "other"})

    imagectl("events", "cam1", "--json")

    item = json.loads(capsys.readouterr().out)
    assert (item["topic"], item["body"]["name"]) == ("event.cam1", "other")


def test_events_follow_goes_on_over_a_restart_of_the_daemon(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as first:
        first.publish("event.cam0", GAP)
        followed = Followed(tmp_path, "events", "-f", "--json")
        lines = [followed.line()]
        first.publish("event.cam0", {"name": "more"})
        lines.append(followed.line())
    with followed, FakeDaemon(tmp_path, "i-2") as second:
        second.publish("event.cam0", {"name": "again"})
        lines.append(followed.line())

    names = [json.loads(line)["body"]["name"] for line in lines]
    assert names == ["gap", "more", "again"]


def test_top_once_shows_all_that_a_report_tells(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    daemon.publish("metrics.cam0", METRICS)

    assert imagectl("top", "--once") == Exit.OK

    told = capsys.readouterr().out
    for text in (
        "imagempd is running", "29.9 of 30.0 fps", "3 (ring_full 3)",
        "2 (sensor_gap 2)", "3/32 (max 12)", "0/64 (max 5)", "p50 0.4 ms  p99 2.5 ms",
        "9.2 MB/s", "1.0 GiB", "16.0 GiB free, 1:05:00 left", "12.5 %",
        "skipped 2 (behind 2)", "durable 90, 6 behind (180 ms)",
        "p50 0.41 ms  p99 2.75 ms  errors 1  over budget 3",
    ):  # fmt: skip
        assert text in told


def test_top_once_with_json_is_one_document(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.publish("metrics.cam0", METRICS)

    imagectl("top", "--once", "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["state"] == STATUS
    assert told["metrics"]["cam0"]["fps"] == 29.9
    assert told["metrics"]["cam0"]["encoders"]["main"]["durable_lag_ms"] == 180.4
    assert told["metrics"]["cam0"]["callbacks"]["motion"]["over_budget"] == 3


def test_top_bears_a_daemon_that_says_next_to_nothing(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["status"] = {"pipelines": {"cam0": {"session": "s"}}}
    daemon.publish("metrics.cam0", {"encoders": {"main": {}}, "workers": [{}]})

    assert imagectl("top", "--once") == Exit.OK
    assert "cam0" in capsys.readouterr().out


def test_top_with_json_is_a_line_for_each_message(
    tmp_path: Path, daemon: FakeDaemon
) -> None:
    daemon.publish("state", STATUS)

    with Followed(tmp_path, "top", "--json") as followed:
        state = json.loads(followed.line())
        daemon.publish("hb", {})
        daemon.publish("metrics.cam0", METRICS)
        metrics = json.loads(followed.line())

    assert (state["topic"], metrics["topic"]) == ("state", "metrics.cam0")


def test_top_says_that_the_daemon_is_gone_and_shows_the_next_one(
    tmp_path: Path, at_terminal: Callable[..., Terminal]
) -> None:
    with FakeDaemon(tmp_path) as first:
        first.publish("state", STATUS)
        terminal = at_terminal("top")
        terminal.wait_for("imagempd is running")
    terminal.wait_for("imagempd is gone")
    with FakeDaemon(tmp_path, "i-2") as second:
        second.publish("state", {**STATUS, "state": "degraded"})
        terminal.wait_for("imagempd is degraded")

    terminal.press_ctrl_c()
    assert terminal.left_with() == Exit.INTERRUPTED
