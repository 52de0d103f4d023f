"""The workers of one pipeline, and the session they are in.

Orders come from the supervisor, reports from the workers; both only move the
session on. Whatever dies is greeted anew by its post, and goes on where it was.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from imagemp.counts import Counts
from imagemp.errors import ConfigError, ControlError
from imagemp.recording.folder import session_id
from imagemp.link import close_all

from .pipeline import SOURCE, PipelinePlan, WorkerPlan
from .post import Post, State, Watch
from .rings import RingKeeper, Totals
from .session import Session, Stage, account
from .workers.base import method_name
from .workers.orders import (
    Adopted,
    Deliver,
    Discard,
    Drained,
    Ended,
    Event,
    Failed,
    Finalise,
    Finished,
    FirstFrame,
    LeftEpoch,
    LetGo,
    Opened,
    OpenSession,
    Order,
    Prepare,
    Report,
    RingMade,
    Speak,
    Stop,
    Told,
    Trigger,
)

log = logging.getLogger(__name__)
STOP_S = 2.0  # what a camera gets to stop, or two of its periods
STALLED_S = 10.0  # without a frame written, draining has failed
RETRY_S = 1.0  # before a source that could not be opened again is tried anew
SLOW_RETRY_S = 30.0


class StartOrder(Struct, frozen=True):
    """What `session.start` asks of one pipeline."""

    plan: PipelinePlan
    duration_s: float | None = None
    frames: int | None = None
    at_unix: float | None = None


class Crew:
    """One pipeline at work.

    Args:
        plan: As configured; a session may have one of its own.
        publish: Publishes an event or a state: topic and body.
    """

    def __init__(
        self, plan: PipelinePlan, publish: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self.plan = plan
        self.session: Session | None = None
        self.rings: dict[str, RingKeeper] = {}
        self.first: asyncio.Future[None] | None = None
        self.done: asyncio.Future[Session] | None = None
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tries = 0
        self._moved = (0.0, 0)  # when draining last moved on, and how far it was
        watch = Watch(self._ready, self._told, self._died)
        self.posts = {
            w.name: Post(w.name, w.kind, watch, never_gives_up=w.kind == "capture")
            for w in plan.workers
        }

    @property
    def is_busy(self) -> bool:
        """Whether a session is on."""
        return self.session is not None and not self.session.stage.is_over

    # -- orders from the supervisor

    def start_workers(self) -> None:
        """Have every post filled."""
        for post in self.posts.values():
            post.start()

    def check_idle(self) -> None:
        """Raise `ControlError` if a session is on."""
        if self.session is not None and self.is_busy:
            raise ControlError(
                "E_ALREADY_RUNNING",
                f"{self.plan.name}: session {self.session.id} is on",
                f"imagectl stop {self.plan.name}",
            )

    def check_plan(self, plan: PipelinePlan) -> None:
        """Raise `ConfigError` if a session's plan needs other workers than these."""
        wanted = {w.name: w.kind for w in plan.workers}
        if wanted != {post.name: post.kind for post in self.posts.values()}:
            raise ConfigError(
                f"pipelines.{self.plan.name}",
                "an override may not add, remove or rename a worker",
                "change the configuration and `imagectl reload`",
            )

    def start(self, order: StartOrder) -> Session:
        """Begin a session; `first` and `done` tell how it goes."""
        now = time.time_ns()
        name = session_id(self.plan.name, now, os.urandom(2).hex())
        session = Session(name, order.plan, now, order.duration_s, order.frames)
        self.session = session
        self.first, self.done = self._loop.create_future(), self._loop.create_future()
        self.rings = {r.name: RingKeeper(r, self._send) for r in order.plan.rings}
        if order.at_unix is None:
            self._begin(session)
        else:
            session.stage = Stage.WAITING
            self._later("at", max(0.0, order.at_unix - time.time()), self._begin_now)
            self.first.set_result(None)
        self._tell_state()
        return session

    def stop(self, *, now: bool = False) -> None:
        """End the session; its `done` tells when all is drained."""
        session = self.session
        if session is None or session.stage.is_over:
            return
        session.reason = session.reason or "stopped"
        if now:
            for worker in session.undrained:
                self._send(worker, Discard())
        if session.stage is Stage.WAITING:
            self._conclude(session)
        elif session.stage is Stage.STARTING:
            self._abort(session)
        elif session.stage in (Stage.ARMED, Stage.RUNNING):
            self._set_stage(session, Stage.STOPPING)
            self._stop_source(session)

    def trigger(self, n: int | None) -> None:
        """Have frames taken now.

        Raises:
            ControlError: No session is on, or its schedule waits for no trigger.
        """
        session = self._running("trigger")
        if not (session.plan.schedule or {}).get("trigger"):
            raise ControlError(
                "E_CONFIG",
                f"{self.plan.name}: schedule.trigger is not set",
                "set schedule.trigger = true, or start with -o schedule.trigger=true",
            )
        self._send("capture", Trigger(n))

    def deliver(self, callback: str, body: Any) -> None:  # noqa: ANN401 - the user's
        """Hand a message to a callback.

        Raises:
            ControlError: No session is on.
        """
        session = self._running("send")
        worker = session.plan.worker_of(callback)
        assert worker is not None
        self._send(worker, Deliver(callback, body))

    def speak(self, callback: str, fd: int) -> None:
        """From now on this callback's messages go to this socket."""
        worker = self.plan.worker_of(callback)
        if worker is not None:
            self._send(worker, Speak(callback), (fd,))

    async def leave(self) -> None:
        """Have every worker leave."""
        await asyncio.gather(*(post.leave() for post in self.posts.values()))

    # -- accounts

    def totals(self) -> dict[str, Totals]:
        """What each ring has seen."""
        return {name: ring.totals() for name, ring in self.rings.items()}

    def counts(self) -> Counts:
        """Where every frame of the session is; of the last one, if none is on."""
        if self.session is None:
            return Counts()
        if self.session.stage.is_over:
            return self.session.counts
        return account(self.session, self.totals())

    # -- a session begins

    def _begin_now(self) -> None:
        if self.session is not None and self.session.stage is Stage.WAITING:
            self._begin(self.session)

    def _begin(self, session: Session) -> None:
        session.clock.append(clock_pair())
        session.stage = Stage.STARTING
        session.waiting = set(self.posts)
        session.undrained = {
            w.name for w in session.plan.workers if w.kind != "capture"
        }
        self._tries = 0
        for post in self.posts.values():
            if post.is_running:
                self._greet(post)
            else:
                post.start()

    def _greet(self, post: Post) -> None:
        """A worker is up: tell it where the session stands."""
        session = self.session
        if session is None or session.stage.is_over or session.stage is Stage.WAITING:
            return
        if post.kind == "capture":
            self._prepare(SOURCE)
            return
        self._open(session, post)
        for ring in self.rings.values():
            if ring.plan.producer == post.name:
                self._prepare(ring.plan.name)
        for ring in self.rings.values():
            ring.reader_back(post.name)

    def _open(self, session: Session, post: Post) -> None:
        report = session.reports.get(post.name)
        counts = {}
        if report is not None:
            counts = {
                "handled": report.handled,
                "recorded": report.recorded,
                "skipped": report.skipped,
            }
        plan = self._worker_plan(session, post.name)
        config = dict(plan.config)
        if post.kind == "encoder":
            config |= {"clock": session.clock, "clock_synchronised": is_synchronised()}
        resume = post.name in session.opened
        order = OpenSession(session.id, session.started_unix_ns, resume, counts, config)
        self._send(post.name, order)

    def _prepare(self, name: str) -> None:
        """Have a ring made; its producer answers, and then all is attached."""
        session, ring = self.session, self.rings.get(name)
        if session is None or session.stage.is_over or ring is None or ring.is_over:
            return
        epoch, seq, index, t_last = ring.next_epoch
        is_source = name == SOURCE
        order = Prepare(
            session.id,
            epoch,
            seq,
            index,
            session.plan.settings if is_source else {},
            session.plan.ring,
            session.plan.schedule if is_source else None,
            session.limits() if is_source else {},
            t_last,
        )
        self._send(ring.plan.producer, order)

    def _go_if_all_answered(self, session: Session) -> None:
        if session.stage is not Stage.STARTING or session.waiting:
            return
        self.rings[SOURCE].go()
        self._set_stage(session, Stage.ARMED)
        if session.plan.armed:
            self._resolve_first()

    # -- what the workers tell

    def _told(self, post: Post, told: Told, fds: list[int]) -> None:
        session = self.session
        if session is None or getattr(told, "session", session.id) != session.id:
            close_all(fds)  # of a session that is over
            return
        if isinstance(told, RingMade):
            self._ring_made(session, post, told, fds)
            return
        close_all(fds)
        handler: Callable[[Session, Post, Any], None]
        handler = getattr(self, method_name(type(told)))
        handler(session, post, told)

    def on_opened(self, session: Session, post: Post, told: Opened) -> None:
        """A consumer is ready for frames."""
        session.dir = session.dir or told.dir
        session.opened.add(post.name)
        session.waiting.discard(post.name)
        if session.stage is Stage.FINALISING or session.stage.is_over:
            self._send(post.name, self._manifest(session))  # it was given up meanwhile
        self._go_if_all_answered(session)

    def _ring_made(
        self, session: Session, post: Post, made: RingMade, fds: list[int]
    ) -> None:
        name = self._ring_of(post)
        ring = self.rings.get(name)
        if ring is None or ring.is_over or session.stage.is_over:
            close_all(fds)
            return
        self._tries = 0
        ring.made(made, fds)
        for note in made.notes:
            self.event("source_note", {"message": note})
        if name == SOURCE and session.stage is Stage.STARTING:
            session.waiting.discard(post.name)
            self._go_if_all_answered(session)
        else:
            ring.go()

    def on_first_frame(self, session: Session, post: Post, told: FirstFrame) -> None:
        """The epoch's first frame is there; the session's, if it is the first."""
        if told.epoch:
            self.event("capture_back", {"missed": told.missed, "worker": post.name})
        session.t_first_ns = session.t_first_ns or told.t_sensor_ns
        if session.stage is Stage.ARMED:
            self._set_stage(session, Stage.RUNNING)
            self._resolve_first()
            if session.duration_s is not None:  # for a source that falls silent
                grace = session.duration_s + STOP_S
                self._later("duration", grace, self._duration_over)

    def on_ended(self, session: Session, post: Post, told: Ended) -> None:
        """A ring's stream is over."""
        name = self._ring_of(post)
        if told.message:
            self.event("source_failed", {"message": told.message})
        if told.retry and session.stage is not Stage.STOPPING:
            return  # it leaves, and its successor tries again
        if name == SOURCE:
            self._source_ended(session, told)
        self.rings[name].ended(told.index)

    def on_left_epoch(self, _session: Session, post: Post, told: LeftEpoch) -> None:
        """A consumer has finished an epoch."""
        for ring in self.rings.values():
            ring.left(post.name, told.epoch)

    def on_adopted(self, _session: Session, post: Post, told: Adopted) -> None:
        """A producer uses the successor's counters."""
        self.rings[self._ring_of(post)].adopted(told.place)

    def on_report(self, session: Session, post: Post, told: Report) -> None:
        """A consumer's numbers."""
        session.reports[post.name] = told

    def on_event(self, _session: Session, post: Post, told: Event) -> None:
        """Something a user may want to know; an eviction concerns us as well."""
        details = {"worker": post.name, **told.details}
        if told.name == "evicted":
            who = self.rings[self._ring_of(post)].evicted(told.details["place"])
            details = {"reader": who, "behind": told.details["behind"]}
        self.event(told.name, details)

    def on_failed(self, session: Session, post: Post, told: Failed) -> None:
        """A worker cannot go on with the session, or not begin it."""
        self.event("failed", {"worker": post.name, "message": told.message})
        if post.kind == "capture" and self.rings[SOURCE].epochs:
            self._tries += 1
            delay = RETRY_S if self._tries < 5 else SLOW_RETRY_S
            self._later("retry", delay, lambda: self._prepare(SOURCE))
            return
        session.fail(told.code, f"{self.plan.name}: {told.message}", told.hint)
        if session.stage is Stage.STARTING:
            session.undrained.discard(post.name)
            self._abort(session)
        else:
            self.stop()

    def on_drained(self, session: Session, post: Post, _told: Drained) -> None:
        """A consumer has dealt with all its frames."""
        self._has_drained(session, post.name)

    def on_finished(self, session: Session, _post: Post, _told: Finished) -> None:
        """The manifest is written."""
        self._conclude(session)

    # -- posts

    def _ready(self, post: Post) -> None:
        self._publish("workers", {})
        self._greet(post)

    def _died(self, post: Post, code: int) -> None:
        session = self.session
        is_on = session is not None and not session.stage.is_over
        self.event("worker_died", {"worker": post.name, "code": code})
        if session is None or not is_on:
            return
        for ring in self.rings.values():
            if ring.plan.producer == post.name:
                self._producer_died(session, ring)
            ring.reader_died(post.name)
        if post.state is State.FATAL:
            self._gave_up(session, post)

    def _producer_died(self, session: Session, ring: RingKeeper) -> None:
        if ring.is_over:  # it had said where it ends
            ring.producer_died(last=True)
            return
        ending = session.stage in (Stage.STOPPING, Stage.FINALISING)
        if not ring.epochs and not ending:
            return  # it is greeted again when it is back
        ring.producer_died(last=ending and ring.plan.name == SOURCE)

    def _gave_up(self, session: Session, post: Post) -> None:
        """Too many failures: a callback is left out, an encoder ends the session."""
        log.error("%s: %s failed too often", self.plan.name, post.name)
        self.event("gave_up", {"worker": post.name})
        is_encoder = post.kind == "encoder"
        session.given_up[post.name] = "undrained" if is_encoder else "callback_error"
        for ring in self.rings.values():
            ring.reader_gone(post.name)
            if ring.plan.producer == post.name:
                ring.give_up()
        session.waiting.discard(post.name)
        if is_encoder or session.stage is Stage.STARTING:
            problem = f"{self.plan.name}: worker {post.name} failed too often"
            session.fail("E_INTERNAL", problem, "see the log")
            self.stop()
        self._has_drained(session, post.name)

    # -- a session ends

    def _source_ended(self, session: Session, told: Ended) -> None:
        session.reason = session.reason or told.reason
        if told.reason == "failed":
            session.fail("E_CAMERA", f"{self.plan.name}: {told.message}", told.hint)
        self._cancel("stop", "duration", "retry")
        self._set_stage(session, Stage.STOPPING)
        self._resolve_first()
        self._watch_draining()

    def _stop_source(self, session: Session) -> None:
        """Tell the source to stop; kill a camera whose stop hangs."""
        ring = self.rings[SOURCE]
        if ring.live is None:  # it is just being restarted
            self._cancel("retry")
            ring.give_up()
            self._source_ended(session, Ended(session.id, 0, 0, session.reason))
            return
        self._send("capture", Stop())
        grace = STOP_S
        if fps := ring.live.made.fps:
            grace = max(grace, 2 / fps)
        self._later("stop", grace, self._kill_capture)

    def _kill_capture(self) -> None:
        log.warning("%s: the source does not stop: killed", self.plan.name)
        self.event("stop_hangs", {})
        session = self.session
        if session is not None:
            self.posts["capture"].kill()
            self._watch_draining()

    def _duration_over(self) -> None:
        session = self.session
        if session is not None and session.stage is Stage.RUNNING:
            session.reason = session.reason or "duration"
            self.stop()

    def _watch_draining(self) -> None:
        """Give up when no frame was dealt with for 10 s."""
        session = self.session
        if session is None or session.stage is not Stage.STOPPING:
            return
        handled = sum(r.handled for r in session.reports.values())
        now = time.monotonic()
        if handled != self._moved[1] or self._moved[0] == 0.0:
            self._moved = (now, handled)
        elif now - self._moved[0] >= STALLED_S:
            self._stalled(session)
            return
        self._later("drain", STALLED_S / 4, self._watch_draining)

    def _stalled(self, session: Session) -> None:
        for worker in list(session.undrained):
            log.error("%s: %s does not drain: given up", self.plan.name, worker)
            self.event("drain_stalled", {"worker": worker})
            session.given_up[worker] = "undrained"
            self.posts[worker].kill()
            self._has_drained(session, worker)

    def _has_drained(self, session: Session, worker: str) -> None:
        session.undrained.discard(worker)
        stopped = session.stage is Stage.STOPPING
        if stopped and not session.undrained:
            self._finalise(session)

    def _abort(self, session: Session) -> None:
        """The session could not begin: close what was opened."""
        self._send("capture", LetGo())
        for ring in self.rings.values():
            ring.ended(0)
        self._finalise(session)

    def _finalise(self, session: Session) -> None:
        """All is accounted for: have the manifest written."""
        session.stage = Stage.FINALISING
        session.clock.append(clock_pair())
        session.counts = account(session, self.totals())
        for broken in session.counts.broken():
            log.error("%s: accounts do not close: %s", session.id, broken)
        encoder = self._encoder(session)
        if encoder is None or encoder.name in session.given_up:
            self._conclude(session)
        elif encoder.is_running and encoder.name in session.opened:
            self._send(encoder.name, self._manifest(session))
        elif encoder.name not in session.opened and session.problem is not None:
            self._conclude(session)

    def _manifest(self, session: Session) -> Finalise:
        import msgspec

        return Finalise(
            "incomplete" if session.problem else "complete",
            time.time_ns(),
            msgspec.to_builtins(session.counts),
            session.events,
            session.clock,
        )

    def _conclude(self, session: Session) -> None:
        """Let go of everything; whoever waits for the session hears of it."""
        if session.stage.is_over:
            return
        for timer in list(self._timers):
            self._cancel(timer)
        self._moved = (0.0, 0)
        for ring in self.rings.values():
            self._send(ring.plan.producer, LetGo())
            ring.close()
        self._set_stage(
            session, Stage.INCOMPLETE if session.problem else Stage.COMPLETE
        )
        if self.first is not None and not self.first.done():
            self._fail_first(session)
        if self.done is not None and not self.done.done():
            self.done.set_result(session)

    # -- small things

    def event(self, name: str, details: dict[str, Any]) -> None:
        """Publish an event and keep it for the manifest."""
        if self.session is not None and not self.session.stage.is_over:
            self.session.add_event(name, details, time.time_ns())
        body = {"name": name, "pipeline": self.plan.name, "details": details}
        self._publish(f"event.{self.plan.name}", body)

    def _send(self, worker: str, order: Order, fds: Sequence[int] = ()) -> None:
        self.posts[worker].send(order, fds)

    def _running(self, what: str) -> Session:
        if self.session is None or not self.is_busy:
            raise ControlError(
                "E_NOT_RUNNING",
                f"{self.plan.name}: {what}: no session is on",
                f"imagectl start {self.plan.name}",
            )
        return self.session

    def _ring_of(self, post: Post) -> str:
        return SOURCE if post.kind == "capture" else f"callback:{post.name}"

    def _worker_plan(self, session: Session, name: str) -> WorkerPlan:
        return next(w for w in session.plan.workers if w.name == name)

    def _encoder(self, session: Session) -> Post | None:
        names = (w.name for w in session.plan.workers if w.kind == "encoder")
        return self.posts.get(next(names, ""))

    def _set_stage(self, session: Session, stage: Stage) -> None:
        if session.stage is not stage:
            session.stage = stage
            self.event("stage", {"stage": str(stage), "reason": session.reason})
            self._tell_state()

    def _tell_state(self) -> None:
        self._publish("state", {})

    def _resolve_first(self) -> None:
        if self.first is not None and not self.first.done():
            self.first.set_result(None)

    def _fail_first(self, session: Session) -> None:
        assert self.first is not None
        stopped = ("E_NOT_RUNNING", f"{self.plan.name}: stopped before it began", "")
        self.first.set_exception(ControlError(*(session.problem or stopped)))
        self.first.exception()  # nobody need be waiting for it

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._cancel(name)
        self._timers[name] = self._loop.call_later(seconds, call)

    def _cancel(self, *names: str) -> None:
        for name in names:
            if (timer := self._timers.pop(name, None)) is not None:
                timer.cancel()


def clock_pair() -> tuple[int, int]:
    """Give boottime and wall clock of one instant, ns."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()


def is_synchronised() -> bool:
    """Whether timesyncd or chrony have set the clock since boot."""
    return os.path.exists("/run/systemd/timesync/synchronized")  # noqa: PTH110
