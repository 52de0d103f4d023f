"""A worker's post: whoever fills it is replaced when dead, with backoff.

The post outlives its processes; what it stands for in a session is the crew's.
"""

import asyncio
import enum
import logging
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imagemp.link import close_all
from imagemp.ring.handover import Order

from .child import Child
from .restarts import CAP_S, Restarts
from .workers.orders import Closed, LetGo, Ready, Told

log = logging.getLogger(__name__)
KILLED_S = 5.0  # alive this long after SIGKILL: stuck in the kernel
LEAVE_S = 2.0
CLOSE_S = 5.0  # for a source to close; one that hangs in it is aborted
ABORT_S = 1.0  # for faulthandler to write the stacks


class State(enum.StrEnum):
    """Where a worker is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    EXITED = "exited"
    FATAL = "fatal"
    STUCK = "stuck"


@dataclass(slots=True)
class Watch:
    """Whom a post tells what happens to its process.

    Attributes:
        on_died: Also for one that cannot be killed: the post is then `stuck`.
    """

    on_ready: Callable[["Post"], None]
    on_told: Callable[["Post", Told, list[int]], None]
    on_died: Callable[["Post", int], None]


class Post:
    """One worker, by name, over all its processes.

    Attributes:
        name: In its pipeline.
        kind: Of worker.
        never_gives_up: Too many failures only slow it down.
    """

    def __init__(
        self, name: str, kind: str, watch: Watch, *, never_gives_up: bool = False
    ) -> None:
        self.name, self.kind, self.never_gives_up = name, kind, never_gives_up
        self.state = State.STOPPED
        self.restarts = Restarts()
        self.child: Child | None = None
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._gone: asyncio.Future[None] | None = None
        self._closing: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process is up and obeys."""
        return self.state is State.RUNNING

    @property
    def is_stuck(self) -> bool:
        """Whether its process cannot even be killed."""
        return self.state is State.STUCK

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return self.child.pid if self.child is not None else None

    def start(self) -> None:
        """Start a process, unless there is one or one is about to be."""
        if self.state in (State.STOPPED, State.EXITED, State.FATAL):
            self.restarts.forgive()
            self._spawn()

    def send(self, order: Order, fds: Sequence[int] = ()) -> None:
        """Send to the process; what is sent to none is lost: it is greeted anew."""
        if self.child is not None and self.state in (State.RUNNING, State.STOPPING):
            self.child.send(order, fds)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the process; the post fills itself again."""
        if self.child is not None:
            self.child.kill(number)
            self._later(KILLED_S, self._is_stuck)

    def abort(self) -> None:
        """End a process that hangs: its stack goes to the log, if it still can."""
        if self.child is not None:
            self.child.kill(signal.SIGABRT)
            self._later(ABORT_S, self.kill)

    def let_go(self) -> None:
        """Have a source closed; a process that hangs in that is ended."""
        if self.is_running:
            self._closed()
            self.send(LetGo())
            self._closing = self._loop.call_later(CLOSE_S, self._close_hangs)

    def restart(self) -> None:
        """End the process, if any, and start anew whatever happened before."""
        self.restarts.forgive()
        if self.child is not None:
            self.kill()
        else:
            self._spawn()

    async def leave(self) -> None:
        """Ask the process to leave, kill it if it does not, and stay empty."""
        self._cancel()
        if self.child is None:
            self.state = State.STOPPED
            return
        if self._gone is None:
            self._gone = self._loop.create_future()
            self.state = State.STOPPING
            self.child.leave()
        self._later(LEAVE_S, self.kill)
        await asyncio.shield(self._gone)

    def _spawn(self) -> None:
        self._cancel()
        self.state, self._gone = State.STARTING, None
        self.child = Child(self.kind, self._told, self._exited)

    def _told(self, child: Child, told: Told, fds: list[int]) -> None:
        if child is not self.child or self.state is State.STUCK:
            close_all(fds)
            return
        if isinstance(told, Ready):
            if self.state is State.STARTING:
                self.state = State.RUNNING
                self._watch.on_ready(self)
        elif isinstance(told, Closed):
            self._closed()
        else:
            self._watch.on_told(self, told, fds)

    def _exited(self, child: Child, code: int) -> None:
        self._cancel()
        self._closed()
        self.child = None
        if self._gone is not None:
            self.state = State.STOPPED
            self._has_gone()
            return
        now, was_stuck = time.monotonic(), self.state is State.STUCK
        delay = self.restarts.failed(now, now - child.started, random.random())  # noqa: S311
        if self.restarts.is_too_many(now) and not self.never_gives_up:
            self.state = State.FATAL
        else:
            self.state = State.BACKOFF
            slow = self.restarts.is_too_many(now)
            self._later(CAP_S if slow else delay, self._spawn)
        log.warning("%s: died, %s; now %s", self.name, describe(code), self.state)
        if not was_stuck:
            self._watch.on_died(self, code)

    def _is_stuck(self) -> None:
        """SIGKILL had no effect: the process hangs in the kernel."""
        log.error("%s: pid %s cannot be killed; reboot needed", self.name, self.pid)
        self.state = State.STUCK
        if self._gone is not None:
            self._has_gone()
        else:
            self._watch.on_died(self, -signal.SIGKILL)  # as good as dead

    def _close_hangs(self) -> None:
        log.error("%s: pid %s does not close its source: aborted", self.name, self.pid)
        self.abort()

    def _closed(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _has_gone(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._cancel()
        self._timer = self._loop.call_later(seconds, call)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def describe(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
