"""All frames of one place in a ring, across the epochs of a session.

When the producer is restarted there is a new ring; a feed finishes the old one
and goes on in the next, so that whoever reads it need not know.
"""

from collections import deque
from collections.abc import Sequence

from imagemp.frames import Frame
from imagemp.spec import FrameSpec

from .handover import End, Enter
from .layout import PUBLISHED
from .reader import EveryReader, LatestReader, Reader
from .segment import Segment


class Feed:
    """The epochs that this place has not finished, oldest first.

    Attributes:
        spec: What the frames of the current epoch look like; None before any.
        fps: Their nominal rate; 0.0 if there is none.
        end_index: Where the stream ends, once that is known.
    """

    def __init__(self) -> None:
        self.spec: FrameSpec | None = None
        self.fps = 0.0
        self.end_index = 0
        self._epochs: deque[tuple[int, Reader, FrameSpec, float]] = deque()
        self._past: deque[tuple[int, Reader]] = deque()  # frames of these are out
        self._last_ended = False

    @property
    def reader(self) -> Reader | None:
        """The reader of the current epoch."""
        return self._epochs[0][1] if self._epochs else None

    @property
    def epoch(self) -> int:
        """The number of the oldest epoch that is not finished, -1 before any."""
        if self._past:
            return self._past[0][0]
        return self._epochs[0][0] if self._epochs else -1

    @property
    def is_finished(self) -> bool:
        """Whether the stream has ended and every frame of it was taken."""
        if not self._last_ended:
            return False
        return all(reader.is_finished for _, reader, _, _ in self._epochs)

    @property
    def is_pending(self) -> bool:
        """Whether `take` has something to do though `fileno()` is silent."""
        reader = self.reader
        if reader is None:
            return False
        return reader.is_pending or (reader.is_finished and len(self._epochs) > 1)

    @property
    def newest(self) -> Segment | None:
        """The memory of the newest epoch; None before any."""
        return self._epochs[-1][1].segment if self._epochs else None

    @property
    def published(self) -> int:
        """How many frames there have been so far; 0 before any epoch."""
        if not self._epochs:
            return 0
        return int(self._epochs[-1][1].segment.cells[PUBLISHED])

    def fileno(self) -> int:
        """Readable when a frame may be there; -1 while there is no epoch."""
        reader = self.reader
        return reader.fileno() if reader is not None else -1

    def enter(self, enter: Enter, fds: Sequence[int]) -> None:
        """Append an epoch; the descriptors become this feed's.

        The same epoch again: this reader was evicted from it and attached anew.
        """
        while self._epochs and self._epochs[-1][0] == enter.epoch:
            self._epochs.pop()[1].close()
        ring, *rest = fds
        overflow = rest.pop(0) if enter.has_overflow else -1
        kind = EveryReader if enter.policy == "every" else LatestReader
        spec = FrameSpec.from_plain(enter.spec)
        reader = kind(Segment.attach(ring, overflow), spec, *rest)
        reader.place = enter.place
        self._epochs.append((enter.epoch, reader, spec, enter.fps))
        if len(self._epochs) == 1:
            self.spec, self.fps = spec, enter.fps

    def end(self, end: End) -> None:
        """An epoch ends, and the stream with it if it is the last one."""
        for number, reader, _, _ in self._epochs:
            if number == end.epoch:
                reader.finish(end.index, end.base)
        self._last_ended, self.end_index = end.last, end.index

    def take(self) -> Frame | None:
        """Give the next frame, or None: wait for `fileno()`."""
        while (reader := self.reader) is not None:
            frame = reader.take()
            if frame is not None:
                return frame
            if not reader.is_finished or len(self._epochs) == 1:
                return None
            self._leave_epoch()
        return None

    def release(self, frame: Frame) -> None:
        """Give back a frame that `take` gave."""
        if self._past:
            self._release_past(frame)
        elif (reader := self.reader) is not None:
            reader.release(frame)

    def copy(self, frame: Frame) -> Frame:
        """Give a copy of a frame that `take` gave, known to be whole.

        Raises:
            Evicted: It was overwritten meanwhile.
        """
        reader = self.reader
        return reader.copy(frame) if reader is not None else frame.copy()

    def leave(self) -> None:
        """Forget the current epoch: this reader was evicted from it."""
        if self._epochs:
            self._epochs.popleft()[1].close()

    def outlive(self, timeout_s: float) -> int:
        """The producer dies and nobody tells where it ended: find out.

        `published` says how far it came, but only `ready` makes the frames ours
        (docs/ring.md); so this waits until as many have been granted.

        Returns:
            How many were published and not granted in time; they are lost.
        """
        if not self._epochs:
            self._last_ended = True
            return 0
        epoch, reader, _, _ = self._epochs[-1]
        index = int(reader.segment.cells[PUBLISHED])
        granted = index
        if isinstance(reader, EveryReader):
            granted = reader.wait_granted(index, timeout_s)
        self.end(End(epoch, granted, base=granted))
        return index - granted

    def clear(self) -> None:
        """Close every epoch: the session is over for this place."""
        while self._past:
            self._past.popleft()[1].close()
        while self._epochs:
            self._epochs.popleft()[1].close()
        self.spec, self._last_ended, self.end_index = None, False, 0

    def _leave_epoch(self) -> None:
        """Go on in the next epoch; the memory stays while frames of it are out."""
        number, reader, _, _ = self._epochs.popleft()
        self._past.append((number, reader))
        self._close_past()
        _, _, self.spec, self.fps = self._epochs[0]

    def _release_past(self, frame: Frame) -> None:
        index = frame.info.index
        past = (reader for _, reader in self._past)
        older = next((r for r in past if r.end is None or index < r.end), self.reader)
        if older is not None:
            older.release(frame)
        self._close_past()

    def _close_past(self) -> None:
        while self._past and not self._past[0][1].is_out:
            self._past.popleft()[1].close()
