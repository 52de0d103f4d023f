"""An encoder's recording, and its frames that are on their way there.

Frames are settled in the order in which they came, whatever became of each: so one
number, how many were handled, tells a successor where to go on.
"""

import signal
from collections import deque
from collections.abc import Callable
from typing import Any

from imagemp.errors import DiskError
from imagemp.frames import Frame
from imagemp.recording.manifest import RecordedFile
from imagemp.recording.writer import Recording

STEP_S = 30  # a step of the encoder that takes longer leaves its stack and dies


class Alarm:
    """Ends the process if what is done inside takes too long; a step may have steps."""

    def __init__(self) -> None:
        self._depth = 0

    def __enter__(self) -> None:
        if not self._depth:
            signal.alarm(STEP_S)
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            signal.alarm(0)


ALARM = Alarm()


class Recorder:
    """Has frames recorded, and settles them when they are.

    Args:
        settle: Accounts for a frame and gives it back to its ring.
        fail: Told what the disk said; gives the cause to skip frames under.

    Attributes:
        recording: None before it has begun, and after it was closed.
        spare: Frames that the ring can do without; no more are in flight.
        failure: The cause all further frames are skipped under; "" without one.
    """

    def __init__(
        self, settle: Callable[[Frame, str], None], fail: Callable[[DiskError], str]
    ) -> None:
        self.recording: Recording | None = None
        self.spare, self.failure = 1, ""
        self._settle, self._fail = settle, fail
        self._waiting: deque[tuple[Frame, str | None]] = deque()

    @property
    def in_flight(self) -> int:
        """Frames that were submitted and are not yet recorded."""
        return self.recording.in_flight if self.recording is not None else 0

    @property
    def durable(self) -> int:
        """Recorded frames that would outlive a power cut."""
        return self.recording.durable if self.recording is not None else 0

    def numbers(self) -> dict[str, Any]:
        """Give the size of the recording, and how late it is on the disk."""
        if self.recording is None:
            return {}
        lag_ms = round(self.recording.durable_lag_s * 1000, 1)
        return {"bytes": self.recording.bytes_written, "durable_lag_ms": lag_ms}

    def files(self) -> list[RecordedFile]:
        """Give all files of the recording, if there is one."""
        return self.recording.files() if self.recording is not None else []

    def fileno(self) -> int:
        """Readable when `settle_ready` has something to do."""
        return self.recording.fileno() if self.recording is not None else -1

    def submit(self, frame: Frame) -> str | None:
        """Have a frame recorded: "" if it is, None if it is in flight, else why not.

        Raises:
            FrameShapeError: It has other planes than the recording.
        """
        assert self.recording is not None
        try:
            self._make_room(self.recording)
            return self.failure or ("" if self.recording.submit(frame) else None)
        except DiskError as error:
            return self.fail(error)

    def turn(self, frame: Frame, cause: str | None) -> str | None:
        """Give the cause back if it is this frame's turn to be settled; else keep it.

        Args:
            frame: The newest.
            cause: None: it is in flight; "": it is recorded; else why it is skipped.
        """
        if cause is not None and not self._waiting:
            return cause
        self._waiting.append((frame, cause))
        return None

    def settle_ready(self) -> None:
        """Record and settle what is compressed by now."""
        while self._settle_one(wait=False):
            pass

    def settle_all(self) -> None:
        """Record and settle all that is in flight."""
        while self._settle_one(wait=True):
            pass

    def fail(self, error: DiskError) -> str:
        """The disk takes no more: what is in flight is skipped too. Give the cause."""
        self.failure = self._fail(error)
        while self._waiting:
            frame, cause = self._waiting.popleft()
            self._settle(frame, cause or self.failure)
        return self.failure

    def close(self) -> None:
        """Settle what is in flight, and close. May be called twice.

        Raises:
            DiskError: It could not be made durable.
        """
        self.settle_all()
        if self.recording is not None:
            self.recording.close()

    def reset(self) -> None:
        """Forget the recording, which is closed: the session is over."""
        self.recording, self.failure = None, ""
        self._waiting.clear()

    def _make_room(self, recording: Recording) -> None:
        most = min(recording.most_in_flight, self.spare)
        while recording.in_flight >= most > 0 and self._settle_one(wait=True):
            pass

    def _settle_one(self, *, wait: bool) -> bool:
        """Record the oldest frame in flight; False if there is none, or not yet."""
        if self.recording is None or not self.recording.in_flight:
            return False
        try:
            with ALARM:
                if self.recording.settle(wait=wait) is None:
                    return False
        except DiskError as error:
            self.fail(error)
            return False
        self._settle_oldest()
        return True

    def _settle_oldest(self) -> None:
        """Settle the frame that was recorded, and those skipped right behind it."""
        frame, _ = self._waiting.popleft()
        self._settle(frame, "")
        while self._waiting and (cause := self._waiting[0][1]) is not None:
            self._settle(self._waiting.popleft()[0], cause)
