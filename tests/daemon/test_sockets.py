"""One daemon has a runtime directory, and its sockets are its group's."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from imagemp.daemon.sockets import AlreadyRunningError, Sockets
from imagemp.errors import ConfigError, ImagempError

NAMES = ("control.sock", "telemetry.sock", "frames.sock")


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[Sockets]:
    with closing(Sockets(tmp_path)) as made:
        yield made


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_sockets_are_open_to_owner_and_group_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        with closing(Sockets(tmp_path)):
            modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in NAMES]
    finally:
        left = os.umask(before)

    assert modes == [0o660] * 3
    assert left == umask


@pytest.mark.usefixtures("sockets")
def test_each_socket_lets_a_client_in(tmp_path: Path) -> None:
    kinds = (socket.SOCK_STREAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET)

    for name, kind in zip(NAMES, kinds, strict=True):
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.connect(str(tmp_path / name))


@pytest.mark.usefixtures("sockets")
def test_a_second_daemon_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    inodes = [(tmp_path / name).stat().st_ino for name in NAMES]

    with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}"):
        Sockets(tmp_path)

    assert [(tmp_path / name).stat().st_ino for name in NAMES] == inodes


@pytest.mark.usefixtures("sockets")
def test_a_daemon_in_another_process_is_refused(tmp_path: Path) -> None:
    code = f"from imagemp.daemon.main import main; main(['--config', '{tmp_path}/c']"
    (tmp_path / "c").touch()
    code += f" + ['--runtime-dir', '{tmp_path}'])"

    ran = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert f"already runs in {tmp_path}, pid {os.getpid()}" in ran.stderr


def test_what_a_killed_daemon_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("12345678\n")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "control.sock"))
    (tmp_path / "telemetry.sock").write_text("not even a socket")

    with closing(Sockets(tmp_path)):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
        assert all((tmp_path / name).is_socket() for name in NAMES)


def test_nothing_is_left_but_the_lock_and_it_may_be_closed_twice(
    tmp_path: Path,
) -> None:
    sockets = Sockets(tmp_path)

    sockets.close()
    sockets.close()

    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    Sockets(tmp_path).close()


def test_a_directory_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ImagempError, match=f"runtime_dir: {tmp_path}/file") as refused:
        Sockets(tmp_path / "file")

    assert "--runtime-dir" in refused.value.hint


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 107"):
        Sockets(tmp_path / ("x" * 120))


def test_a_refused_directory_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "frames.sock").mkdir()
    with pytest.raises(ImagempError):
        Sockets(tmp_path)

    (tmp_path / "frames.sock").rmdir()

    Sockets(tmp_path).close()
