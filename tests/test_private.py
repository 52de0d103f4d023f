"""A private daemon is there when `running` says so, and gone afterwards."""

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imagemp.errors import DaemonUnreachableError
from imagemp.private import PrivateDaemon, running

CAMERA = (
    '[pipelines.cam0.source]\nkind = "synthetic"\nfps = 0\n[pipelines.cam0.encoder]\n'
)
CALLBACK = '[[pipelines.cam0.callbacks]]\nname = "f"\ntarget = "mine.py:f"\n'
SCRIPT = """
import sys
from pathlib import Path
from imagemp import running

with running("", Path(sys.argv[1])) as daemon:
    print(daemon.process.pid, flush=True)
    sys.stdin.read()
"""
QUIET = '[daemon]\ndata_dir = "{folder}/data"\n'


def test_a_daemon_answers_as_soon_as_the_block_begins_and_is_gone_after(
    tmp_path: Path,
) -> None:
    with running(QUIET, tmp_path) as daemon:
        assert daemon.call("status")["pid"] == daemon.process.pid
        process = daemon.process

    assert process.returncode == 0
    assert not list((tmp_path / "run").glob("*.sock"))


def test_a_daemon_ends_with_a_block_that_raises(tmp_path: Path) -> None:
    with pytest.raises(KeyError), running(QUIET, tmp_path) as daemon:
        raise KeyError

    assert daemon.process.returncode == 0


def test_the_folder_stands_in_the_configuration(tmp_path: Path) -> None:
    with running(QUIET, tmp_path) as daemon:
        config = daemon.config.read_text()

    assert f'data_dir = "{tmp_path}/data"' in config


def test_a_configuration_file_is_used_where_it_lies(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "my.toml").write_text('[daemon]\ndata_dir = "data"\n' + CAMERA)

    with running(home / "my.toml", tmp_path) as daemon:
        done = daemon.call("session.start", frames=2, wait="done")

    assert Path(done["sessions"][0]["dir"]).is_relative_to(home / "data")
    assert not (tmp_path / "imagemp.toml").exists()


def test_relative_targets_start_at_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(buffer, queue):\n    pass\n")

    with running(QUIET + CAMERA + CALLBACK, tmp_path) as daemon:
        done = daemon.call("session.start", frames=2, wait="done")

    (session,) = done["sessions"]
    assert session["state"] == "complete"


def test_a_daemon_dies_with_the_script_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as script:
        assert script.stdout is not None
        daemon = os.pidfd_open(int(script.stdout.readline()))
        script.kill()

        gone, _, _ = select.select([daemon], [], [], 20)

    os.close(daemon)
    assert gone
    assert "imagempd: stopped" in (tmp_path / "log").read_text()


def test_a_daemon_that_does_not_start_says_what_it_logged(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachableError, match=r"daemon\.nonsense"):
        PrivateDaemon(tmp_path, "[daemon]\nnonsense = 1\n")


def test_a_daemon_that_does_not_start_is_collected(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted

    with pytest.raises(DaemonUnreachableError):
        PrivateDaemon(tmp_path, "not TOML")

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert not list((tmp_path / "run").glob("*.sock"))


def test_a_daemon_may_be_stopped_twice(tmp_path: Path) -> None:
    daemon = PrivateDaemon(tmp_path, QUIET)

    assert daemon.stop() == 0
    assert daemon.stop() == 0


def test_two_private_daemons_do_not_meet() -> None:
    with running(QUIET) as one, running(QUIET) as other:
        pids = {daemon.call("status")["pid"] for daemon in (one, other)}

    assert pids == {one.process.pid, other.process.pid}
    assert one.folder != other.folder


def test_a_temporary_folder_stays_only_with_recordings_or_an_error() -> None:
    with running(CAMERA) as idle:
        pass
    with running(QUIET + CAMERA) as busy:
        busy.call("session.start", frames=1, wait="done")
    with pytest.raises(KeyError), running(CAMERA) as broken:
        raise KeyError

    there = [daemon.folder.exists() for daemon in (idle, busy, broken)]
    for daemon in (busy, broken):
        shutil.rmtree(daemon.folder)
    assert there == [False, True, True]
