"""Live frames of a running daemon, in any program.

    with Receiver("cam0") as frames:
        for frame in frames:
            show(frame.image)

Frames are read-only views of the daemon's own ring: nothing is copied, and nothing
a receiver does costs the recording a frame. One that lags too far is evicted.
"""

import asyncio
import select
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal, Self

from . import paths
from .connection import Connection
from .errors import ControlError, Evicted, LinkClosedError
from .link import close_all
from .received import ReceivedFrame
from .ring.feed import Feed
from .ring.handover import Again, Ask, Begin, End, Enter, Refused, ToOutside
from .ring.reader import Reader
from .spec import FrameSpec

ADMITTED_S = 5.0
GRANTED_S = 1.0  # for what a dead producer had published


class Receiver:
    """Takes the frames of one pipeline, session after session. For one thread.

    Args:
        pipeline: Whose frames.
        policy: `latest`: the newest only, each once. `every`: all of them.
        ring: `source`, or `callback:NAME` for what a callback returns.
        follow: Go on over the end of a session, and of the daemon.
        runtime_dir: The daemon's runtime directory, if it is not the usual one.

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
        runtime_dir: str | Path | None = None,
    ) -> None:
        self._policy, self._follow = policy, follow
        self.session, self.evictions = "", 0
        self._feeds: deque[tuple[str, Feed]] = deque()
        self._current: ReceivedFrame | None = None
        self._connection = Connection(
            paths.frames_socket(paths.runtime_dir(runtime_dir)),
            Ask(pipeline, policy, ring),
            comes_back=follow,
        )
        self._poll = select.epoll()
        self._listened = -1
        self._watched: tuple[Reader, select.epoll] | None = None
        self._refused: Refused | None = None
        try:
            self._listen()
            self._poll.poll(ADMITTED_S)
            self._serve()
            self._check_refused()
            self._connection.check()
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
        if self._follow and not self._poll.closed:
            return False
        if self._feeds:
            return self._feeds[0][1].is_finished
        return not self._connection.is_open

    def fileno(self) -> int:
        """For event loops: call `receive(0)` until it gives None, then wait for this.

        Not the other way round: who has not asked for a frame is not woken.
        A daemon that is away is only looked for when `receive` is called.
        """
        return self._poll.fileno()

    def receive(self, timeout_s: float | None = None) -> ReceivedFrame | None:
        """Wait for the next frame; the one before is released.

        Args:
            timeout_s: None: for ever; 0: do not wait.

        Returns:
            None when the time is over, or when `is_over`.

        Raises:
            Evicted: `every` only: frames are lost to this receiver; go on.
            ControlError: Its pipeline or ring is gone from the configuration.
        """
        self._release_current()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._serve()
            if (frame := self._take()) is not None:
                return frame
            self._check_refused()
            if self.is_over:
                self._connection.close()  # its place is free for another
                return None
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._wait(left)

    def __iter__(self) -> Iterator[ReceivedFrame]:
        while (frame := self.receive()) is not None:
            yield frame

    async def __aiter__(self) -> AsyncIterator[ReceivedFrame]:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        while True:
            frame = self.receive(0)
            if frame is not None:
                yield frame
                await asyncio.sleep(0)  # others have a turn, however far we lag
            elif self.is_over:
                return
            else:
                readable.clear()
                loop.add_reader(self, readable.set)
                try:
                    await asyncio.wait_for(readable.wait(), self._connection.retry_s)
                except TimeoutError:
                    pass  # the daemon is away: look whether it is back
                finally:
                    loop.remove_reader(self)

    def close(self) -> None:
        """Leave; what was held goes back. May be called twice."""
        self._release_current()
        self._connection.close()
        for _, feed in self._feeds:
            feed.clear()
        self._feeds.clear()
        self._watch(None)
        self._poll.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- frames

    def _take(self) -> ReceivedFrame | None:
        while self._feeds:
            self.session, feed = self._feeds[0]
            try:
                frame = feed.take()
            except Evicted:
                self._attach_again(feed)
                if self._policy == "every":
                    raise
                return None
            self._watch(feed.reader)
            if frame is not None and feed.reader is not None:
                self._current = ReceivedFrame(frame, feed.reader)
                return self._current
            if not (feed.is_finished and self._follow and len(self._feeds) > 1):
                return None
            feed.clear()
            self._feeds.popleft()
        return None

    def _release_current(self) -> None:
        if self._current is not None:
            self._current.release()
            self._current = None

    def _attach_again(self, feed: Feed) -> None:
        self.evictions += 1
        self._watch(None)
        place = feed.reader.place if feed.reader is not None else -1
        feed.leave()
        self._connection.send(Again(self.session, place))

    # -- the daemon

    def _serve(self) -> None:
        """Hear everything the daemon has said."""
        try:
            while (received := self._connection.receive()) is not None:
                self._hear(*received)
        except LinkClosedError:
            for _, feed in self._feeds:
                _end(feed)
        self._listen()

    def _hear(self, message: ToOutside, fds: list[int]) -> None:
        if isinstance(message, Enter) and self._feeds:
            self._feeds[-1][1].enter(message, fds)
            return
        close_all(fds)
        if isinstance(message, Begin):
            for _, feed in self._feeds:
                _end(feed)  # an evicted one has not heard of its end
            self._feeds.append((message.session, Feed()))
        elif isinstance(message, End) and self._feeds:
            self._feeds[-1][1].end(message)
        elif isinstance(message, Refused):
            self._refused = message
            self._connection.close()
            for _, feed in self._feeds:
                _end(feed)

    def _check_refused(self) -> None:
        """Raise if the daemon will give no more, and this was not the end anyhow."""
        if (why := self._refused) is not None and (self._follow or not self._feeds):
            self.close()
            raise ControlError(why.code, why.message, why.hint)

    # -- waiting

    def _wait(self, left_s: float | None) -> None:
        waits = [s for s in (left_s, self._connection.retry_s) if s is not None]
        self._poll.poll(min(waits) if waits else None)

    def _listen(self) -> None:
        """Wake for the daemon; the kernel forgets a closed connection by itself."""
        fd = self._connection.fileno()
        if fd >= 0 and fd != self._listened:
            self._poll.register(fd, select.EPOLLIN)
        self._listened = fd

    def _watch(self, reader: Reader | None) -> None:
        """Wake for the counters of the current epoch as well.

        They are shared with the producer, so that a closed one would stay in our
        poll for ever: each reader has a poll of its own, that is closed with it. One
        that is finished may have grants that nobody reads: it would never sleep.
        """
        wanted = reader if reader is not None and not reader.is_finished else None
        if self._watched is not None:
            if self._watched[0] is wanted:
                return
            self._watched[1].close()
            self._watched = None
        if wanted is not None:
            inner = select.epoll()
            for fd in wanted.filenos():
                inner.register(fd, select.EPOLLIN)
            self._watched = wanted, inner
            self._poll.register(inner, select.EPOLLIN)


def _end(feed: Feed) -> None:
    """No more comes of this session: what was published is what there is."""
    if not feed.is_finished:
        feed.outlive(GRANTED_S)
