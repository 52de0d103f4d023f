"""A worker's way out to the supervisor, where nothing that matters is lost.

Sends never block. What the supervisor must hear and has no room for just now is
kept, in order, and sent when the link is writable again.
"""

import os
import select
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from imagemp.errors import LinkClosedError
from imagemp.link import Link, close_all

from .orders import Told, ToWorker


class Outbox:
    """What could not be sent yet; an epoll, so that waiting for it is one wait.

    Args:
        link: To the supervisor; it stays its owner's.
    """

    def __init__(self, link: Link[ToWorker]) -> None:
        self._link = link
        self._kept: deque[tuple[Told, list[int]]] = deque()
        self._wake = select.epoll()
        self._wake.register(link, select.EPOLLIN)

    def __len__(self) -> int:
        return len(self._kept)

    def fileno(self) -> int:
        """Readable when an order waits, or what was kept can be sent."""
        return self._wake.fileno()

    def send(self, message: Told, fds: Sequence[int] = ()) -> bool:
        """Send, or keep; False if it is neither, because it may be lost.

        Args:
            message: To the supervisor.
            fds: Stay the caller's, who may close them at once.

        Raises:
            LinkClosedError: The supervisor is gone.
            RingError: The message is larger than a packet may be.
        """
        if not self._kept and self._link.send(message, fds):
            return True
        if message.may_be_lost:
            return False
        if not self._kept:
            self._wake.modify(self._link, select.EPOLLIN | select.EPOLLOUT)
        self._kept.append((message, [os.dup(fd) for fd in fds]))
        return True

    def flush(self) -> None:
        """Send what was kept, as far as there is room.

        Raises:
            LinkClosedError: The supervisor is gone.
        """
        if not self._kept:
            return
        while self._kept:
            message, fds = self._kept[0]
            if not self._link.send(message, fds):
                return
            self._kept.popleft()
            close_all(fds)
        self._wake.modify(self._link, select.EPOLLIN)

    def drain(self, timeout_s: float) -> None:
        """Send what was kept, waiting a while for room: the process is to end."""
        until = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._link, select.POLLOUT)
        with suppress(LinkClosedError):
            self.flush()
            while self._kept and (left_s := until - time.monotonic()) > 0:
                poll.poll(left_s * 1000)
                self.flush()

    def close(self) -> None:
        """Give up what is kept; the link stays open. May be called twice."""
        while self._kept:
            close_all(self._kept.popleft()[1])
        self._wake.close()
