"""The workers of one pipeline: their posts, and the session they are in."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct

from imagemp.counts import Counts
from imagemp.errors import ConfigError, ControlError
from imagemp.link import close_all
from imagemp.recording.folder import session_id
from imagemp.ring.handover import Admitted, Again, Begin
from imagemp.topics import callback_topic, event_topic

from .accounts import Facts
from .autostart import Autostart
from .cameras import Controls, with_controls
from .door import Guest
from .life import Life
from .pipeline import CAPTURE, PipelinePlan
from .post import Post, Watch
from .run import Publisher, Run
from .session import WEDGED, Session
from .together import Together
from .workers.orders import CameraAnswer, Deliver, Speak, Stale, Told

TOKENS = 1 << 16  # of sessions that begin in one second: counted, none comes twice
MAX_PLAN = 49152  # bytes: a worker is told its part in one packet


class StartOrder(Struct, frozen=True):
    """What `session.start` asks of one pipeline."""

    plan: PipelinePlan
    duration_s: float | None = None
    frames: int | None = None
    together: Together | None = None
    is_autostart: bool = False


class Crew:
    """One pipeline's workers.

    Args:
        plan: As configured; a session may have one of its own.
        publish: Publishes an event or a state: topic and body.
        connect: Gives the socket on which a callback publishes under a topic.

    Attributes:
        session: The one that is on, or the last one.
        again: When a session that begins by itself, and could not, is tried again.
    """

    def __init__(
        self,
        plan: PipelinePlan,
        publish: Publisher,
        connect: Callable[[str], socket.socket],
    ) -> None:
        self.plan = plan
        self.session: Session | None = None
        self.guests: dict[str, Guest] = {}
        self.again = Autostart(self.autostart)
        self.controls = Controls()
        self._publish, self._connect = publish, connect
        self._is_leaving = False
        self._tokens = count(int.from_bytes(os.urandom(2), "big"))
        watch = Watch(self._ready, self._told, self._died)
        self.posts = {
            w.name: Post(w.name, w.kind, watch, plan.name, Life(w.name == CAPTURE))
            for w in plan.workers
        }

    @property
    def is_busy(self) -> bool:
        """Whether a session is on."""
        return self.session is not None and not self.session.facts.has_ended

    def is_at(self, session: str) -> bool:
        """Whether this very session is on."""
        return (
            self.session is not None
            and self.is_busy
            and self.session.facts.id == session
        )

    def has_encoder(self, name: str) -> bool:
        """Whether there is an encoder of this name, or any if it is empty."""
        encoders = [w.name for w in self.plan.workers if w.kind == "encoder"]
        return name in encoders if name else bool(encoders)

    def start_workers(self) -> None:
        """Have every post filled."""
        for post in self.posts.values():
            post.start()

    def check_idle(self) -> None:
        """Raise `ControlError` if a session is on, or none can be."""
        if self.session is not None and self.is_busy:
            raise ControlError(
                "E_ALREADY_RUNNING",
                f"{self.plan.name}: session {self.session.facts.id} is on",
                f"imagectl stop {self.plan.name}",
            )
        if self.posts[CAPTURE].is_stuck:
            code, problem, hint = WEDGED
            raise ControlError(code, f"{self.plan.name}: {problem}", hint)

    def check_plan(self, plan: PipelinePlan) -> None:
        """Raise `ConfigError` if a session's plan needs other workers than these."""
        if len(msgspec.json.encode(plan)) > MAX_PLAN:
            raise ConfigError(
                f"pipelines.{self.plan.name}", f"is larger than {MAX_PLAN} bytes"
            )
        wanted = {w.name: w.kind for w in plan.workers}
        if wanted != {post.name: post.kind for post in self.posts.values()}:
            raise ConfigError(
                f"pipelines.{self.plan.name}",
                "an override may not add, remove or rename a worker",
                "change the configuration and `imagectl reload`",
            )

    def autostart(self) -> None:
        """Begin the session that the configuration asks for, once it can begin."""
        done = self.start(StartOrder(self.plan, is_autostart=True)).run.done
        done.add_done_callback(lambda over: self._autostart_over(over.result()))

    def start(self, order: StartOrder) -> Session:
        """Begin a session; its `first` and `done` tell how it goes."""
        self.again.cancel()
        now = time.time_ns()
        name = session_id(self.plan.name, now, f"{next(self._tokens) % TOKENS:04x}")
        facts = Facts(name, order.plan, now, order.duration_s, order.frames)
        facts.is_autostart = order.is_autostart
        run = Run(facts, self.posts, self.guests, self._publish)
        self.session = Session(run)
        for guest in self.guests.values():
            self._seat(self.session, guest)
        self.session.begin(order.together or Together())
        return self.session

    def stop(self, *, now: bool = False) -> None:
        """End the session, if one is on; its `done` tells when all is drained."""
        self.again.cancel()
        if self.session is not None:
            self.session.ending.stop(now=now)

    def trigger(self, n: int | None) -> None:
        """Have frames taken now, or what is around now recorded.

        Raises:
            ControlError: No session is on, or nothing in it waits for a trigger.
        """
        self._running("trigger").gates.trigger("client", n)

    def record(self, encoder: str, *, is_on: bool) -> list[str]:
        """Record from now on, or no more; give the encoders that this is about.

        Raises:
            ControlError: No session is on.
        """
        return self._running("record").gates.record(encoder, is_on=is_on)

    async def set_controls(self, controls: dict[str, Any]) -> dict[str, Any]:
        """Set controls of the camera; a capture started anew will set them, too.

        Raises:
            ControlError: No session is on, or they cannot be set.
        """
        session = self._running("set")
        result = await self.controls.set(self.posts[CAPTURE], controls)
        session.facts.plan = with_controls(session.facts.plan, controls)
        session.silence.rate_is(result.pop("fps"))
        return {"pipeline": self.plan.name, **result}

    def deliver(self, callback: str, body: Any) -> None:  # noqa: ANN401 - the user's
        """Hand a message to a callback.

        Raises:
            ControlError: No session is on.
        """
        session = self._running("send")
        worker = session.facts.plan.worker_of(callback)
        assert worker is not None
        session.run.send(worker, Deliver(callback, body))

    def admit(self, guest: Guest) -> None:
        """A program outside reads this pipeline from now on, session by session.

        Raises:
            ControlError: It has no such ring.
        """
        wanted = guest.ask.ring if guest.ask is not None else ""
        rings = [ring.name for ring in self.plan.rings]
        if wanted not in rings:
            raise ControlError(
                "E_PARAMS",
                f"{self.plan.name}: no ring {wanted!r}; there is {', '.join(rings)}",
            )
        self.guests[guest.name] = guest
        guest.send(Admitted())
        if self.session is not None and self.is_busy:
            self._seat(self.session, guest)

    def attach_again(self, guest: Guest, again: Again) -> None:
        """A guest was evicted and asks to be attached anew."""
        session = self.session
        if session is not None and self.is_busy and again.session == session.facts.id:
            self._join(session, guest, again.place)

    def dismiss(self, guest: Guest) -> None:
        """A guest is gone."""
        if self.guests.pop(guest.name, None) is not None and self.session is not None:
            for ring in self.session.run.rings.values():
                ring.reader_gone(guest.name)

    def give_voice(self, post: Post) -> None:
        """Connect the callbacks that a worker runs to the gateway."""
        worker = next(w for w in self.plan.workers if w.name == post.name)
        for callback in worker.callbacks if post.is_running else ():
            topic = callback_topic(self.plan.name, callback)
            with self._connect(topic) as voice:
                post.send(Speak(callback), (voice.fileno(),))

    def counts(self) -> Counts:
        """Where every frame of the session is; of the last one, if none is on."""
        return self.session.run.counts() if self.session is not None else Counts()

    async def leave(self) -> None:
        """Have every worker leave."""
        self._is_leaving = True
        self.again.cancel()
        await asyncio.gather(*(post.leave() for post in self.posts.values()))

    def _autostart_over(self, facts: Facts) -> None:
        if not self._is_leaving and (delay := self.again.ended(facts)) is not None:
            body = {"name": "autostart_again", "pipeline": self.plan.name}
            details = {"seconds": round(delay, 2), "session": facts.id}
            self._publish(event_topic(self.plan.name), {**body, "details": details})

    def _seat(self, session: Session, guest: Guest) -> None:
        guest.send(Begin(session.facts.id))
        self._join(session, guest)

    def _join(self, session: Session, guest: Guest, lost: int = -1) -> None:
        ring = session.run.rings.get(guest.ask.ring) if guest.ask is not None else None
        if ring is not None:
            ring.join(guest.reader(session.facts.plan.outside_allowance), lost)

    def _running(self, what: str) -> Session:
        if self.session is None or not self.is_busy:
            raise ControlError(
                "E_NOT_RUNNING",
                f"{self.plan.name}: {what}: no session is on",
                f"imagectl start {self.plan.name}",
            )
        return self.session

    def _ready(self, post: Post) -> None:
        self.give_voice(post)
        if self.session is not None:
            self.session.greet(post)

    def _told(self, post: Post, told: Told, fds: list[int]) -> None:
        if isinstance(told, Stale):
            self._renew(post, told)
        elif isinstance(told, CameraAnswer):
            self.controls.told(told)
        elif self.session is not None:
            self.session.told(post, told, fds)
        else:
            close_all(fds)

    def _renew(self, post: Post, told: Stale) -> None:
        """Its successor, which reads the code anew, is greeted as any other."""
        if self.is_at(told.session) and self.session is not None:
            details = {"worker": post.name, "file": told.file}
            self.session.run.event("code_changed", details)
        post.renew()

    def _died(self, post: Post, code: int) -> None:
        if post.name == CAPTURE:
            self.controls.died()
        if self.session is not None and self.is_busy:
            self.session.died(post, code)
