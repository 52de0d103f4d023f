"""A camera that gives a frame when the test says so."""

import os
import select
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from imagemp.daemon.sources.base import Grab, Source
from imagemp.frames import Frame
from imagemp.spec import FrameSpec

KIND = f"{__name__}:HandCamera"
DEAF = f"{__name__}:NotLive"


class HandCamera(Source):
    """Gives what it was given, one a grab; waits for it and for the wake.

    Attributes:
        made: All of them, the newest last.
        fails: What `retrieve` raises next.
    """

    made: ClassVar[list["HandCamera"]] = []
    fps = 10.0

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.notes = ["by hand"]
        self.fails: deque[Exception | None] = deque()
        self.closed = 0
        self._script: deque[Grab | Exception] = deque()
        self._there = os.eventfd(0, os.EFD_SEMAPHORE)
        self.made.append(self)

    def open(self) -> FrameSpec:
        if "raises" in self.settings:
            raise self.settings["raises"]
        return FrameSpec.image((64,))

    def grab(self, wake: int) -> Grab | None:
        poll = select.poll()
        poll.register(self._there, select.POLLIN)
        poll.register(wake, select.POLLIN)
        if all(fd != self._there for fd, _ in poll.poll()):
            return None
        os.eventfd_read(self._there)
        given = self._script.popleft()
        if isinstance(given, Exception):
            raise given
        return given

    def retrieve(self, frame: Frame) -> None:
        if self.fails and (error := self.fails.popleft()) is not None:
            raise error
        frame.image[:] = frame.info.seq % 251

    def close(self) -> None:
        if not self.closed:
            os.close(self._there)
        self.closed += 1

    def give(self, *what: Grab | Exception) -> None:
        """Let it give these next."""
        self._script.extend(what)
        os.eventfd_write(self._there, len(what))

    def give_frames(self, n: int, first_ns: int = 1_000_000_000) -> None:
        """Let it give frames, each a period after the one before."""
        self.give(*(Grab(first_ns + i * 100_000_000) for i in range(n)))


class NotLive(HandCamera):
    """What failed once would fail again."""

    is_live = False
