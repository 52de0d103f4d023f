"""`imagectl start`: what it asks for, how it stays, and how it leaves."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from imagemp.ctl.exits import Exit
from imagemp.errors import ControlError

from .conftest import Imagectl, Terminal
from .fake_daemon import BEGUN, ENDED, METRICS, SESSION, FakeDaemon

PLAIN = {"pipelines": [], "wait": "first"}
OPTIONS: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["cam0", "cam1"], {"pipelines": ["cam0", "cam1"]}),
    (["--duration", "60"], {"duration_s": 60.0}),
    (["--duration", "60s"], {"duration_s": 60.0}),
    (["--duration", "1.5m"], {"duration_s": 90.0}),
    (["--duration", "1h"], {"duration_s": 3600.0}),
    (["--frames", "100"], {"frames": 100}),
    (["--at", "2999-01-01T10:30:00+00:00"], {"at": "2999-01-01T10:30:00+00:00"}),
    (
        ["--at", "2999-01-01T10:30Z", "--force"],
        {"at": "2999-01-01T10:30:00+00:00", "force": True},
    ),
    (
        ["-o", "source.fps=10", "-o", "ring.slots=4"],
        {"overrides": ["source.fps=10", "ring.slots=4"]},
    ),
    (["--in", "5m"], {"overrides": ["schedule.start_in_s=300.0"]}),
    (["--no-wait"], {"wait": "none"}),
]
INCOMPLETE = {**ENDED, "state": "incomplete", "reason": "disk_full"}


@pytest.mark.parametrize(("words", "asked"), OPTIONS)
def test_each_option_of_start_changes_what_is_asked(
    daemon: FakeDaemon, imagectl: Imagectl, words: list[str], asked: dict[str, Any]
) -> None:
    assert imagectl("start", *words) == Exit.OK

    assert daemon.asked_for("session.start") == {**PLAIN, **asked}


@pytest.mark.parametrize("duration", ["-1", "x", "5d", "1e9", "", "nan", "٣"])
def test_a_duration_that_is_none_is_refused_before_anything_is_sent(
    daemon: FakeDaemon, imagectl: Imagectl, duration: str
) -> None:
    assert imagectl("start", f"--duration={duration}") == Exit.USAGE

    assert not daemon.asked


@pytest.mark.usefixtures("daemon")
def test_start_prints_the_session_and_where_it_lies(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("start")

    out = capsys.readouterr().out
    assert out == f"cam0: started {SESSION}\n  {BEGUN['dir']}\n"


def test_start_says_what_the_camera_does_otherwise_than_asked(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "frames are 100x50: 101x51, rounded down to even numbers"
    daemon.answers["session.start"] = {"sessions": [{**BEGUN, "notes": [note]}]}

    imagectl("start")

    assert capsys.readouterr().out.endswith(f"\n  note: {note}\n")


@pytest.mark.usefixtures("daemon")
def test_start_json_is_the_daemons_document(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("start", "--json")

    assert json.loads(capsys.readouterr().out) == {"sessions": [BEGUN]}


def test_each_start_has_a_name_so_that_it_may_be_sent_again(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    imagectl("start")
    imagectl("start")

    first, second = (request["idem"] for request in daemon.asked)
    assert first
    assert first != second


def test_wait_waits_for_the_very_session_and_shows_the_accounting(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagectl("start", "--wait") == Exit.OK

    assert daemon.asked_for("session.start")["wait"] == "first"
    assert daemon.asked_for("session.wait") == {"session": SESSION}
    assert "dropped 3 (ring_full 3), missed 2 (sensor_gap 2)" in capsys.readouterr().out


def test_the_exit_code_of_wait_is_the_sessions(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["session.wait"] = {"sessions": [INCOMPLETE]}

    assert imagectl("start", "--wait") == Exit.FAILED
    assert "is incomplete (disk_full)" in capsys.readouterr().out


def test_a_session_that_is_refused_is_not_one_that_failed(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    daemon.answers["session.start"] = ControlError("E_ALREADY_RUNNING", "cam0 runs")

    assert imagectl("start", "--wait") == Exit.CONFLICT


def test_a_daemon_that_dies_while_one_waits_has_accepted_then_failed(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    def die(_: object) -> None:
        daemon.die()

    daemon.answers["session.wait"] = die

    assert imagectl("start", "--wait") == Exit.FAILED
    assert "accepted, then lost" in capsys.readouterr().err


def test_wait_into_a_file_tells_a_line_every_ten_seconds(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(_: object) -> dict[str, Any]:
        for elapsed_s in (0.5, 1.0, 9.9, 10.6, 12.0):
            daemon.publish_now("metrics.cam0", {**METRICS, "elapsed_s": elapsed_s})
        return {"sessions": [ENDED]}

    daemon.answers["session.wait"] = end

    imagectl("start", "--wait")

    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "cam0: 0:00 of 5:00",
        "cam0: 0:10 of 5:00",
    ]
    assert "29.9 of 30.0 fps" in lines[0]


def test_wait_with_json_prints_the_end_and_nothing_else(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(_: object) -> dict[str, Any]:
        daemon.publish_now("metrics.cam0", METRICS)
        return {"sessions": [ENDED]}

    daemon.answers["session.wait"] = end

    imagectl("start", "--wait", "--json")

    told = capsys.readouterr()
    assert json.loads(told.out) == {"sessions": [ENDED]}
    assert told.err == ""


def test_follow_prints_events_and_reports_of_its_own_pipelines(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(_: object) -> dict[str, Any]:
        daemon.publish_now("event.cam1", {"name": "not_ours"})
        daemon.publish_now("event.cam0", {"name": "gap", "details": {"frames": 2}})
        daemon.publish_now("metrics.cam0", METRICS)
        return {"sessions": [ENDED]}

    daemon.answers["session.wait"] = end

    assert imagectl("start", "--follow") == Exit.OK

    out = capsys.readouterr().out
    assert "cam0: gap frames=2" in out
    assert "cam0: 1:05 of 5:00, 100 frames" in out
    assert "not_ours" not in out


def test_follow_with_json_is_one_line_an_item(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(_: object) -> dict[str, Any]:
        daemon.publish_now("event.cam0", {"name": "gap"})
        return {"sessions": [ENDED]}

    daemon.answers["session.wait"] = end

    imagectl("start", "--follow", "--json")

    begun, event, ended = map(json.loads, capsys.readouterr().out.splitlines())
    assert begun == {"sessions": [BEGUN]}
    assert (event["topic"], event["body"]["name"]) == ("event.cam0", "gap")
    assert ended == {"sessions": [ENDED]}


def test_what_was_published_before_the_start_is_not_shown(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.publish("event.cam0", {"name": "long_ago", "t_mono_ns": 1})

    imagectl("start", "--follow")

    assert "long_ago" not in capsys.readouterr().out


def test_a_terminal_gets_a_bar_with_frames_rate_losses_and_time_left(
    daemon: FakeDaemon, at_terminal: Callable[..., Terminal]
) -> None:
    def report(_: object) -> None:
        daemon.publish_now("metrics.cam0", METRICS)

    daemon.answers["session.wait"] = report

    terminal = at_terminal("start", "--wait")

    terminal.wait_for("3:55 left")
    assert "100 frames  29.9 of 30.0 fps  3 dropped" in terminal.shown


def test_ctrl_c_detaches_and_says_that_the_session_goes_on(
    daemon: FakeDaemon, at_terminal: Callable[..., Terminal]
) -> None:
    terminal: list[Terminal] = []

    def interrupt(_: object) -> None:
        terminal[0].press_ctrl_c()

    daemon.answers["session.wait"] = interrupt

    terminal.append(at_terminal("start", "--wait"))

    assert terminal[0].left_with() == Exit.INTERRUPTED
    assert "the session goes on, `imagectl stop cam0` ends it" in terminal[0].shown
    assert "session.stop" not in [request["method"] for request in daemon.asked]


def test_ctrl_c_before_the_first_frame_says_that_it_may_have_started(
    daemon: FakeDaemon, at_terminal: Callable[..., Terminal]
) -> None:
    terminal: list[Terminal] = []

    def interrupt(_: object) -> None:
        terminal[0].press_ctrl_c()

    daemon.answers["session.start"] = interrupt

    terminal.append(at_terminal("start"))

    assert terminal[0].left_with() == Exit.INTERRUPTED
    assert "a session may have started, see `imagectl status`" in terminal[0].shown
