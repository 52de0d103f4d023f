"""The capture worker: timetable > source > slot, one frame at a time.

One thread that runs Python. It serves its link between any two frames, and while
it waits for the camera or for a slot: a capture that is deaf in `grab` would
leave a reader's successor asleep with frames waiting.
"""

import logging
import select
import traceback
from typing import ClassVar

import msgspec

from imagemp.clock import boottime_ns
from imagemp.config import OverlayConfig
from imagemp.daemon.schedule import schedule_from
from imagemp.errors import ImagempError, SourceError
from imagemp.frames import Frame, FrameInfo
from imagemp.link import Link
from imagemp.ring.layout import LATE, NOT_WANTED
from imagemp.ring.writer import Writer, new_frame

from ..sources.base import BadFrameError, EndOfSource, Grab, Source
from ..sources.load import make_source
from ..sources.pace import Clock
from ..sources.threaded import Threaded
from .base import Worker
from .controls import set_controls
from .intake import Intake
from .orders import (
    Attach,
    Closed,
    Ended,
    Failed,
    FirstFrame,
    Gone,
    LetGo,
    Prepare,
    RingMade,
    SetControls,
    Start,
    Stop,
    Successor,
    ToWorker,
    Trigger,
)
from .output import Output, RingSettings, close_extra
from .overlay import Overlay
from .wanted import Limits, Wanted

log = logging.getLogger(__name__)


