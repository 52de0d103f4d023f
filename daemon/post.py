"""A worker's post: whoever fills it is replaced when dead, with backoff.

The post outlives its processes; what it stands for in a session is the crew's. When
what is to happen is decided in `life`; here it is done.
"""

import asyncio
import logging
import os
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from imagemp.link import close_all
from imagemp.ring.handover import Order

from .child import Child
from .life import Do, Life, State
from .logs import fields
from .restarts import Restarts
from .workers.orders import Closed, LetGo, Ready, Told

log = logging.getLogger(__name__)
CLOSE_S = 5.0  # for a source to close; one that hangs in it is aborted


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
        life: Its state, and what is to happen next.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        watch: Watch,
        pipeline: str = "",
        life: Life | None = None,
    ) -> None:
        self.name, self.kind = name, kind
        self._pipeline = pipeline
        self.life = life or Life()
        self.child: Child | None = None
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._left: asyncio.Future[None] | None = None
        self._closing: asyncio.TimerHandle | None = None

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self.life.state

    @property
    def restarts(self) -> Restarts:
        """Its failures so far."""
        return self.life.restarts

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
        self._do(self.life.start())

    def send(self, order: Order, fds: Sequence[int] = ()) -> None:
        """Send to the process; what is sent to none is lost: it is greeted anew."""
        if self.child is not None and self.state in (State.RUNNING, State.STOPPING):
            self.child.send(order, fds)

    def kill(self) -> None:
        """End the process; the post fills itself again."""
        self._do(self.life.kill(self._loop.time()))

    def abort(self) -> None:
        """End a process that hangs: its stack goes to the log, if it still can."""
        self._do(self.life.abort(self._loop.time()))

    def let_go(self) -> None:
        """Have a source closed; a process that hangs in that is ended."""
        if self.is_running:
            self._closed()
            self.send(LetGo())
            self._closing = self._loop.call_later(CLOSE_S, self._close_hangs)

    def restart(self) -> None:
        """End the process, if any, and start anew whatever happened before."""
        self._do(self.life.restart(self._loop.time()))

    def renew(self) -> None:
        """Have the process leave for one that knows what has changed: no failure."""
        self._do(self.life.renew(self._loop.time()))

    async def leave(self) -> None:
        """Ask the process to leave, kill it if it does not, and stay empty."""
        if self._left is None or self._left.done():
            self._left = self._loop.create_future()
        left = self._left
        self._do(self.life.leave(self._loop.time()))
        await asyncio.shield(left)

    # -- what happens

    def _told(self, child: Child, told: Told, fds: list[int]) -> None:
        if child is not self.child or self.state is State.STUCK:
            close_all(fds)
        elif isinstance(told, Ready):
            if self.life.ready():
                self._watch.on_ready(self)
        elif isinstance(told, Closed):
            self._closed()
        else:
            self._watch.on_told(self, told, fds)

    def _exited(self, child: Child, code: int) -> None:
        self._closed()
        lived_s = self._loop.time() - child.started
        self._gone(code, lived_s, f"died, {describe(code)}", child.pid)

    def _gone(self, code: int, lived_s: float, why: str, pid: int | None) -> None:
        self.child = None
        chance = random.random()  # noqa: S311
        deeds = self.life.exited(self._loop.time(), lived_s, chance)
        if self.state in (State.BACKOFF, State.FATAL):
            log.warning("%s; now %s", why, self.state, extra=self._fields(pid))
        self._do(deeds, code)

    def _due(self) -> None:
        deeds = self.life.due(self._loop.time())
        if self.state is State.STUCK:
            stuck = "cannot be killed; reboot needed"
            log.error(stuck, extra=self._fields(self.pid))
        self._do(deeds, -signal.SIGKILL)  # stuck is as good as dead

    def _do(self, deeds: list[Do], code: int = 0) -> None:
        self._set_alarm()
        for deed in deeds:
            if deed is Do.SPAWN:
                self._spawn()
            elif deed is Do.TELL_OF_DEATH:
                self._watch.on_died(self, code)
            elif deed is Do.TELL_IT_LEFT:
                self._has_left()
            elif self.child is not None:
                self._act_on(self.child, deed)

    def _spawn(self) -> None:
        """Start a process; one that cannot be started is as good as dead."""
        try:
            self.child = Child(self.kind, self._told, self._exited, self._names)
        except OSError as error:
            why = f"cannot be started: {error.strerror}"
            self._loop.call_soon(self._gone, os.EX_OSERR, 0.0, why, None)

    def _act_on(self, child: Child, deed: Do) -> None:
        if deed is Do.ASK_TO_LEAVE:
            child.leave()
        else:
            child.kill(signal.SIGABRT if deed is Do.ABORT else signal.SIGKILL)

    def _close_hangs(self) -> None:
        hangs = "does not close its source: aborted"
        log.error(hangs, extra=self._fields(self.pid))
        self.abort()

    @property
    def _names(self) -> list[str]:
        return [self._pipeline, self.name] if self._pipeline else []

    def _fields(self, pid: int | None) -> dict[str, Any]:
        named = {"pipeline": self._pipeline} if self._pipeline else {}
        return fields(**named, worker=self.name, pid=pid)

    def _closed(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _has_left(self) -> None:
        if self._left is not None and not self._left.done():
            self._left.set_result(None)

    def _set_alarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.life.alarm is not None:
            self._timer = self._loop.call_at(self.life.alarm[0], self._due)


def describe(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
