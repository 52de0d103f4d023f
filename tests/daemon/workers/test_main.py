"""How a worker process begins, what it obeys, and how it ends."""

import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from imagemp.daemon.workers.__main__ import KINDS, find
from imagemp.daemon.workers.gateway import Gateway
from imagemp.link import pair

from .fake_supervisor import GATEWAY, WAIT_S, FakeSupervisor
from .raw_client import RawClient, is_pinged


def test_a_kind_of_worker_is_found_by_its_name() -> None:
    assert find("gateway") is Gateway
    every = "gateway capture encoder callback recovery lookout"
    assert set(KINDS) == set(every.split())


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_worker_obeys_its_link_and_not_signals(
    supervisor: FakeSupervisor, client: RawClient, number: str
) -> None:
    supervisor.gateway.send_signal(getattr(signal, number))

    assert is_pinged(supervisor, client)


def test_a_gateway_leaves_when_its_link_is_closed(supervisor: FakeSupervisor) -> None:
    supervisor.link.close()

    assert supervisor.gateway.wait(WAIT_S) == 0


PARENT = """
import os, subprocess, sys
fd = sys.argv[1]
command = [sys.executable, "-m", "imagemp.daemon.workers", "gateway", fd]
child = subprocess.Popen([*command, str(os.getpid())], pass_fds=[int(fd)])
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_gateway_dies_with_its_parent_even_if_the_link_lives() -> None:
    ours, theirs = pair()
    with ours, theirs:
        fd = theirs.fileno()
        parent = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-c", PARENT, str(fd)],
            pass_fds=[fd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with parent:
            assert parent.stdout is not None
            pid = os.pidfd_open(int(parent.stdout.readline()))
            assert select.select([ours], [], [], WAIT_S)[0]  # Ready
            parent.kill()

        assert select.select([pid], [], [], WAIT_S)[0], "it outlived its parent"
        os.close(pid)


def test_a_worker_whose_parent_is_gone_does_not_start() -> None:
    with socket.socket() as unused:
        started = subprocess.run(  # noqa: S603 - our own
            [*GATEWAY, str(unused.fileno()), "1"],
            pass_fds=[unused.fileno()],
            timeout=WAIT_S,
            check=False,
        )

    assert started.returncode == 1


def test_a_worker_that_cannot_go_on_logs_why_and_exits_with_1(
    supervisor: FakeSupervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    supervisor.kill_gateway()
    supervisor.start_gateway()
    supervisor.link.sock.send(b'{"order":"Serve"}')

    assert supervisor.gateway.wait(WAIT_S) == 1
    told = capfd.readouterr().err
    assert "died worker=gateway\n" in told
    assert "Traceback" in told
