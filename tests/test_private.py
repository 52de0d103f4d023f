"""A private daemon is there when `running` says so, and gone afterwards."""

import os
import shutil
from pathlib import Path

import pytest

from imagemp.errors import DaemonUnreachableError
from imagemp.private import PrivateDaemon, running

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
    for folder in (one.folder, other.folder):
        shutil.rmtree(folder)
