"""The verbs that ask once and show the answer."""

import json
from typing import Any

import pytest

from imagemp.ctl.exits import Exit
from imagemp.errors import ControlError

from .conftest import Imagectl
from .fake_daemon import ENDED, FakeDaemon

ORDERS: list[tuple[str, str, dict[str, Any]]] = [
    ("stop", "session.stop", {"pipelines": [], "now": False}),
    ("stop cam0", "session.stop", {"pipelines": ["cam0"], "now": False}),
    ("stop --now", "session.stop", {"pipelines": [], "now": True}),
    ("wait", "session.wait", {"pipelines": []}),
    ("wait cam0", "session.wait", {"pipelines": ["cam0"]}),
    ("trigger", "trigger", {"pipelines": []}),
    ("trigger cam0 -n 3", "trigger", {"pipelines": ["cam0"], "n": 3}),
    ("record start", "record.start", {"pipelines": []}),
    ("record stop cam0", "record.stop", {"pipelines": ["cam0"]}),
    (
        "record start cam0 --encoder raw",
        "record.start",
        {"pipelines": ["cam0"], "encoder": "raw"},
    ),
    ("workers", "status", {}),
    ("workers ls", "status", {}),
    (
        "workers restart cam0.main",
        "worker.restart",
        {"pipeline": "cam0", "worker": "main"},
    ),
    (
        "workers restart gateway",
        "worker.restart",
        {"pipeline": "", "worker": "gateway"},
    ),
    (
        "workers restart motion",
        "worker.restart",
        {"pipeline": "cam0", "worker": "motion"},
    ),
    ("cameras", "camera.list", {}),
    (
        "set cam0 ExposureTime=5000 AeEnable=false Note=a=b",
        "camera.set",
        {
            "pipeline": "cam0",
            "controls": {"ExposureTime": 5000, "AeEnable": False, "Note": "a=b"},
        },
    ),
    (
        "set AnalogueGain=2.5",
        "camera.set",
        {"pipeline": "", "controls": {"AnalogueGain": 2.5}},
    ),
    ("config", "config.show", {}),
    ("config show", "config.show", {}),
    ("reload", "reload", {}),
    ("ping", "ping", {}),
    ("version", "version", {}),
]


@pytest.mark.parametrize(("line", "method", "params"), ORDERS)
def test_each_verb_sends_its_order(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    line: str,
    method: str,
    params: dict[str, Any],
) -> None:
    assert imagectl(*line.split()) == Exit.OK

    assert daemon.asked_for(method) == params


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{"x": [1, null]}', {"x": [1, None]}),
        ("3", 3),
        ("go on", "go on"),
        ("NaN", "NaN"),
    ],
)
def test_send_sends_json_where_it_is_json_and_text_where_not(
    daemon: FakeDaemon, imagectl: Imagectl, text: str, body: object
) -> None:
    assert imagectl("send", "motion", text, "--pipeline", "cam1") == Exit.OK

    sent = daemon.asked_for("callback.send")
    assert sent == {"pipeline": "cam1", "callback": "motion", "body": body}


