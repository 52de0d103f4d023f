"""The connection of a program outside to the daemon's door, `frames.sock`."""

import contextlib
import socket
import time
from pathlib import Path

from .errors import DaemonUnreachableError, LinkClosedError
from .link import Link
from .ring.handover import Ask, Request, ToOutside
from .wire import unreachable

FIRST_RETRY_S, LAST_RETRY_S = 0.1, 2.0  # until a daemon that went away is back


class Connection:
    """Asks for frames, and hears what the daemon says.

    Args:
        path: `frames.sock`.
        ask: What is wanted, of each daemon that is met there.
        comes_back: Look for the daemon again when it is gone.

    Raises:
        DaemonUnreachableError: No daemon is there.
    """

    def __init__(self, path: Path, ask: Ask, *, comes_back: bool) -> None:
        self._path, self._ask, self._comes_back = path, ask, comes_back
        self._wait_s = FIRST_RETRY_S
        self._retry_at: float | None = None
        self._link: Link[ToOutside] | None = self._connect()

    @property
    def is_open(self) -> bool:
        """Whether the daemon is there."""
        return self._link is not None

    @property
    def retry_s(self) -> float | None:
        """When to call `receive` though nothing is readable: the daemon is gone."""
        if self._retry_at is None:
            return None
        return max(0.0, self._retry_at - time.monotonic())

    def fileno(self) -> int:
        """Readable when the daemon has said something; -1 while it is gone."""
        return self._link.fileno() if self._link is not None else -1

    def receive(self) -> tuple[ToOutside, list[int]] | None:
        """Give the next message and its descriptors; None if there is none.

        Raises:
            LinkClosedError: The daemon is gone; said once.
        """
        if self._link is None:
            self._look_again()
        if self._link is None:
            return None
        try:
            return self._link.receive()
        except LinkClosedError:
            self.close()
            self._retry_at = time.monotonic() if self._comes_back else None
            raise

    def check(self) -> None:
        """Raise `DaemonUnreachableError` if nobody is there, nor waited for."""
        if self._link is None and not self._comes_back:
            raise DaemonUnreachableError(f"{self._path}: the daemon has gone")

    def send(self, request: Request) -> None:
        """Say something; if the daemon is gone, `receive` will tell."""
        if self._link is not None:
            with contextlib.suppress(LinkClosedError):
                self._link.send(request)

    def close(self) -> None:
        """Leave, and do not come back. May be called twice."""
        self._retry_at = None
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connect(self) -> Link[ToOutside]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if failed := sock.connect_ex(str(self._path)):
            sock.close()
            raise unreachable(self._path, failed)
        link: Link[ToOutside] = Link(sock, ToOutside)
        with contextlib.suppress(LinkClosedError):  # a refusal may be here already
            link.send(self._ask)
        return link

    def _look_again(self) -> None:
        now = time.monotonic()
        if self._retry_at is None or now < self._retry_at:
            return
        try:
            self._link = self._connect()
        except DaemonUnreachableError:
            self._retry_at = now + self._wait_s
            self._wait_s = min(2 * self._wait_s, LAST_RETRY_S)
        else:
            self._retry_at, self._wait_s = None, FIRST_RETRY_S
