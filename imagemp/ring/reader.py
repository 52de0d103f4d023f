"""A reader's end of a ring: frames in place, read-only.

Role R of docs/ring.md. `EveryReader` misses none, `LatestReader` gives the newest
only. Waiting is the caller's: `fileno()` is readable when a frame may be there,
and `take()` is the read that makes it so.
"""

import os
import select
import time
from collections import deque

import numpy as np

from imagemp.errors import Evicted
from imagemp.frames import AnyArray, Frame, FrameLayout
from imagemp.link import close_all
from imagemp.spec import FrameSpec

from .desc import Descriptions
from .segment import Segment

_write_counter = os.eventfd_write
_read_counter = os.eventfd_read


class Reader:
    """What both kinds of reader share: counters, and slots as frames.

    Args:
        segment: From `Segment.attach`; the reader closes it.
        spec: What the frames look like.
        ready: Eventfd, producer to reader; the reader owns it from now on.
        done: Eventfd, reader to producer; likewise.
        evicted: Eventfd, -1 for a reader that is never evicted; likewise.

    Attributes:
        place: The number of its place, as the supervisor has it.
    """

    place: int = -1

    def __init__(
        self,
        segment: Segment,
        spec: FrameSpec,
        ready: int,
        done: int,
        evicted: int = -1,
    ) -> None:
        self.segment, self.layout = segment, FrameLayout.of(spec)
        self.ready, self.done, self.evicted = ready, done, evicted
        self.was_evicted = False
        self.end: int | None = None
        self._views: dict[int, dict[str, AnyArray]] = {}
        self._desc = Descriptions(segment, spec)
        self._order, self._mask = segment.order, segment.geometry.mask
        self._out: deque[Frame] = deque()  # taken and not released, oldest first
        self._back: set[int] = set()  # released out of turn, by index

    def fileno(self) -> int:
        """Readable when a frame may be there."""
        return self.ready

    def filenos(self) -> list[int]:
        """What to wait for: a frame may be there, or this reader was evicted."""
        return [fd for fd in (self.ready, self.evicted) if fd >= 0]

    def take(self) -> Frame | None:
        """Give the next frame, or None: wait for `fileno()`."""
        raise NotImplementedError

    def finish(self, end: int, base: int = -1) -> None:
        """No frame from `end` on will come in this epoch.

        Args:
            end: Index of the first frame of the next epoch.
            base: Where this reader stands if `ready` has not told; `end` if it has
                nothing in the epoch of a dead producer, -1 if a live one will tell.
        """
        raise NotImplementedError

    @property
    def is_finished(self) -> bool:
        """Whether every frame of the epoch has been taken."""
        raise NotImplementedError

    @property
    def is_pending(self) -> bool:
        """Whether `take` has something to do though `fileno()` is silent."""
        raise NotImplementedError

    def release(self, frame: Frame) -> None:
        """Give a frame back; its arrays must not be used any more.

        The producer hears of it when all frames taken before are back too.

        Raises:
            Evicted: The frame may have been overwritten while it was in use.
        """
        if self.done < 0:  # closed: its epoch is over
            return
        if self.evicted >= 0:
            self.check_evicted()
        out, back = self._out, self._back
        if not back and out and out[0] is frame:  # in turn, as most are
            out.popleft()
            _write_counter(self.done, 1)
            return
        back.add(frame.info.index)
        n = 0
        while back and out and (index := out[0].info.index) in back:
            out.popleft()
            back.discard(index)
            n += 1
        if n:
            _write_counter(self.done, n)

    def copy(self, frame: Frame) -> Frame:
        """Copy a frame and make sure that the copy is whole.

        Raises:
            Evicted: It is not.
        """
        copied = Frame.copy(frame)
        self.check_evicted()
        return copied

    def check_evicted(self) -> None:
        """Raise `Evicted` if the producer has taken this reader's slots."""
        if self.evicted < 0:
            return
        if not self.was_evicted:
            try:
                _read_counter(self.evicted)
            except BlockingIOError:
                return
            self.was_evicted = True
        raise Evicted("too far behind: the slots were needed", "attach anew")

    @property
    def is_out(self) -> bool:
        """Whether a frame was taken and has not been released."""
        return bool(self._out)

    def close(self) -> None:
        """Close the counters and unmap. May be called twice."""
        close_all((self.ready, self.done, self.evicted))
        self.ready = self.done = self.evicted = -1
        self._views.clear()
        self._out.clear()
        self.segment.close()

    def _frame(self, slot: int) -> Frame:
        views = self._views.get(slot) or self._map(slot)
        frame = Frame(views, self._desc.read(slot))
        self._out.append(frame)
        return frame

    def _map(self, slot: int) -> dict[str, AnyArray]:
        raw = np.frombuffer(self.segment.slot(slot), np.uint8)
        views = self._views[slot] = self.layout.views(raw)
        return views


class EveryReader(Reader):
    """Gives every frame, in order.

    Attributes:
        next: Index of the next frame to give, -1 while unknown.
    """

    next: int = -1
    _granted: int = 0

    def take(self) -> Frame | None:
        if self.evicted >= 0:
            self.check_evicted()
        if not 0 <= self.next < self._granted and not self._hear():
            return None
        index = self.next
        self.next = index + 1
        return self._frame(self._order[index & self._mask])

    def finish(self, end: int, base: int = -1) -> None:
        if self.next < 0:
            self._hear()
        if self.next < 0:
            self.next = base
        self.end = self._granted = end

    def wait_granted(self, index: int, timeout_s: float) -> int:
        """Wait until all frames before `index` are granted; give how far they are."""
        until = time.monotonic() + timeout_s
        while self._granted < index and (left := until - time.monotonic()) > 0:
            if select.select([self.ready], [], [], left)[0]:
                self._hear()
        return self._granted

    @property
    def is_finished(self) -> bool:
        return self.end is not None and self.next >= self.end

    @property
    def is_pending(self) -> bool:
        return 0 <= self.next < self._granted

    def _hear(self) -> bool:
        """Read `ready`: how many more frames are this reader's."""
        if self.end is not None and self.next >= 0:
            return self.next < self.end
        try:
            n = _read_counter(self.ready)
        except BlockingIOError:
            return False
        if self.next < 0:
            self.next = self._granted = (n >> 16) - 1
            n &= 0xFFFF
        self._granted = self._granted + n if self.end is None else self.end
        return self.next < self._granted


class LatestReader(Reader):
    """Gives the newest frame only, and never an old one twice."""

    _over: bool = False

    def take(self) -> Frame | None:
        self.check_evicted()
        try:
            value = _read_counter(self.ready) - 1
        except BlockingIOError:
            self._over = self.end is not None
            return None
        return self._frame(value & 0xFFFF)

    def finish(self, end: int, base: int = -1) -> None:  # noqa: ARG002 - EveryReader's
        self.end = end

    @property
    def is_finished(self) -> bool:
        return self._over

    @property
    def is_pending(self) -> bool:
        return self.end is not None and not self._over
