"""The encoder worker: ring > recording. It never skips a frame unseen.

It keeps the session's folder: pages, frame log and manifest. When the supervisor
dies it drains what was published, closes its files and leaves.
"""

import logging
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from imagemp.counts import EncoderCounts
from imagemp.errors import ConfigError, DiskError, FrameShapeError
from imagemp.frames import Frame
from imagemp.link import Link
from imagemp.recording.disk import cause_of
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec

from .consumer import Consumer
from .guard import DiskGuard
from .hold import Hold
from .inline import InlineCallbacks
from .orders import (
    Deliver,
    Discard,
    Event,
    Failed,
    Finalise,
    Finished,
    OpenSession,
    Speak,
    ToWorker,
    Want,
)
from .papers import EncoderPlan, Papers, check_needs, refusal
from .recorder import ALARM, Recorder

log = logging.getLogger(__name__)
ORPHAN_S = 10.0  # for what was published to be granted


class Encoder(Consumer):
    """Links a page for each frame, and releases the frame after."""

    kind: ClassVar[str] = "encoder"
    outlives: ClassVar[bool] = True

    def __init__(self, link: Link[ToWorker]) -> None:
        super().__init__(link)
        self.plan: EncoderPlan | None = None
        self.papers: Papers | None = None
        self.guard: DiskGuard | None = None
        self.inline = InlineCallbacks(self.tell)
        self.recorder = Recorder(self.settle, self._fail)
        self.hold = Hold(self.feed, self._record, self.settle, self.tell)
        self._resumed = self._is_orphan = self._is_finalised = False
        self._fps = 0.0

    # -- a session

    def open(self, order: OpenSession) -> str:
        self._let_go()
        self.plan = plan = msgspec.convert(order.config, EncoderPlan)
        self._resumed, self._is_finalised = order.resume, False
        self.inline.load(plan.callbacks, plan.input, order.session)
        self.hold.begin(plan, order.session, order.spans)
        whose = (plan.room, Path(plan.data_dir), plan.pipeline, order.session)
        self.guard = guard = DiskGuard(*whose, self.tell)
        if order.resume:
            self.papers = Papers.resume(plan, order.session)
            self._resume(self.papers, order)
        else:
            check_needs(plan)
            guard.make_room()
            self.papers = Papers.create(plan, order)
        guard.begin()
        return str(self.papers.path)

    def begin(self, spec: FrameSpec) -> None:
        self._fps = self.feed.fps
        if (segment := self.feed.newest) is not None:
            self.recorder.spare = max(1, segment.geometry.slots // 2)
        self.inline.open(spec)
        if not self.inline.input:
            try:
                self._start_recording(spec)
            except ConfigError as error:
                self._refuse(error)

    def handle(self, frame: Frame) -> str | None:
        with ALARM:
            is_newest = not self.feed.is_pending
            result, skipped = self.inline.process(frame, is_newest=is_newest)
            if self.hold.is_idle:
                return self._record(frame, result, skipped)
            self.hold.add(frame, result, skipped)
            return None

    def settle(self, frame: Frame, cause: str = "") -> None:
        self.hold.settled(frame.info, cause, self.recorder.recording)
        super().settle(frame, cause)

    def finish(self) -> None:
        self.recorder.settle_all()
        self.hold.end(self.recorder.recording)
        self.inline.close()
        if self.guard is not None:
            self.guard.close()
        try:
            self.recorder.close()
        except DiskError as error:
            self.recorder.fail(error)
        if self._is_orphan:
            self._abandon()
            self.leaving = True

    def extra_files(self) -> list[Any]:
        is_watched = self.guard is not None and self.guard.is_open
        files: list[Any] = [self.guard] if is_watched else []
        return [*files, self.recorder] if self.recorder.in_flight else files

    def patience_s(self) -> float | None:
        return self.hold.patience_s()

    @property
    def gap_cause(self) -> str:
        return super().gap_cause if self.hold.is_idle else self.hold.cause

    def on_extra(self) -> None:
        self.recorder.settle_ready()
        self.hold.pass_some()
        if self.guard is not None and (error := self.guard.serve()) is not None:
            self.recorder.settle_all()
            if not self.recorder.failure:
                self.recorder.fail(error)

    def numbers(self) -> dict[str, Any]:
        numbers = {"callbacks": self.inline.numbers(), "seen": self.inline.seen}
        numbers |= self.hold.numbers() | self.recorder.numbers()
        if self.guard is not None:
            numbers["disk"] = self.guard.told
            if (recording := self.recorder.recording) is not None:
                waiting = self.feed.published - self.handled
                self.guard.mark(recording, waiting, self._fps)
        return numbers

    @property
    def durable(self) -> int:
        return self.recorder.durable

    def broken(self, order: OpenSession, error: Exception) -> None:
        self._let_go()
        self.tell(refusal(order.session, error))

    def tear_down(self) -> None:
        self.recorder.settle_all()
        if self.leaving:
            self._abandon()
        self.feed.clear()
        self._let_go()

    # -- orders

    def on_want(self, order: Want, _fds: list[int]) -> None:
        self.hold.want(order.spans, self.recorder.recording)

    def on_speak(self, order: Speak, fds: list[int]) -> None:
        self.inline.speak_to(order.callback, fds[0])

    def on_deliver(self, order: Deliver, _fds: list[int]) -> None:
        self.inline.message(order.callback, order.body)

    def on_discard(self, order: Discard, fds: list[int]) -> None:
        self.recorder.settle_all()
        self.hold.give_up()
        super().on_discard(order, fds)

    def on_open_session(self, order: OpenSession, fds: list[int]) -> None:
        self.recorder.settle_all()
        self._abandon()
        super().on_open_session(order, fds)

    def on_finalise(self, order: Finalise, _fds: list[int]) -> None:
        if self.papers is None:
            return
        self.papers.finalise(order, self.recorder.files())
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
            self.hold.hear()
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
        if self.recorder.recording is not None:
            return
        self.papers.note_spec(spec)
        plan = self.plan.recording(spec, self._fps, self.session)
        make = Recording.resume if self._resumed else Recording.create
        self.recorder.recording = recording = make(self.papers.path, plan)
        if self._resumed:
            self._take_over(recording)
            self.hold.take_over(recording)

    def _take_over(self, recording: Recording) -> None:
        """Count what the process before has recorded, and nothing twice."""
        self.recorded = recording.recorded
        self.handled = max(self.handled, recording.next_index)
        self.go_on_from(self.handled)
        unknown = self.handled - self.recorded - sum(self.skipped.values())
        if unknown > 0:
            cause = "filtered" if self.inline.input else "disk_error"
            self.skipped[cause if self.hold.is_idle else self.hold.cause] += unknown

    def _record(self, frame: Frame, result: Frame, skipped: str) -> str | None:
        """Have a frame recorded, or say why not; None: it is not settled yet."""
        cause = skipped or self.recorder.failure or self._submit(result)
        return self.recorder.turn(frame, cause)

    def _submit(self, frame: Frame) -> str | None:
        """Have a frame recorded: "" if it is, None if it is in flight, else why not."""
        try:
            if self.recorder.recording is None:
                self._start_recording(self.inline.spec_of(frame))
            return self.recorder.submit(frame)
        except ConfigError as error:
            return self._refuse(error)
        except DiskError as error:
            return self.recorder.fail(error)
        except FrameShapeError as error:  # only a callback can give another shape
            return self.inline.refuse(error)

    def _refuse(self, error: ConfigError) -> str:
        """Such frames cannot be recorded: the session ends."""
        self.tell(Failed(self.session, error.code, str(error), error.hint))
        self.recorder.failure = "undrained"
        return self.recorder.failure

    def _fail(self, error: DiskError) -> str:
        """The disk takes no more: the session ends, each frame is counted."""
        cause = cause_of(error)
        self.tell(Event(cause, {"message": str(error)}))
        self.tell(Failed(self.session, error.code, str(error), error.hint))
        return cause

    def _abandon(self) -> None:
        """Nobody came to finalise the session that was on: its manifest says so."""
        if self.papers is None or self.plan is None or self._is_finalised:
            return
        line = EncoderCounts(self.recorded, self.durable, dict(self.skipped), 0)
        counts = {"encoders": {self.plan.name: msgspec.to_builtins(line)}}
        self.papers.abandon(counts, self.recorder.files())

    def _let_go(self) -> None:
        self.inline.close()
        try:
            self.recorder.close()
        except DiskError as error:
            log.error("recording not closed: %s", error)
        self.recorder.reset()
        for held in (self.guard, self.papers):
            if held is not None:
                held.close()
        self.guard = self.papers = None
