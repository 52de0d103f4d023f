"""Whatever may happen to a daemon, at random: `havoc` does some of it, many times.

After each session the law is checked: pages, rows and pixels against the accounts.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from imagemp.errors import ControlError
from imagemp.receiver import Receiver
from tests.daemon.test_recording import accounts, begin, check_agreement, newest
from tests.outside import outside, said
from tests.running import Daemon

WORKERS = ("capture", "main", "half")
MOST_S = 0.3  # that a session goes on until something happens
chance = random.Random(20261121)  # noqa: S311 - the same havoc each time

Act = Callable[[Daemon], None]


def havoc(daemon: Daemon, n: int) -> None:
    """Do so many things, then let it work as on any other day."""
    for _ in range(n):
        chance.choice(ACTS)(daemon)
        check_the_law(daemon)
    for worker in WORKERS:
        daemon.call("worker.restart", worker=worker)
        wait_until_back(daemon, worker, 0)
    for _ in range(2):
        begin(daemon)
        daemon.call("session.stop")
        check_the_law(daemon)


def check_the_law(daemon: Daemon) -> None:
    """Compare what the newest session left with its accounts, and remove it."""
    counts = accounts(daemon.pipeline()["counts"])
    assert counts.broken() == []
    with suppress(FileNotFoundError, ValueError):  # it never began: it has no folder
        path = newest(daemon)
        left = check_agreement(daemon)
        main = left.counts.encoders["main"]
        missing = left.counts.captured - len(left.seqs)
        lost = sum(left.counts.dropped.values()) + sum(main.skipped.values())
        assert missing == lost, (left.counts, len(left.seqs))
        shutil.rmtree(path)


def wait_until_back(daemon: Daemon, worker: str, old: int) -> None:
    """Wait until another process is at work."""
    until = time.monotonic() + 40
    while True:
        found = next(w for w in daemon.pipeline()["workers"] if w["name"] == worker)
        if found["state"] == "running" and found["pid"] != old:
            return
        assert time.monotonic() < until, found
        time.sleep(0.01)


def go_on() -> None:
    """Let it be for a while."""
    time.sleep(chance.random() * MOST_S)


# -- what may happen


def a_session(daemon: Daemon) -> None:
    begin(daemon)
    go_on()
    daemon.call("session.stop")


def stopped_while_it_starts(daemon: Daemon) -> None:
    begin(daemon, wait="none")
    daemon.call("session.stop")


def stopped_now(daemon: Daemon) -> None:
    begin(daemon)
    daemon.signal("main", signal.SIGSTOP)
    go_on()
    daemon.signal("main", signal.SIGCONT)
    daemon.call("session.stop", now=True)


def a_kill(daemon: Daemon) -> None:
    begin(daemon)
    go_on()
    kill(daemon, chance.choice(WORKERS))
    go_on()
    daemon.call("session.stop")


def two_kills(daemon: Daemon) -> None:
    begin(daemon)
    go_on()
    kill(daemon, *chance.sample(WORKERS, 2))
    daemon.call("session.stop")


def a_kill_between_sessions(daemon: Daemon) -> None:
    kill(daemon, chance.choice(WORKERS))
    with suppress(ControlError):
        begin(daemon, frames=10)
        daemon.call("session.wait")


def a_killed_gateway(daemon: Daemon) -> None:
    begin(daemon)
    os.kill(daemon.call("status")["gateway"]["pid"], signal.SIGKILL)
    go_on()
    daemon.call("session.stop")


def somebody_reads(daemon: Daemon) -> None:
    begin(daemon)
    ring = chance.choice(["source", "callback:half"])
    with Receiver("cam0", "every", ring=ring, runtime_dir=daemon.runtime) as frames:
        assert frames.receive(10.0) is not None
        go_on()
    daemon.call("session.stop")


def a_reader_is_killed(daemon: Daemon) -> None:
    begin(daemon)
    with outside(daemon, "every") as process:
        assert said(process) == "first"
    daemon.call("session.stop")


ACTS: list[Act] = [
    *(a_session, stopped_while_it_starts, stopped_now, a_kill, two_kills),
    *(a_kill_between_sessions, a_killed_gateway, somebody_reads, a_reader_is_killed),
]


def kill(daemon: Daemon, *workers: str) -> None:
    """Have some killed, and wait for those who follow them.

    The daemon does it, with SIGKILL, and forgives: five within a minute are too many.
    """
    old = {worker: daemon.pid(worker) for worker in workers}
    for worker in workers:
        daemon.call("worker.restart", worker=worker)
    for worker, pid in old.items():
        wait_until_back(daemon, worker, pid)
