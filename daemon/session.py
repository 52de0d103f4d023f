"""A session: what its workers tell moves it on, from start to end.

Whatever dies is started anew by its post, greeted here, and goes on where it was.
"""

from collections.abc import Callable
from typing import Any

from imagemp.link import close_all

from .accounts import Stage
from .briefing import open_order, prepare_order
from .ending import Ending
from .gates import Gates
from .life import State
from .pipeline import CAPTURE, SOURCE
from .post import Post
from .restarts import retry_s
from .rings import RingKeeper
from .run import Run
from .silence import Silence
from .together import LEAD_S, Together
from .wallclock import clock_pair
from .workers.base import method_name
from .workers.orders import (
    Adopted,
    Drained,
    Ended,
    Event,
    Failed,
    Finished,
    FirstFrame,
    LeftEpoch,
    Opened,
    Report,
    RingMade,
    SpanRecorded,
    Told,
    Triggered,
)

WEDGED = (
    "E_CAMERA_WEDGED",
    "the camera's process hangs in the kernel and cannot be killed",
    "reboot the machine",
)
GRACE_S = 2.0  # for a source that falls silent before its duration is over


class Session:
    """A session at work, from `begin` to the end."""

    def __init__(self, run: Run) -> None:
        self.run, self.facts = run, run.facts
        self.ending = Ending(run)
        self.silence, self.gates = Silence(run, self._give_up), Gates(run)
        self.together = Together()
        self._tries = 0

    # -- what the crew asks

    def begin(self, together: Together) -> None:
        """Have every worker open the session, now or some time before it is to go."""
        self.together = together
        self.run.done.add_done_callback(lambda _: together.leave(self.facts.id))
        if together.at_unix is None:
            self._open()
            return
        self.run.begun()
        self.run.timers.set_at("at", together.at_unix - LEAD_S, self._open)

    def greet(self, post: Post) -> None:
        """A worker is up: tell it where the session stands."""
        if self.facts.has_ended or self.facts.stage is Stage.WAITING:
            return
        if post.kind == "capture":
            self.prepare(SOURCE)
            return
        self.run.send(post.name, open_order(self.facts, post.name))
        for ring in self.run.rings.values():
            if ring.plan.producer == post.name:
                self.prepare(ring.plan.name)
        for ring in self.run.rings.values():
            ring.reader_back(post.name)

    def died(self, post: Post, code: int) -> None:
        """A worker's process is gone."""
        is_stuck = post.state is State.STUCK
        name = "worker_stuck" if is_stuck else "worker_died"
        self.run.event(name, {"worker": post.name, "code": code})
        for ring in self.run.rings.values():
            if ring.plan.producer == post.name:
                self._producer_died(ring)
            ring.reader_died(post.name)
        if post.name == CAPTURE:
            if is_stuck:
                self._give_up(*WEDGED)
            self.ending.has_drained(post.name)  # it may be the last to be waited for
        if post.state is State.FATAL:
            self.ending.give_up_on(post)

    def told(self, post: Post, told: Told, fds: list[int]) -> None:
        """A worker says something; the descriptors are this session's to close."""
        if getattr(told, "session", self.facts.id) != self.facts.id:
            close_all(fds)  # of a session that is over
        elif isinstance(told, RingMade):
            self._ring_made(post, told, fds)
        else:
            close_all(fds)
            handler: Callable[[Post, Any], None]
            handler = getattr(self, method_name(type(told)))
            handler(post, told)

    # -- what the workers tell

    def on_opened(self, post: Post, told: Opened) -> None:
        """A consumer is ready for frames."""
        facts = self.facts
        facts.dir = facts.dir or told.dir
        facts.opened.add(post.name)
        facts.waiting.discard(post.name)
        if facts.stage is Stage.FINALISING or facts.has_ended:
            self.ending.opened_late(post)
        self._go_if_all_answered()

    def on_first_frame(self, post: Post, told: FirstFrame) -> None:
        """The epoch's first frame is there; the session's, if it is the first."""
        facts = self.facts
        if told.epoch:
            self.run.event("capture_back", {"missed": told.missed, "worker": post.name})
        facts.t_first_ns = facts.t_first_ns or told.t_sensor_ns
        self.silence.watch()
        if facts.stage is Stage.ARMED:
            self.run.set_stage(Stage.RUNNING)
            self.run.begun()
            if facts.duration_s is not None:
                grace = facts.duration_s + GRACE_S
                self.run.timers.set("duration", grace, self.ending.duration_over)

    def on_ended(self, post: Post, told: Ended) -> None:
        """A ring's stream is over."""
        ring = self.run.ring_of(post)
        if told.message:
            self.run.event("source_failed", {"message": told.message})
        if told.retry and not self.facts.is_ending:
            return  # it leaves, and its successor tries again
        ring.ended(told.index)  # first: with no reader of ours all is closed at once
        if ring.plan.name == SOURCE:
            self.ending.source_ended(told)

    def on_left_epoch(self, post: Post, told: LeftEpoch) -> None:
        """A consumer has finished an epoch."""
        for ring in self.run.rings.values():
            ring.left(post.name, told.epoch)

    def on_adopted(self, post: Post, told: Adopted) -> None:
        """A producer uses the successor's counters."""
        self.run.ring_of(post).adopted(told.place)

    def on_report(self, post: Post, told: Report) -> None:
        """A consumer's numbers."""
        self.facts.reports[post.name] = told

    def on_event(self, post: Post, told: Event) -> None:
        """Something a user may want to know; an eviction concerns us as well."""
        details = {"worker": post.name, **told.details}
        if told.name == "evicted":
            who = self.run.ring_of(post).evicted(told.details["place"])
            details = {"reader": who, "behind": told.details["behind"]}
        elif told.name == "reader_fault":
            who = self.run.ring_of(post).reader_at(told.details["place"])
            details = {"reader": who}
            if (faulty := self.run.posts.get(who or "")) is not None:
                faulty.kill()
        self.run.event(told.name, details)

    def on_triggered(self, _post: Post, told: Triggered) -> None:
        """A callback triggers."""
        self.gates.called(told)

    def on_span_recorded(self, post: Post, told: SpanRecorded) -> None:
        """An encoder has dealt with all frames of a span."""
        self.gates.recorded(post.name, told)

    def on_failed(self, post: Post, told: Failed) -> None:
        """A worker cannot go on with the session, or not begin it."""
        self.run.event("failed", {"worker": post.name, "message": told.message})
        if post.kind == "capture":
            self.silence.opened()
        if post.kind == "capture" and self.run.source.epochs:
            self._tries += 1
            self.run.timers.set(
                "retry", retry_s(self._tries), lambda: self.prepare(SOURCE)
            )
            return
        facts = self.facts
        is_of_frames = bool(told.reason) or post.kind == "capture"
        if facts.has_ended or (facts.is_ending and is_of_frames):
            return  # no more come anyway
        facts.reason = facts.reason or told.reason
        facts.fail(told.code, f"{facts.plan.name}: {told.message}", told.hint)
        if facts.stage is Stage.STARTING:
            facts.undrained.discard(post.name)
            self.ending.abort()
            return
        if told.cause:
            self.ending.leave_out(post, told.cause)
        self.ending.stop()

    def on_drained(self, post: Post, _told: Drained) -> None:
        """A consumer has dealt with all its frames."""
        self.ending.has_drained(post.name)

    def on_finished(self, post: Post, _told: Finished) -> None:
        """An encoder's part of the manifest is written."""
        self.ending.has_finished(post)

    # -- steps

    def _open(self) -> None:
        facts = self.facts
        self.together.opening()
        facts.clock.append(clock_pair())
        self.run.set_stage(Stage.STARTING)
        facts.waiting = set(self.run.posts)
        facts.undrained = {w.name for w in facts.plan.workers if w.kind != "capture"}
        for post in self.run.posts.values():
            if post.is_running:
                self.greet(post)
            else:
                post.start()

    def prepare(self, name: str) -> None:
        """Have a ring made; its producer answers, and then all is attached."""
        facts, ring = self.facts, self.run.rings[name]
        if facts.has_ended or ring.is_over or ring.live is not None:
            return  # nothing more is wanted of it, or it has made one meanwhile
        self.run.send(ring.plan.producer, prepare_order(facts, ring))
        if name == SOURCE:
            self.silence.opening()

    def _give_up(self, code: str, problem: str, hint: str) -> None:
        """Remember why it failed; if it has not begun, it never will."""
        self.facts.fail(code, f"{self.facts.plan.name}: {problem}", hint)
        if self.facts.stage is Stage.STARTING:
            self.ending.abort()

    def _go_if_all_answered(self) -> None:
        if self._can_go:
            self.together.ready(self.facts.id, self._go)

    @property
    def _can_go(self) -> bool:
        return self.facts.stage is Stage.STARTING and not self.facts.waiting

    def _go(self, from_ns: int) -> None:
        """Have frames taken, none of before an instant that others have in common."""
        if not self._can_go:
            return  # capture has died meanwhile; its successor's ring comes here again
        run, facts = self.run, self.facts
        facts.t_start_ns = from_ns
        run.source.go(from_ns if self.together.is_common else 0)
        run.set_stage(Stage.ARMED)
        run.event("start", {"t_start_ns": from_ns})
        self.silence.watch()
        if facts.plan.armed:
            run.begun()

    def _ring_made(self, post: Post, made: RingMade, fds: list[int]) -> None:
        ring = self.run.ring_of(post)
        if ring.plan.name == SOURCE:
            self.silence.opened()
        if ring.is_over or self.facts.has_ended:
            close_all(fds)
            return
        self._tries = 0
        ring.made(made, fds)
        self.run.note(made.notes)
        if ring.plan.name == SOURCE and self.facts.stage is Stage.STARTING:
            if (lack := self.gates.lack(ring)) is not None:
                self.facts.fail(lack.code, str(lack), lack.hint)
                self.ending.abort()
                return
            self.facts.waiting.discard(post.name)
            self._go_if_all_answered()
        else:
            ring.go()
            if ring.plan.name == SOURCE:
                self.silence.watch()

    def _producer_died(self, ring: RingKeeper) -> None:
        if ring.is_over:  # it had said where it ends
            ring.producer_died(last=True)
        elif ring.epochs or self.facts.is_ending:
            is_last = self.facts.is_ending and ring.plan.name == SOURCE
            ring.producer_died(last=is_last)
            if self.facts.stage is Stage.STARTING:
                self.facts.waiting.add(ring.plan.producer)
