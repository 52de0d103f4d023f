"""`imagectl status`: the table, the document, and how little it imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagemp import messages
from imagemp.ctl import quick
from imagemp.ctl.exits import Exit
from imagemp.ctl.main import main
from imagemp.daemon.life import State
from imagemp.errors import ControlError

from .conftest import PROGRAM, Imagectl
from .fake_daemon import SESSION, STATUS, FakeDaemon

HEAVY = ("rich", "msgspec", "numpy", "datetime", "imagemp.client")


@pytest.mark.usefixtures("daemon")
def test_status_shows_a_line_for_each_pipeline(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagectl("status") == Exit.OK

    headline, header, cam0, cam1, *_ = capsys.readouterr().out.splitlines()
    assert headline == "imagempd is running"
    assert header.split()[:4] == ["PIPELINE", "STATE", "FPS", "CAPTURED"]
    assert cam0.split()[:5] == ["cam0", "running", "29.9", "100", "96"]
    assert "3 (ring_full 3)" in cam0
    assert "2 (sensor_gap 2)" in cam0
    assert "3/32 (max 12)" in cam0
    assert cam1.split()[:2] == ["cam1", "idle"]


@pytest.mark.usefixtures("daemon")
def test_status_tells_the_folder_and_the_workers_that_are_not_well(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    imagectl("status")

    told = capsys.readouterr().out
    assert f"cam0: /data/cam0/{SESSION}" in told
    assert "cam0: worker motion: backoff, restarted 2 times" in told
    assert "worker capture" not in told


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ({"recording": True, "armed": False, "held": 0, "held_s": 0.0}, None),
        ({"recording": False, "armed": False, "held": 3, "held_s": 0.1},
         "records nothing now"),
        ({"recording": False, "armed": True, "held": 75, "held_s": 2.52},
         "waits for a trigger, holds 2.5 s (75 frames)"),
        ({"recording": True, "armed": True, "held": 0, "held_s": 0.0},
         "records, holds 0.0 s (0 frames)"),
    ],
)  # fmt: skip
def test_status_tells_of_encoders_that_do_not_simply_record(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    gate: dict[str, object],
    told: str | None,
) -> None:
    daemon.answers["status"] = {"pipelines": {"cam0": {"encoders": {"raw": gate}}}}

    imagectl("status")

    lines = [x for x in capsys.readouterr().out.splitlines() if "encoder raw" in x]
    assert lines == ([f"cam0: encoder raw {told}"] if told else [])


@pytest.mark.parametrize("state", State)
def test_status_tells_of_a_worker_that_is_not_well_though_it_never_died(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    state: State,
) -> None:
    workers = [{"name": "capture", "state": str(state), "restarts": 0}]
    daemon.answers["status"] = {"pipelines": {"cam0": {"workers": workers}}}

    imagectl("status")

    is_ill = state in (State.BACKOFF, State.FATAL, State.STUCK)
    assert ("worker capture" in capsys.readouterr().out) is is_ill


def test_no_command_is_status(
    tmp_path: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runtime-dir", str(tmp_path), "--json"]) == Exit.OK

    assert json.loads(capsys.readouterr().out) == STATUS
    assert daemon.asked_for("status") == {}


def test_status_bears_a_daemon_that_says_next_to_nothing(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["status"] = {"pipelines": {"cam0": {}}}

    assert imagectl("status") == Exit.OK
    assert "cam0" in capsys.readouterr().out


def test_status_that_is_refused_tells_the_reason(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["status"] = ControlError("E_VERSION", "speaks version 2, not 1")

    assert imagectl("status") == Exit.VERSION
    assert "speaks version 2" in capsys.readouterr().err


@pytest.mark.usefixtures("daemon")
def test_status_imports_nothing_heavy(
    tmp_path: Path,
) -> None:
    report = (
        f"import sys, atexit; atexit.register(lambda: print(*sys.modules)); {PROGRAM}"
    )
    command = [sys.executable, "-c", report, "--runtime-dir", str(tmp_path)]

    out = subprocess.run(  # noqa: S603 - our own program
        command, check=True, capture_output=True, text=True
    ).stdout

    imported = out.splitlines()[-1].split()
    assert "imagemp.ctl.status" in imported
    assert not set(HEAVY) & set(imported)


def test_the_quick_way_speaks_the_version_of_the_client() -> None:
    assert (quick.MAGIC, quick.VERSION) == (messages.MAGIC, messages.VERSION)