def test_send_finds_the_pipeline_that_has_the_callback(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    imagectl("send", "motion", "{}")

    assert daemon.asked_for("callback.send")["pipeline"] == "cam0"


@pytest.mark.usefixtures("daemon")
def test_send_to_a_callback_that_could_be_anywhere_asks_for_the_pipeline(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagectl("send", "other", "{}") == Exit.USAGE

    assert "cam0, cam1\n  hint: name its pipeline" in capsys.readouterr().err


def test_send_without_any_pipeline_does_not_ask_for_one(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["status"] = {"pipelines": {}}

    assert imagectl("send", "other", "{}") == Exit.USAGE

    assert "no pipelines are configured" in capsys.readouterr().err


@pytest.mark.usefixtures("daemon")
def test_a_worker_that_several_pipelines_have_must_be_named_in_full(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagectl("workers", "restart", "capture") == Exit.USAGE

    assert "worker capture: cam0 and cam1 have one" in capsys.readouterr().err


@pytest.mark.usefixtures("daemon")
def test_stop_shows_where_every_frame_went(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("stop")

    out = capsys.readouterr().out
    assert "is complete (frames)" in out
    assert "captured 100, published 97, expected 102" in out
    assert "dropped 3 (ring_full 3), missed 2 (sensor_gap 2)" in out
    assert "encoder main: recorded 96, durable 90, skipped 0, in flight 1" in out
    assert "callback motion: delivered 95, skipped 2 (behind 2)" in out


def test_stop_with_nothing_running_says_so(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["session.stop"] = {"sessions": []}

    assert imagectl("stop") == Exit.OK
    assert capsys.readouterr().out == "no session was running\n"


def test_stop_has_no_deadline_because_a_disk_may_be_slow(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    imagectl("stop")

    assert not daemon.asked[0].get("deadline_ms")


def test_wait_that_times_out_leaves_with_6_and_says_that_sessions_run(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["session.wait"] = None

    assert imagectl("wait", "--timeout", "0.1") == Exit.TIMEOUT

    assert "sessions still run after 0.1 s" in capsys.readouterr().err
    assert daemon.asked[0]["deadline_ms"] == 100


def test_wait_for_a_session_that_is_not_complete_leaves_with_7(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    daemon.answers["session.wait"] = {"sessions": [{**ENDED, "state": "incomplete"}]}

    assert imagectl("wait") == Exit.FAILED


def test_wait_without_a_session_is_a_conflict(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    daemon.answers["session.wait"] = ControlError("E_NOT_RUNNING", "cam0 has none")

    assert imagectl("wait", "--timeout", "5") == Exit.CONFLICT


@pytest.mark.parametrize("n", ["0", "-1", "x"])
@pytest.mark.usefixtures("daemon")
def test_a_trigger_of_no_frames_is_a_usage_error(imagectl: Imagectl, n: str) -> None:
    assert imagectl("trigger", f"-n{n}") == Exit.USAGE


@pytest.mark.usefixtures("daemon")
def test_workers_lists_every_process_with_its_pipeline(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("workers")

    _, gateway, capture, motion, _ = capsys.readouterr().out.splitlines()
    assert gateway.split()[:4] == ["-", "gateway", "gateway", "5"]
    assert capture.split()[:5] == ["cam0", "capture", "capture", "6", "running"]
    assert motion.split()[4:] == ["backoff", "2", "2.0", "MiB", "0.0", "%"]


@pytest.mark.usefixtures("daemon")
def test_workers_json_is_one_document(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("workers", "--json")

    workers = json.loads(capsys.readouterr().out)["workers"]
    assert [w["pipeline"] for w in workers] == ["", "cam0", "cam0", "cam1"]


@pytest.mark.usefixtures("daemon")
def test_ping_says_how_fast_the_daemon_answers(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("ping")
    imagectl("ping", "--json")

    text, document = capsys.readouterr().out.splitlines()
    assert text.startswith("imagempd answers in ")
    assert json.loads(document)["took_ms"] > 0


@pytest.mark.usefixtures("daemon")
def test_version_tells_of_both_sides(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("version", "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["daemon"] == {"imagempd": "9.9"}
    assert told["client"]


def test_version_without_a_daemon_tells_of_the_client(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagectl("version") == Exit.NOT_RUNNING

    assert capsys.readouterr().out.startswith("client: ")


def test_config_show_prints_nested_settings_for_people(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["config.show"] = {"daemon": {"data_dir": "/d"}, "n": [], "ok": True}

    imagectl("config")

    assert capsys.readouterr().out == "daemon:\n  data_dir: /d\nn: []\nok: true\n"


def test_cameras_are_shown_as_a_table_with_their_modes(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    modes = [
        {"width": 3280, "height": 2464, "bits": 10, "fps": 21.19},
        {"width": 640, "height": 480, "bits": 10, "fps": 206.65},
    ]
    one = {"number": 0, "model": "imx219", "id": "/i2c@0", "modes": modes}
    taken = {"number": 1, "model": "ov5647", "id": "/i2c@1", "modes": []}
    problem = "camera 1: in use by python3 (pid 812)"
    cameras = [{**one, "problem": ""}, {**taken, "problem": problem}]
    daemon.answers["camera.list"] = {"cameras": cameras}

    assert imagectl("cameras") == Exit.OK

    assert capsys.readouterr().out == (
        "CAMERA  MODEL   SIZE       BITS  FPS     ID\n"
        "0       imx219  3280x2464  10    21.19   /i2c@0\n"
        "                640x480    10    206.65\n"
        "1       ov5647                           /i2c@1\n"
        "camera 1: in use by python3 (pid 812)\n"
    )


@pytest.mark.parametrize("words", [["cam0"], ["cam0", "ExposureTime"], ["=5"]])
def test_a_control_without_a_value_is_a_usage_error(
    imagectl: Imagectl, words: list[str]
) -> None:
    assert imagectl("set", *words) == Exit.USAGE
