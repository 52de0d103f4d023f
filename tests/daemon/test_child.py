"""One worker's process: real ones are started, stopped, killed and collected."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from imagemp.daemon.child import Child
from imagemp.daemon.workers.orders import Attach, Failed, Gone, Prepare, Ready, Told
from imagemp.link import close_all

from .keeper import open_fds

WAIT_S = 20.0
T = TypeVar("T")


class Watched:
    """A child, what it has told, and its exit code when it has one."""

    def __init__(self, kind: str) -> None:
        self.told: list[Told] = []
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.code: asyncio.Future[int] = loop.create_future()
        self.child = Child(kind, self._hear, lambda _, code: self.code.set_result(code))

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.code, WAIT_S)

    def _hear(self, _child: Child, told: Told, fds: list[int]) -> None:
        close_all(fds)
        self.told.append(told)
        if isinstance(told, Ready):
            self.ready.set_result(None)


def with_child(act: Callable[[Watched], Awaitable[T]], kind: str = "capture") -> T:
    """Start a worker, wait until it is ready, and do something with it."""

    async def run() -> T:
        watched = Watched(kind)
        await asyncio.wait_for(watched.ready, WAIT_S)
        return await act(watched)

    return asyncio.run(run())


def wait_dead(pid: int) -> None:
    """Wait until a process has ended, and leave it to its parent."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def wait_stopped(pid: int) -> None:
    """Wait until a process has stopped."""
    os.waitid(os.P_PID, pid, os.WSTOPPED)


def test_a_child_that_is_asked_to_leave_exits_with_0_and_leaves_nothing() -> None:
    before = open_fds()

    async def act(watched: Watched) -> int:
        watched.child.leave()
        return await watched.exit_code()

    assert with_child(act) == 0
    assert open_fds() == before


def test_a_child_that_was_killed_is_collected_with_the_signal() -> None:
    async def act(watched: Watched) -> int:
        watched.child.kill()
        return await watched.exit_code()

    assert with_child(act) == -signal.SIGKILL


def test_a_worker_of_no_kind_exits_with_1() -> None:
    async def run() -> int:
        return await Watched("nonsense").exit_code()

    assert asyncio.run(run()) == 1


def test_what_a_child_said_last_is_heard_before_its_end() -> None:
    bad = Prepare("s1", 0, 0, 0, {"kind": "nonsense"}, {"slots": 2})

    async def act(watched: Watched) -> list[Told]:
        watched.child.send(bad)
        watched.child.leave()
        await watched.exit_code()
        return watched.told

    told = with_child(act)
    assert [type(message) for message in told] == [Ready, Failed]


def test_a_child_that_does_not_read_gets_everything_later_in_order() -> None:
    before = open_fds()

    async def act(watched: Watched) -> int:
        watched.child.kill(signal.SIGSTOP)
        wait_stopped(watched.child.pid)
        counter = os.eventfd(0)
        for n in range(2000):
            watched.child.send(Attach(n, 0, "every"), (counter, counter))
            watched.child.send(Gone(n))
        os.close(counter)  # those that wait have copies
        watched.child.leave()
        watched.child.kill(signal.SIGCONT)
        return await watched.exit_code()

    assert with_child(act) == 0
    assert open_fds() == before


def test_what_waits_for_a_child_that_dies_is_closed() -> None:
    before = open_fds()

    async def act(watched: Watched) -> int:
        watched.child.kill(signal.SIGSTOP)
        counter = os.eventfd(0)
        for n in range(1000):
            watched.child.send(Attach(n, 0, "every"), (counter,))
        os.close(counter)
        watched.child.kill()
        return await watched.exit_code()

    assert with_child(act) == -signal.SIGKILL
    assert open_fds() == before


def test_orders_to_a_dead_child_are_lost_quietly() -> None:
    async def act(watched: Watched) -> int:
        os.kill(watched.child.pid, signal.SIGKILL)
        wait_dead(watched.child.pid)
        watched.child.send(Gone(1))
        watched.child.kill()
        return await watched.exit_code()

    assert with_child(act) == -signal.SIGKILL


def test_a_kill_that_comes_late_hits_nobody_else() -> None:
    async def act(watched: Watched) -> int:
        watched.child.leave()
        await watched.exit_code()
        other = Watched("capture")  # has the descriptors that the first one had
        watched.child.kill()
        await asyncio.wait_for(other.ready, WAIT_S)
        other.child.leave()
        return await other.exit_code()

    assert with_child(act) == 0
