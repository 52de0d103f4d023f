"""One worker's process: its pidfd, its link, and how it ends. Nothing here blocks."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from msgspec import DecodeError

from imagemp.errors import LinkClosedError
from imagemp.link import Link, close_all, pair
from imagemp.ring.handover import Order

from .logs import fields
from .workers.orders import (
    Leave,
    Told,
    ToSupervisor,
)

log = logging.getLogger(__name__)


class Child:
    """A worker process that was started and not yet collected.

    Args:
        kind: As `python -m imagemp.daemon.workers KIND` takes it.
        on_told: Called with each message and its descriptors, which it owns.
        on_exit: Called once, with the exit code, when everything it sent was read.
        names: Its pipeline's and its own, for `ps` and the log.

    Raises:
        OSError: It cannot be started: no more descriptors, processes or memory.
    """

    def __init__(
        self,
        kind: str,
        on_told: Callable[["Child", Told, list[int]], None],
        on_exit: Callable[["Child", int], None],
        names: Sequence[str] = (),
    ) -> None:
        self.process, self._pidfd, ours = _spawned(kind, names)
        self.kind = kind
        self.started = time.monotonic()
        self._on_told, self._on_exit = on_told, on_exit
        self._link: Link[ToSupervisor] = Link(ours, ToSupervisor)
        self._waiting: list[tuple[Order, Sequence[int]]] = []
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pidfd, self._exited)
        self._loop.add_reader(self._link, self._readable)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def send(self, order: Order, fds: Sequence[int] = ()) -> None:
        """Send an order; kept if the worker does not read just now.

        The descriptors stay the caller's, who must not close them while the worker
        is stopped: they are duplicated if the order has to wait.
        """
        if self._waiting:
            self._keep(order, fds)
            return
        try:
            if not self._link.send(order, fds):
                self._keep(order, fds)
        except LinkClosedError:
            pass  # its pidfd tells the rest

    def leave(self) -> None:
        """Ask it to close everything and exit."""
        self.send(Leave())

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process, never to another; nothing once it is gone."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _keep(self, order: Order, fds: Sequence[int]) -> None:
        if not self._waiting:
            self._loop.add_writer(self._link, self._writable)
        self._waiting.append((order, [os.dup(fd) for fd in fds]))

    def _writable(self) -> None:
        while self._waiting:
            order, fds = self._waiting[0]
            try:
                if not self._link.send(order, fds):
                    return
            except LinkClosedError:
                pass
            close_all(fds)
            self._waiting.pop(0)
        self._loop.remove_writer(self._link)

    def _readable(self) -> None:
        try:
            while (received := self._link.receive()) is not None:
                self._on_told(self, *received)
        except LinkClosedError:
            self._loop.remove_reader(self._link)
        except DecodeError as error:
            whose = fields(worker=self.kind, pid=self.pid)
            log.error("unreadable message: %s", error, extra=whose)
            self.kill()

    def _exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._readable()  # a pidfd may fire before the link is read empty
        self._loop.remove_reader(self._link)
        if self._waiting:
            self._loop.remove_writer(self._link)
            for _, fds in self._waiting:
                close_all(fds)
            self._waiting.clear()
        self._link.close()
        os.close(self._pidfd)
        self._pidfd = -1  # the number may soon be another worker's
        self._on_exit(self, self.process.wait())


def _spawned(
    kind: str, names: Sequence[str]
) -> tuple["subprocess.Popen[bytes]", int, socket.socket]:
    """Start a worker; give its process, a pidfd of it, and our end of the link."""
    ours, theirs = pair()
    try:
        with theirs:
            fd, command = theirs.fileno(), [sys.executable, "-m"]
            command += [f"{__package__}.workers", kind, str(fd), str(os.getpid())]
            process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, *names], pass_fds=[fd], stdin=subprocess.DEVNULL
            )
        return process, os.pidfd_open(process.pid), ours
    except OSError:
        ours.close()  # a process that is there all the same sees it, and leaves
        raise