class Capture(Worker):
    """Grabs frames and publishes them; what finds no slot is counted."""

    kind: ClassVar[str] = "capture"

    def __init__(self, link: Link[ToWorker]) -> None:
        super().__init__(link)
        self.output = Output(self.tell)
        self.source: Source | None = None
        self.order: Prepare | None = None
        self.wanted = Wanted(Limits(), None)
        self.intake: Intake | None = None
        self.overlay: Overlay | None = None
        self.running = False
        self._ending: Ended | None = None
        self._from_ns = 0
        self._wake = select.epoll()

    def set_up(self) -> None:
        self._wake.register(self.outbox, select.EPOLLIN)

    def step(self) -> None:
        if self.running and self.output.writer is not None:
            if self._may_begin():
                self._take_frame(self.output.writer)
        else:
            self._wait()
        if self._wake.poll(0):
            self._serve()
        if self._ending is not None:
            self._tell_end(self._ending)

    def tear_down(self) -> None:
        self._close()

    # -- orders

    def on_prepare(self, order: Prepare, _fds: list[int]) -> None:
        self._close()
        self.order = order
        try:
            self._prepare(order)
        except ImagempError as error:
            self._close()
            self.tell(Failed(order.session, error.code, str(error), error.hint))
        except Exception as error:  # the user's source may raise anything
            log.exception("source cannot be opened")
            self._close()
            self.tell(Failed(order.session, SourceError.code, raised(error)))

    def on_attach(self, order: Attach, fds: list[int]) -> None:
        self.output.attach(order, fds)

    def on_successor(self, order: Successor, fds: list[int]) -> None:
        self.output.succeed(order, fds)

    def on_gone(self, order: Gone, _fds: list[int]) -> None:
        self.output.forget(order)

    def on_start(self, order: Start, _fds: list[int]) -> None:
        self.running = self.output.writer is not None
        if self.order is not None and self.source is not None:
            served_ns = self.order.t_last_ns or None
            self.wanted.begin(boottime_ns(), served_ns, order.from_ns)
            self._from_ns = 0 if self.source.is_live else self.wanted.from_ns

    def on_trigger(self, order: Trigger, _fds: list[int]) -> None:
        self.wanted.trigger(order.n, order.t_ns)

    def on_set_controls(self, order: SetControls, _fds: list[int]) -> None:
        self.tell(set_controls(self.source, order))

    def on_stop(self, _order: Stop, _fds: list[int]) -> None:
        if self.running:
            self._end("stopped")

    def on_let_go(self, _order: LetGo, _fds: list[int]) -> None:
        self._close()
        self.tell(Closed())

    # -- a session

    def _prepare(self, order: Prepare) -> None:
        plan = msgspec.convert(order.ring, RingSettings)
        schedule = schedule_from(order.schedule) if order.schedule else None
        self.wanted = Wanted(msgspec.convert(order.limits, Limits), schedule)
        source = make_source(order.settings)
        self.source = source if source.interruptible else Threaded(source)
        self.source.first_seq = order.first_seq
        spec = self.source.open()
        self.intake = Intake(order, self.source, self.wanted)
        if order.overlay is not None:
            settings = msgspec.convert(order.overlay, OverlayConfig)
            self.overlay = Overlay(settings, spec)
        writer, fds = self.output.make(spec, plan, order.first_seq, order.first_index)
        if writer.spill is not None:
            self._wake.register(writer.spill, select.EPOLLIN)
        made = RingMade(
            order.session,
            order.epoch,
            spec.to_plain(),
            self.source.fps,
            self.source.notes,
            self.source.is_live,
        )
        self.tell(made, fds)
        close_extra(fds)

    def _may_begin(self) -> bool:
        """Wait for the first instant; a camera does not, its frames are let go."""
        wake = self._wake.fileno()
        if self._from_ns and Clock().wait(self._from_ns, wake):
            self._from_ns = 0
        return not self._from_ns

    def _take_frame(self, writer: Writer) -> None:
        assert self.source is not None
        try:
            grab = self.source.grab(self._wake.fileno())
        except EndOfSource:
            self._end("end_of_source")
        except SourceError as error:
            self._end("failed", error)
        else:
            if grab is not None and self._is_wanted(writer, grab):
                self._publish(writer, self.source, grab)

    def _is_wanted(self, writer: Writer, grab: Grab) -> bool:
        """Whether the session's limits and its timetable ask for this frame."""
        if self.wanted.ends_before(grab.t_sensor_ns):
            self._end("duration")
            return False
        try:
            wanted = self.wanted.wants(grab.t_sensor_ns)
        except ImagempError as error:
            self._end("failed", error)
            return False
        writer.segment.cells[LATE] = self.wanted.late
        if not wanted:
            writer.segment.cells[NOT_WANTED] += 1
            if self.wanted.is_exhausted:
                self._end("timetable")
        return wanted

    def _publish(self, writer: Writer, source: Source, grab: Grab) -> None:
        assert self.intake is not None
        info = self.intake.describe(writer, grab)
        slot = self.output.slot(self)
        if self.output.writer is not writer:
            return  # let go while it waited
        if slot < 0:
            writer.drop_for_want_of_a_slot()
        else:
            self._fill(writer, source, new_frame(writer, slot, info), slot)
        if self.running:
            self._after(info)

    def _fill(self, writer: Writer, source: Source, frame: Frame, slot: int) -> None:
        """Have a slot filled, and publish it; what cannot be had is dropped."""
        try:
            source.retrieve(frame)
        except SourceError as error:
            writer.give_back(slot)
            writer.drop("camera_error")
            if not isinstance(error, BadFrameError):
                self._end("failed", error)
            return
        if self.overlay is not None:
            self.overlay.draw(frame, self.output.queues)
        writer.commit(slot, frame.info)
        writer.tidy()

    def _after(self, info: FrameInfo) -> None:
        assert self.order is not None
        if info.seq == self.order.first_seq:
            missed = {"capture_restart": info.missed_before} if info.seq else {}
            self.tell(
                FirstFrame(
                    self.order.session, self.order.epoch, info.t_sensor_ns, missed
                )
            )
        if reason := self.wanted.end_after(info.seq):
            self._end(reason)

    def _end(self, reason: str, error: ImagempError | None = None) -> None:
        """Take no more frames; what is queued is published first."""
        assert self.order is not None
        self.running = False
        ending = Ended(self.order.session, self.order.epoch, 0, reason)
        if error is not None:
            is_live = self.source is not None and self.source.is_live
            retry = is_live and isinstance(error, SourceError)
            ending = msgspec.structs.replace(
                ending, message=str(error), hint=error.hint, retry=retry
            )
        self._ending = ending

    def _tell_end(self, ending: Ended) -> None:
        writer = self.output.writer
        if writer is not None and writer.is_drained:
            index = writer.ledger.next_index
            self.tell(msgspec.structs.replace(ending, index=index))
            self._ending = None
            self.leaving = ending.retry  # a new process begins anew

    @property
    def _is_drained(self) -> bool:
        return self.output.writer is None or self.output.writer.is_drained

    # -- waiting

    def _wait(self) -> None:
        """Nothing to grab: wait for orders, and for readers to release."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self.output.writer is not None:
            poll.register(self.output.writer, select.POLLIN)
        if self._ending is None or not self._is_drained:
            poll.poll()
        if self.output.writer is not None:
            self.output.writer.reclaim()

    def _serve(self) -> None:
        if self.output.writer is not None:
            self.output.writer.publish_spilled()
        self.serve_link()

    def _close(self) -> None:
        self.running, self._ending = False, None
        writer = self.output.writer
        if writer is not None and writer.spill is not None:
            self._wake.unregister(writer.spill)
        self.output.close()
        self.intake = self.overlay = None
        if self.source is not None:
            self.source.close()
            self.source = None


def raised(error: Exception) -> str:
    """Say what was raised, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename}, line {place.lineno}"
    return f"source: raised {type(error).__name__}: {error} (in {where})"
