"""The encoder worker: ring > recording. It never skips a frame unseen.

It keeps the session's folder: pages, frame log and manifest. When the supervisor
dies it drains what was published, closes its files and leaves.
"""

import errno
import logging
import signal
from typing import Any, ClassVar

import msgspec

from imagemp.errors import DiskError, FrameShapeError, ImagempError
from imagemp.frames import Frame, spec_of
from imagemp.link import Link
from imagemp.recording.manifest import RecordedFile
from imagemp.recording.plan import RecordingPlan
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec

from .consumer import Consumer
from .inline import InlineCallbacks
from .orders import (
    Deliver,
    Event,
    Failed,
    Finalise,
    Finished,
    OpenSession,
    Speak,
    ToWorker,
)
from .papers import EncoderPlan, Papers

log = logging.getLogger(__name__)
STEP_S = 30  # a step of the encoder that takes longer leaves its stack and dies
ORPHAN_S = 10.0  # for what was published to be granted
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Encoder(Consumer):
    """Links a page for each frame, and releases the frame after."""

    kind: ClassVar[str] = "encoder"
    outlives: ClassVar[bool] = True

    def __init__(self, link: Link[ToWorker]) -> None:
        super().__init__(link)
        self.plan: EncoderPlan | None = None
        self.papers: Papers | None = None
        self.recording: Recording | None = None
        self.inline = InlineCallbacks(self.tell)
        self._resumed = self._is_orphan = self._is_finalised = False
        self._failure = ""  # the cause all further frames are skipped under
        self._fps = 0.0

    # -- a session

    def open(self, order: OpenSession) -> str:
        self._let_go()
        self.plan = plan = msgspec.convert(order.config, EncoderPlan)
        self._failure, self._resumed, self._is_finalised = "", order.resume, False
        self.inline.load(plan.callbacks, plan.input)
        if order.resume:
            self.papers = Papers.resume(plan, order.session)
            self._resume(self.papers, order)
        else:
            self.papers = Papers.create(plan, order.session, order.started_unix_ns)
        return str(self.papers.path)

    def begin(self, spec: FrameSpec) -> None:
        self._fps = self.feed.fps
        self.inline.open(spec)
        if not self.inline.input:
            self._start_recording(spec)

    def handle(self, frame: Frame) -> str | None:
        signal.alarm(STEP_S)
        try:
            is_newest = not self.feed.is_pending
            result, cause = self.inline.process(frame, is_newest=is_newest)
            return cause or self._failure or self._append(result)
        finally:
            signal.alarm(0)

    def finish(self) -> None:
        self.inline.close()
        if self.recording is not None:
            try:
                self.recording.close()
            except DiskError as error:
                self._fail(error)
        if self._is_orphan:
            self._abandon()
            self.leaving = True

    def numbers(self) -> dict[str, Any]:
        numbers: dict[str, Any] = {"callbacks": self.inline.numbers()}
        if self.recording is not None:
            numbers["bytes"] = self.recording.bytes_written
        if self.papers is not None:
            numbers["disk_free"] = self.papers.disk_free
        return numbers

    @property
    def durable(self) -> int:
        return self.recording.durable if self.recording is not None else 0

    def broken(self, order: OpenSession, error: Exception) -> None:
        self._let_go()
        if not isinstance(error, ImagempError):
            log.error("session cannot begin", exc_info=error)
        code = error.code if isinstance(error, ImagempError) else "E_CALLBACK"
        hint = error.hint if isinstance(error, ImagempError) else ""
        self.tell(Failed(order.session, code, str(error), hint))

    def tear_down(self) -> None:
        if self.leaving:
            self._abandon()
        self.feed.clear()
        self._let_go()

    # -- orders

    def on_speak(self, order: Speak, fds: list[int]) -> None:
        self.inline.speak_to(order.callback, fds[0])

    def on_deliver(self, order: Deliver, _fds: list[int]) -> None:
        self.inline.message(order.callback, order.body)

    def on_open_session(self, order: OpenSession, fds: list[int]) -> None:
        self._abandon()
        super().on_open_session(order, fds)

    def on_finalise(self, order: Finalise, _fds: list[int]) -> None:
        if self.papers is None:
            return
        self.papers.finalise(order, self._files())
        self._is_finalised = True
        session, self.session = self.session, ""
        self._let_go()
        self.feed.clear()
        self.tell(Finished(session))

    def on_supervisor_gone(self) -> None:
        """Drain what was published before the end, then leave."""
        if self._is_orphan:
            return  # draining; every report that fails brings us here
        if not self.session:
            self.leaving = True
            return
        self._is_orphan = True
        if self._is_drained:
            self.finish()
            return
        lost = self.feed.outlive(ORPHAN_S)
        log.warning("supervisor gone: draining to frame %d", self.feed.end_index)
        if lost:
            self.skip("undrained", lost)

    def serve_link(self) -> None:
        if not self._is_orphan:
            super().serve_link()

    # -- the recording

    def _resume(self, papers: Papers, order: OpenSession) -> None:
        self.skipped.update(order.counts.get("skipped", {}))
        self.handled = order.counts.get("handled", 0)
        if (spec := papers.spec()) is not None:
            self._start_recording(spec)
        self.inline.resume(self.handled, order.counts)

    def _start_recording(self, spec: FrameSpec) -> None:
        assert self.plan is not None
        assert self.papers is not None
        if self.recording is not None:
            return
        self.papers.note_spec(spec)
        plan = RecordingPlan(
            spec,
            self._fps,
            {"session": self.session, "config": self.plan.config},
            self.plan.limits,
            self.plan.name,
            self.plan.sync_ms,
        )
        make = Recording.resume if self._resumed else Recording.create
        self.recording = make(self.papers.path, plan)
        if self._resumed:
            self._take_over(self.recording)

    def _take_over(self, recording: Recording) -> None:
        """Count what the process before has recorded, and nothing twice."""
        self.recorded = recording.recorded
        self.handled = max(self.handled, recording.next_index)
        self.go_on_from(self.handled)
        unknown = self.handled - self.recorded - sum(self.skipped.values())
        if unknown > 0:
            self.skipped["filtered" if self.inline.input else "disk_error"] += unknown

    def _append(self, frame: Frame) -> str:
        info = frame.info
        try:
            if self.recording is None:
                self._start_recording(spec_of(frame.planes))
            assert self.recording is not None
            self.recording.append(frame, info.ring_used, info.overflow_used)
        except DiskError as error:
            return self._fail(error)
        except FrameShapeError as error:  # only a callback can give another shape
            return self.inline.refuse(error)
        return ""

    def _fail(self, error: DiskError) -> str:
        """The disk takes no more: the session ends, each frame is counted."""
        self._failure = "disk_full" if error.errno in _FULL else "disk_error"
        log.error("recording stopped: %s", error)
        self.tell(Event(self._failure, {"message": str(error)}))
        self.tell(Failed(self.session, error.code, str(error), error.hint))
        return self._failure

    def _files(self) -> list[RecordedFile]:
        return self.recording.files() if self.recording is not None else []

    def _abandon(self) -> None:
        """Nobody came to finalise the session that was on: its manifest says so."""
        if self.papers is None or self.plan is None or self._is_finalised:
            return
        line = {
            "recorded": self.recorded,
            "durable": self.durable,
            "skipped": dict(self.skipped),
            "in_flight": 0,
        }
        self.papers.abandon({"encoders": {self.plan.name: line}}, self._files())

    def _let_go(self) -> None:
        self.inline.close()
        if self.recording is not None:
            try:
                self.recording.close()
            except DiskError as error:
                log.error("recording not closed: %s", error)
            self.recording = None
        if self.papers is not None:
            self.papers.close()
            self.papers = None
