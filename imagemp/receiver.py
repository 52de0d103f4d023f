"""Live frames of a running daemon, in any program.

    with Receiver("cam0") as frames:
        for frame in frames:
            show(frame.image)

Frames are read-only views of the daemon's own ring: nothing is copied, and nothing
a receiver does costs the recording a frame. One that lags too far is evicted.
"""

import asyncio
import select
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal, Self

from .errors import ControlError, DaemonUnreachableError, Evicted, LinkClosedError
from .frames import Frame
from .link import Link, close_all
from .paths import frames_socket, runtime_dir
from .ring.feed import Feed
from .ring.handover import Again, Ask, Begin, End, Enter, Refused, ToOutside
from .ring.reader import Reader
from .spec import FrameSpec
from .wire import unreachable

ADMITTED_S = 5.0
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 2.0  # until a daemon that went away is back


class ReceivedFrame(Frame):
    """A frame in the ring: its arrays are valid until it is released.

    Attributes:
        is_whole: After release: whether it stayed untouched while it was in use.
            None before.
    """

    __slots__ = ("_reader", "is_whole")

    def __init__(self, frame: Frame, reader: Reader) -> None:
        super().__init__(frame.planes, frame.info)
        self._reader = reader
        self.is_whole: bool | None = None

    def copy(self) -> Frame:
        """Give a frame for keeping, that is known to be whole.

        Raises:
            Evicted: It was overwritten meanwhile.
        """
        return self._reader.copy(self)

    def release(self) -> bool:
        """Give it back; whether it was whole to the end. May be called twice."""
        if self.is_whole is None:
            try:
                self._reader.release(self)
            except Evicted:
                self.is_whole = False
            else:
                self.is_whole = True
        return self.is_whole

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Receiver:
    """Takes the frames of one pipeline, session after session.

    Args:
        pipeline: Whose frames.
        policy: `latest`: the newest only, each once. `every`: all of them.
        ring: `source`, or `callback:NAME` for what a callback returns.
        follow: Go on over the end of a session, and of the daemon.
        directory: The daemon's runtime directory, if it is not the usual one.

    Attributes:
        session: The session whose frames come; empty before the first.
        evictions: How often this receiver lagged too far.

    Raises:
        DaemonUnreachableError: No daemon is there.
        ControlError: It refuses; the message says why.
    """

    def __init__(
        self,
        pipeline: str,
        policy: Literal["every", "latest"] = "latest",
        *,
        ring: str = "source",
        follow: bool = False,
        directory: str | Path | None = None,
    ) -> None:
        self._ask = Ask(pipeline, policy, ring)
        self._path = frames_socket(runtime_dir(directory))
        self._follow = follow
        self.session, self.evictions = "", 0
        self._feeds: deque[tuple[str, Feed]] = deque()
        self._current: ReceivedFrame | None = None
        self._poll = select.epoll()
        self._inner: tuple[Reader, select.epoll] | None = None
        self._retry_s: float | None = None
        self._link: Link[ToOutside] | None = None
        try:
            self._connect()
            self._poll.poll(ADMITTED_S)
            self._serve()
        except BaseException:
            self.close()
            raise

    @property
    def spec(self) -> FrameSpec | None:
        """What the frames look like; None until a session has begun."""
        return self._feeds[0][1].spec if self._feeds else None

    @property
    def fps(self) -> float:
        """The source's nominal rate; 0.0 if it has none, or is not known yet."""
        return self._feeds[0][1].fps if self._feeds else 0.0

    @property
    def is_over(self) -> bool:
        """Whether no frame will ever come again."""
        if self._follow:
            return False
        has_had = bool(self.session)
        feed = self._feeds[0][1] if self._feeds else None
        if self._link is None:
            return feed is None or feed.is_finished
        return has_had and feed is not None and feed.is_finished

    def fileno(self) -> int:
        """Readable when `receive(0)` has something to do: for event loops."""
        return self._poll.fileno()

    def receive(self, timeout_s: float | None = None) -> ReceivedFrame | None:
        """Wait for the next frame; the one before is released.

        Args:
            timeout_s: None: for ever; 0: do not wait.

        Returns:
            None when the time is over, or when `is_over`.

        Raises:
            Evicted: `every` only: frames are lost to this receiver; go on.
        """
        self._release_current()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._serve()
            frame = self._take()
            if frame is not None or self.is_over:
                return frame
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._wait(left)

    def __iter__(self) -> Iterator[ReceivedFrame]:
        while (frame := self.receive()) is not None:
            yield frame

    async def __aiter__(self) -> AsyncIterator[ReceivedFrame]:
        loop = asyncio.get_running_loop()
        while True:
            frame = self.receive(0)
            if frame is not None:
                yield frame
            elif self.is_over:
                return
            else:
                readable = loop.create_future()
                loop.add_reader(self, readable.set_result, None)
                try:
                    await asyncio.wait_for(readable, self._retry_s)
                except TimeoutError:
                    pass  # the daemon is away: look whether it is back
                finally:
                    loop.remove_reader(self)

    def close(self) -> None:
        """Leave; what was held goes back. May be called twice."""
        self._current = None
        for _, feed in self._feeds:
            feed.clear()
        self._feeds.clear()
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._inner is not None:
            self._inner[1].close()
            self._inner = None
        self._poll.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- frames

    def _take(self) -> ReceivedFrame | None:
        while self._feeds:
            session, feed = self._feeds[0]
            self.session = session
            try:
                frame = feed.take()
            except Evicted:
                self._attach_again(feed)
                if self._ask.policy == "every":
                    raise
                return None
            self._watch()
            if frame is not None and feed.reader is not None:
                self._current = ReceivedFrame(frame, feed.reader)
                return self._current
            if not feed.is_finished or not self._may_go_on:
                return None
            feed.clear()
            self._feeds.popleft()
        return None

    @property
    def _may_go_on(self) -> bool:
        """Whether the next session's frames are wanted, or are here already."""
        return self._follow and len(self._feeds) > 1

    def _release_current(self) -> None:
        if self._current is not None:
            self._current.release()
            self._current = None

    def _attach_again(self, feed: Feed) -> None:
        self.evictions += 1
        feed.leave()
        self._watch()
        if self._link is not None:
            self._link.send(Again())

    # -- the connection

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if failed := sock.connect_ex(str(self._path)):
            sock.close()
            raise unreachable(self._path, failed)
        self._link, self._retry_s = Link(sock, ToOutside), None
        self._link.send(self._ask)
        self._poll.register(self._link, select.EPOLLIN)

    def _serve(self) -> None:
        """Hear everything the daemon has said."""
        if self._link is None:
            self._connect_again()
        while self._link is not None:
            try:
                received = self._link.receive()
            except LinkClosedError:
                self._lose_daemon()
                return
            if received is None:
                return
            self._hear(*received)

    def _hear(self, message: ToOutside, fds: list[int]) -> None:
        if isinstance(message, Enter):
            self._feeds[-1][1].enter(message, fds)
            self._watch()
            return
        close_all(fds)
        if isinstance(message, Begin):
            self._feeds.append((message.session, Feed()))
        elif isinstance(message, End):
            self._feeds[-1][1].end(message)
        elif isinstance(message, Refused):
            self.close()
            raise ControlError(message.code, message.message, message.hint)

    def _lose_daemon(self) -> None:
        """The daemon is gone: what it had published is still there."""
        if self._link is not None:
            self._link.close()  # nobody shares it: the kernel forgets it in our poll
            self._link = None
        self._retry_s = FIRST_RETRY_S if self._follow else None
        for _, feed in self._feeds:
            if (published := feed.published()) is not None:
                feed.end(End(*published))

    def _connect_again(self) -> None:
        if not self._follow or self._retry_s is None:
            return
        try:
            self._connect()
        except DaemonUnreachableError:
            self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)

    # -- waiting

    def _wait(self, left_s: float | None) -> None:
        waits = [s for s in (left_s, self._retry_s) if s is not None]
        self._poll.poll(min(waits) if waits else None)

    def _watch(self) -> None:
        """Wait for the counters of the current epoch as well.

        They are shared with the producer, so that a closed one would stay in our
        poll for ever: each reader has a poll of its own, that is closed with it.
        """
        reader = self._feeds[0][1].reader if self._feeds else None
        if self._inner is not None:
            if self._inner[0] is reader:
                return
            self._inner[1].close()
            self._inner = None
        if reader is not None:
            inner = select.epoll()
            for fd in reader.filenos():
                inner.register(fd, select.EPOLLIN)
            self._inner = reader, inner
            self._poll.register(inner, select.EPOLLIN)
