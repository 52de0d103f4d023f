"""What was recorded of each span: told when its last frame has been dealt with."""

from collections.abc import Callable
from pathlib import Path

from imagemp.frames import FrameInfo
from imagemp.recording.folder import log_path
from imagemp.recording.lookup import Found, Row, find
from imagemp.recording.writer import Recording

from .gate import FOREVER, PlainSpans
from .orders import SpanRecorded, Told

FLUSH_S = 2.0  # for the rows of what a process before has recorded


class SpanLog:
    """The spans of one session that are not yet complete.

    Args:
        session: Its id.
        tell: Sends to the supervisor.

    Attributes:
        spans: In order.
    """

    def __init__(self, session: str, tell: Callable[[Told], object]) -> None:
        self.spans: list[tuple[int, int]] = []
        self._session, self._tell = session, tell
        self._found = Found()
        self._until_ns = 0  # all before has been told
        self._unknown_ns = 0  # what arrived before this was recorded unseen

    def want(self, spans: PlainSpans) -> None:
        """These are the spans from now on; what has been told is not told again."""
        until = self._until_ns
        self.spans = [(max(a, until), b) for a, b in spans if b > until]

    def take_over(self, recording: Recording, now_ns: int) -> None:
        """Frames were recorded before this began to look."""
        self._unknown_ns = now_ns if recording.recorded else 0

    def recorded(self, info: FrameInfo, recording: Recording) -> None:
        """A frame has been recorded, in the order of their coming."""
        arrival = info.t_arrival_ns
        while len(self.spans) > 1 and self.spans[1][0] <= arrival:
            self._close(recording)
        file, page = recording.last_place
        self._found.add(Row(info.seq, file, page, arrival))

    def skipped(self, info: FrameInfo, recording: Recording | None) -> None:
        """A frame has been let go: what ended before it is complete."""
        while self.spans and self.spans[0][1] <= info.t_arrival_ns:
            self._close(recording)

    def end(self, recording: Recording | None) -> None:
        """No more frames come."""
        while self.spans:
            self._close(recording)

    def _close(self, recording: Recording | None) -> None:
        start, end = self.spans.pop(0)
        found, self._found = self._found, Found()
        if recording is not None and start < self._unknown_ns:
            found = self._look_up(recording, start) or found
        if found.last is not None:  # the order to stop came after a frame or two
            end = max(end, found.last.t_arrival_ns + 1)
        self._until_ns = end
        ends = [row for row in (found.first, found.last) if row is not None]
        self._tell(
            SpanRecorded(
                self._session,
                start,
                end,
                found.frames,
                [row.seq for row in ends],
                [row.file for row in ends],
                [row.page for row in ends],
            )
        )

    def _look_up(self, recording: Recording, start: int) -> Found | None:
        """Read in the frame log what this process has not seen."""
        recording.wait_durable(recording.recorded, FLUSH_S)
        path: Path = log_path(recording.folder, recording.plan.name)
        next_ns = self.spans[0][0] if self.spans else FOREVER
        try:
            return find(path, start, next_ns)
        except (OSError, ValueError):
            return None
