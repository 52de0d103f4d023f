"""What systemd hears, on a real socket, and what happens without one."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagemp.daemon.notify import MAX_STATUS, Notifier


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listening


@pytest.fixture
def notifier(systemd: socket.socket) -> Iterator[Notifier]:
    assert systemd.getsockname()
    notifier = Notifier()
    yield notifier
    assert notifier._systemd is not None
    notifier._systemd.socket.close()


def told(systemd: socket.socket) -> list[str]:
    """Give all that was told, oldest first."""
    found = []
    try:
        while True:
            found.append(systemd.recv(4096).decode("latin-1"))
    except BlockingIOError:
        return found


def test_systemd_is_told_in_its_own_words(
    systemd: socket.socket, notifier: Notifier
) -> None:
    notifier.ready()
    notifier.reloading()
    notifier.status("cam0 running")
    notifier.alive()
    notifier.stopping()
    notifier.extend(15)

    assert told(systemd) == [
        "READY=1",
        "RELOADING=1",
        "STATUS=cam0 running",
        "WATCHDOG=1",
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=15000000",
    ]


def test_a_status_that_systemd_cannot_show_is_told_as_far_as_it_can(
    systemd: socket.socket, notifier: Notifier
) -> None:
    notifier.status("Küche 摄像头 " + "x" * 1000)

    (status,) = told(systemd)
    assert status.startswith("STATUS=Küche ??? xxx")
    assert len(status) == len("STATUS=") + MAX_STATUS


def test_a_systemd_that_does_not_listen_blocks_nobody(
    systemd: socket.socket, notifier: Notifier
) -> None:
    for _ in range(1000):
        notifier.alive()

    assert 0 < len(told(systemd)) < 1000


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    notifier = Notifier()

    notifier.ready()
    notifier.status("x")

    assert notifier.watchdog_s is None


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("3000000", None, 1.5),
        ("3000000", os.getpid(), 1.5),
        ("3000000", 1, None),
        ("", None, None),
        ("soon", None, None),
    ],
    ids=["anyone's", "ours", "another's", "none", "no number"],
)
def test_the_watchdog_is_fed_in_half_its_time_if_it_is_ours(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: int | None, expected: float | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(pid))

    assert Notifier().watchdog_s == expected
