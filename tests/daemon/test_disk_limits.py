"""A recording leaves the disk what it must, and ends cleanly where it may not go on."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagemp.errors import ControlError
from imagemp.recording.manifest import read_manifest
from imagemp.recording.pruning import nbytes_in
from tests.recording.test_pruning import make
from tests.running import Daemon, running

from .test_recording import (
    METRICS,
    Left,
    accounts,
    begin,
    check_agreement,
    listening,
    record,
    wait_for,
)

QUOTA = 6_000_000
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = {{ kind = "synthetic", width = 64, height = 48, fps = 1000 }}
ring = {{ overflow_size = "100 MB", slots = 64 }}
encoder = {{ {keys} }}
"""


@contextmanager
def daemon_with(tmp_path: Path, keys: str = "") -> Iterator[Daemon]:
    """Run a daemon whose encoder has these keys."""
    toml = CONFIG.format(keys=", ".join(['keep_free = "0"', *([keys] if keys else [])]))
    with running(tmp_path / "d", toml) as daemon:
        yield daemon


def imagectl(daemon: Daemon, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the client as a user does."""
    command = [sys.executable, "-m", "imagemp.ctl", "--runtime-dir"]
    return subprocess.run(  # noqa: S603 - our own program
        [*command, str(daemon.runtime), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def ended_by(daemon: Daemon, reason: str) -> tuple[dict[str, Any], Left]:
    """Record until the session ends by itself; all that was captured is there."""
    session = begin(daemon)
    result = daemon.call("session.wait", session=session)["sessions"][0]
    left = check_agreement(daemon)
    main = left.counts.encoders["main"]
    assert (result["reason"], result["state"]) == (reason, "incomplete")
    assert result["error"]["code"] == "E_DISK"
    assert left.manifest.state == "incomplete"
    assert main.skipped == {}
    assert main.recorded == main.durable == left.counts.published
    assert len(left.seqs) == main.recorded
    return result, left


def test_below_the_floor_no_session_begins(tmp_path: Path) -> None:
    with daemon_with(tmp_path) as daemon:
        with pytest.raises(ControlError) as refused:
            begin(daemon, 'encoder.keep_free="900 TiB"')
        ran = imagectl(daemon, "start", "-o", 'encoder.keep_free="900 TiB"', "--wait")
        left_behind = list((tmp_path / "d/data").glob("cam0/*"))
        again = record(daemon, frames=10)

    assert refused.value.code == "E_DISK"
    assert "cam0: encoder.keep_free: " in str(refused.value)
    assert "900.0 TiB are to stay free" in str(refused.value)
    assert refused.value.hint == "make room there, or lower encoder.keep_free"
    assert ran.returncode == 7
    assert left_behind == []
    assert again["state"] == "complete"


def test_a_quota_ends_the_session_before_it_is_reached(tmp_path: Path) -> None:
    with daemon_with(tmp_path, f'quota = "{QUOTA} B"') as daemon:
        result, left = ended_by(daemon, "quota")
        nbytes = nbytes_in(tmp_path / "d/data/cam0")

    assert "encoder.quota: the sessions in" in result["error"]["message"]
    events = [e for e in left.manifest.events if e["name"] == "quota"]
    assert [e["quota"] for e in events] == [QUOTA]
    assert QUOTA / 4 < nbytes < QUOTA


@pytest.mark.system
def test_without_a_quota_the_same_session_goes_on(tmp_path: Path) -> None:
    with daemon_with(tmp_path) as daemon:
        result = record(daemon, frames=2500)
        nbytes = nbytes_in(tmp_path / "d/data/cam0")

    assert result["state"] == "complete"
    assert nbytes > QUOTA


def test_a_full_quota_is_refused_by_name_with_its_exit_code(tmp_path: Path) -> None:
    with daemon_with(tmp_path, 'quota = "200 kB"') as daemon:
        folder = tmp_path / "d/data/cam0"
        folder.mkdir(parents=True)
        (folder / "large").write_bytes(bytes(200_000))
        ran = imagectl(daemon, "start", "--frames", "10", "--wait")

    assert ran.returncode == 7
    assert "encoder.quota: the sessions in" in ran.stderr


def test_the_oldest_sessions_make_room_while_one_is_recorded(tmp_path: Path) -> None:
    keys = f'quota = "{QUOTA} B", quota_action = "delete-oldest"'
    with daemon_with(tmp_path, keys) as daemon:
        ids = [f"2025010{day}T000000Z-cam0-00ab" for day in (1, 2, 3)]
        old = [make(tmp_path / "d/data", name, nbytes=1_700_000) for name in ids]
        (old[0] / "notes.txt").write_text("the good one")
        result = record(daemon, "source.fps=300", frames=300)
        left = check_agreement(daemon)
        there = {path.name for path in (tmp_path / "d/data/cam0").iterdir()}

    gone = {e["session"] for e in left.manifest.events if e["name"] == "deleted"}
    assert result["state"] == "complete"
    assert gone
    assert there == {*ids, result["session"]} - gone
    assert ids[0] in there
    assert left.seqs == list(range(300))


@pytest.mark.system
def test_what_may_not_be_deleted_ends_the_session_instead(tmp_path: Path) -> None:
    keys = f'quota = "{QUOTA} B", quota_action = "delete-oldest"'
    with daemon_with(tmp_path, keys) as daemon:
        result, _ = ended_by(daemon, "quota")

    assert "no complete session is left to delete" in result["error"]["message"]


def test_reports_tell_what_is_left_and_for_how_long(tmp_path: Path) -> None:
    with (
        daemon_with(tmp_path, 'quota = "900 TB"') as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        told = wait_for(telemetry, METRICS, lambda m: m["disk"].get("seconds_left"))
        shown = imagectl(daemon, "status").stdout
        status = daemon.pipeline()["disk"]
        daemon.call("session.stop")
        idle = daemon.pipeline()["disk"]

    disk = told["disk"]
    rate = told["encoders"]["main"]["mb_s"] * 1e6
    assert 0 < disk["left"] == disk["free"] < 900e12 - disk["used"]
    assert disk["seconds_left"] == pytest.approx(disk["left"] / rate, rel=0.01)
    assert set(status) == set(disk)
    assert " GiB free" in shown
    assert idle == {}


def test_an_encoder_that_finds_its_folder_gone_is_given_up_at_once(
    tmp_path: Path,
) -> None:
    with (
        daemon_with(tmp_path) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        session = begin(daemon)
        wait_for(telemetry, METRICS, lambda m: m["counts"]["captured"] > 50)
        daemon.signal("main", signal.SIGSTOP)
        folder = daemon.session()
        folder.rename(tmp_path / "away")
        daemon.signal("main", signal.SIGKILL)
        result = daemon.call("session.wait", session=session)["sessions"][0]
        counts = accounts(daemon.pipeline()["counts"])
        again = record(daemon, frames=10)

    main = counts.encoders["main"]
    assert result["state"] == "incomplete"
    assert result["error"]["code"] == "E_DISK"
    assert "No such file or directory" in result["error"]["message"]
    assert result["reason"] == "failed"
    assert counts.broken() == []
    assert main.in_flight == 0
    assert set(main.skipped) == {"disk_error"}
    assert again["state"] == "complete"


@pytest.mark.system
def test_a_folder_that_is_removed_ends_the_session(tmp_path: Path) -> None:
    with (
        daemon_with(tmp_path) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        session = begin(daemon)
        wait_for(telemetry, METRICS, lambda m: m["counts"]["captured"] > 50)
        (tmp_path / "d/data/cam0").rename(tmp_path / "away")
        result = daemon.call("session.wait", session=session)["sessions"][0]
        counts = accounts(daemon.pipeline()["counts"])
        again = record(daemon, frames=10)

    assert result["error"]["code"] == "E_DISK"
    assert counts.broken() == []
    assert set(counts.encoders["main"].skipped) <= {"disk_error"}
    assert read_manifest(tmp_path / "away" / session).state == "running"
    assert again["state"] == "complete"
