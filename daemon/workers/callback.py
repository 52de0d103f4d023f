"""The callback worker: ring > user code > messages, and a ring of its own.

What the user's code raises ends this process: the supervisor tells it, starts
another, and gives up after too many. The recording does not notice.
"""

import logging
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import msgspec

from imagemp.errors import ImagempError
from imagemp.frames import Frame, FrameInfo, check_plane, spec_of
from imagemp.link import Link
from imagemp.ring.writer import new_frame
from imagemp.spec import FrameSpec

from .consumer import Consumer
from .orders import (
    Attach,
    Deliver,
    Ended,
    Failed,
    Gone,
    LetGo,
    OpenSession,
    Prepare,
    RingMade,
    Speak,
    Start,
    Successor,
    ToWorker,
)
from .output import Output, RingSettings, close_extra
from .user_code import CallbackPlan, UserCode, triggered, voice_of

log = logging.getLogger(__name__)


class CallbackWorker(Consumer):
    """Runs one callback of the user's on the frames of a ring."""

    kind: ClassVar[str] = "callback"

    def __init__(self, link: Link[ToWorker]) -> None:
        super().__init__(link)
        self.code: UserCode | None = None
        self.output = Output(self.tell)
        self._prepared: Prepare | None = None
        self._voice: socket.socket | None = None
        self._is_started = False
        self._inherited = -1  # the place of a process before this one

    def open(self, order: OpenSession) -> str:
        self.handled = order.counts.get("handled", 0)
        self.recorded = order.counts.get("recorded", 0)
        self.skipped.update(order.counts.get("skipped", {}))
        self._inherited = order.counts.get("numbers", {}).get("place", -1)
        if self.code is not None:
            self.code.close()
        self.code = UserCode(msgspec.convert(order.config, CallbackPlan))
        self.code.go_on_from(order.counts.get("numbers", {}))
        self.code.voice, self.code.on_trigger = self._voice, self._trigger
        self.code.on_event = self.tell
        return ""

    def catch_up(self, index: int) -> None:
        """What lies between the last report of a process before and its death.

        It had released those frames if the place is still the same; so they count
        as delivered. Otherwise it was evicted, and they never came.
        """
        if self.place == self._inherited and index > self.handled:
            self.recorded += index - self.handled
            self.handled = index
            self.go_on_from(index)
        self._inherited = -1
        super().catch_up(index)

    def begin(self, spec: FrameSpec) -> None:
        with self._user_code() as code:
            code.open(spec)

    def handle(self, frame: Frame) -> str:
        with self._user_code() as code:
            if not code.wants(frame.info):
                return "filtered"
        kept = self.feed.copy(frame)
        with self._user_code() as code:
            result = code.process(kept)
            if result is not None and self._prepared is not None:
                self._publish(result, frame.info)
        return ""

    def finish(self) -> None:
        if self.code is not None:
            with self._user_code() as code:
                code.close()
        self._end_output()
        self.feed.clear()  # or the ring would stay until the next session

    def extra_files(self) -> list[Any]:
        writer = self.output.writer
        return [] if writer is None or writer.spill is None else [writer.spill]

    def on_extra(self) -> None:
        if self.output.writer is not None:
            self.output.writer.publish_spilled()

    def numbers(self) -> dict[str, Any]:
        return {} if self.code is None else self.code.numbers()

    def broken(self, order: OpenSession, error: Exception) -> None:
        code = error.code if isinstance(error, ImagempError) else "E_CALLBACK"
        log.error("callback cannot be loaded", exc_info=error)
        self.tell(Failed(order.session, code, str(error), cause="callback_error"))

    def tear_down(self) -> None:
        self.output.close()
        self.feed.clear()

    # -- orders

    def on_speak(self, _order: Speak, fds: list[int]) -> None:
        if self._voice is not None:
            self._voice.close()
        self._voice = voice_of(fds[0])
        if self.code is not None:
            self.code.voice = self._voice

    def on_deliver(self, order: Deliver, _fds: list[int]) -> None:
        if self.code is not None and self.session:
            with self._user_code() as code:
                code.message(order.body)

    def on_prepare(self, order: Prepare, _fds: list[int]) -> None:
        """Somebody reads what this callback returns: a ring is wanted."""
        self.output.close()
        self._prepared, self._is_started = order, False

    def on_attach(self, order: Attach, fds: list[int]) -> None:
        self.output.attach(order, fds)

    def on_successor(self, order: Successor, fds: list[int]) -> None:
        self.output.succeed(order, fds)

    def on_gone(self, order: Gone, _fds: list[int]) -> None:
        self.output.forget(order)

    def on_start(self, _order: Start, _fds: list[int]) -> None:
        self._is_started = True

    def on_let_go(self, _order: LetGo, _fds: list[int]) -> None:
        self.output.close()
        self._prepared = None

    @contextmanager
    def _user_code(self) -> Iterator[UserCode]:
        """Tell what the user's code raises, before this process dies of it."""
        assert self.code is not None
        try:
            yield self.code
        except Exception as error:
            self.tell(self.code.failed(error))
            self.report()
            raise

    def _trigger(self, note: str) -> None:
        assert self.code is not None
        self.tell(triggered(self.session, self.code.plan.name, note))

    # -- the ring of returned frames

    def _publish(self, result: Frame, info: FrameInfo) -> None:
        if self.output.writer is None:
            fields = self.feed.spec.fields if self.feed.spec is not None else ()
            self._make_ring(spec_of(result.planes, fields))
        writer = self.output.writer
        if writer is None:
            return
        seq = writer.count_grab()
        slot = self.output.slot(self)
        if self.output.writer is not writer:
            return  # let go while it waited
        if slot < 0:
            writer.drop_for_want_of_a_slot()
            return
        target = new_frame(writer, slot, _stamped(info, result, seq))
        self._fill(target, result)
        writer.commit(slot, target.info)

    def _fill(self, target: Frame, result: Frame) -> None:
        for plane in self.output.planes:
            pixels = result[plane.name]
            check_plane(plane, pixels)
            target[plane.name][...] = pixels

    def _make_ring(self, spec: FrameSpec) -> None:
        """Make the ring when the first frame says what it must hold."""
        assert self._prepared is not None
        order = self._prepared
        plan = msgspec.convert(order.ring, RingSettings)
        _, fds = self.output.make(spec, plan, order.first_seq, order.first_index)
        fps = self.feed.fps
        self.tell(RingMade(order.session, order.epoch, spec.to_plain(), fps), fds)
        close_extra(fds)
        while not self._is_started and self.output.writer and not self.leaving:
            select.select([self.outbox], [], [])
            self.serve_link()

    def _end_output(self) -> None:
        """Publish what is queued, then tell where the output ends."""
        order, writer = self._prepared, self.output.writer
        if order is None:
            return
        index = order.first_index
        if writer is not None:
            while not writer.is_drained:
                select.select(self.extra_files(), [], [])
                writer.publish_spilled()
            index = writer.ledger.next_index
        self.tell(Ended(order.session, order.epoch, index, "stopped"))


def _stamped(info: FrameInfo, result: Frame, seq: int) -> FrameInfo:
    """Give what is known of the frame it was made from, under the output's own seq.

    The fields are those of the result: the user's code may have changed them.
    """
    fields = result.info.fields
    return msgspec.structs.replace(info, seq=seq, missed_before=0, fields=fields)
