"""One run of a pipeline: what its workers tell moves it on, from start to end.

Whatever dies is started anew by its post, greeted here, and goes on where it was.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imagemp.counts import Counts
from imagemp.link import close_all
from imagemp.ring.handover import Order

from .accounts import Facts, Stage, close_law
from .briefing import clock_pair, open_order, prepare_order
from .door import Guest
from .ending import Ending
from .epochs import Totals
from .pipeline import SOURCE
from .post import Post, State
from .rings import RingKeeper
from .timers import Timers
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
    Told,
)

Publish = Callable[[str, dict[str, Any]], None]
RETRY_S = 1.0  # before a source that could not be opened again is tried anew
SLOW_RETRY_S = 30.0
TRIES = 5  # until retries are slow
GRACE_S = 2.0  # for a source that falls silent before its duration is over


class Session:
    """A session at work.

    Args:
        facts: Its id, its plan and its limits.
        posts: The pipeline's workers, by name.
        guests: Programs outside that read its rings, by name.
        publish: Publishes an event or a state: topic and body.

    Attributes:
        first: Done when the first frame is there, or the session is armed.
        done: Done when all is closed.
    """

    def __init__(
        self,
        facts: Facts,
        posts: Mapping[str, Post],
        guests: Mapping[str, Guest],
        publish: Publish,
    ) -> None:
        self.facts, self.posts, self._publish = facts, posts, publish
        self._guests = guests
        self.rings = {r.name: RingKeeper(r, self.send) for r in facts.plan.rings}
        self.timers = Timers()
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[Facts] = loop.create_future()
        self.ending = Ending(self)
        self._tries = 0

    # -- what the crew asks

    def begin(self, at_unix: float | None = None) -> None:
        """Have every worker open the session, now or at a time."""
        if at_unix is not None:
            self.facts.stage = Stage.WAITING
            self.timers.set("at", max(0.0, at_unix - time.time()), self.begin)
            self.resolve_first()
            return
        facts = self.facts
        facts.clock.append(clock_pair())
        self.set_stage(Stage.STARTING)
        facts.waiting = set(self.posts)
        facts.undrained = {w.name for w in facts.plan.workers if w.kind != "capture"}
        for post in self.posts.values():
            if post.is_running:
                self.greet(post)
            else:
                post.start()

    def greet(self, post: Post) -> None:
        """A worker is up: tell it where the session stands."""
        if self.facts.has_ended or self.facts.stage is Stage.WAITING:
            return
        if post.kind == "capture":
            self.prepare(SOURCE)
            return
        self.send(post.name, open_order(self.facts, post.name))
        for ring in self.rings.values():
            if ring.plan.producer == post.name:
                self.prepare(ring.plan.name)
        for ring in self.rings.values():
            ring.reader_back(post.name)

    def died(self, post: Post, code: int) -> None:
        """A worker's process is gone."""
        self.event("worker_died", {"worker": post.name, "code": code})
        for ring in self.rings.values():
            if ring.plan.producer == post.name:
                self._producer_died(ring)
            ring.reader_died(post.name)
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

    def totals(self) -> dict[str, Totals]:
        """What each ring has seen."""
        return {name: ring.totals() for name, ring in self.rings.items()}

    def counts(self) -> Counts:
        """Where every frame of the session is."""
        if self.facts.has_ended:
            return self.facts.counts
        return close_law(self.facts, self.totals())

    # -- what the workers tell

    def on_opened(self, post: Post, told: Opened) -> None:
        """A consumer is ready for frames."""
        facts = self.facts
        facts.dir = facts.dir or told.dir
        facts.opened.add(post.name)
        facts.waiting.discard(post.name)
        if facts.stage is Stage.FINALISING or facts.has_ended:
            self.ending.write_manifest(post)  # it was given up meanwhile
        self._go_if_all_answered()

    def on_first_frame(self, post: Post, told: FirstFrame) -> None:
        """The epoch's first frame is there; the session's, if it is the first."""
        facts = self.facts
        if told.epoch:
            self.event("capture_back", {"missed": told.missed, "worker": post.name})
        facts.t_first_ns = facts.t_first_ns or told.t_sensor_ns
        if facts.stage is Stage.ARMED:
            self.set_stage(Stage.RUNNING)
            self.resolve_first()
            if facts.duration_s is not None:
                grace = facts.duration_s + GRACE_S
                self.timers.set("duration", grace, self.ending.duration_over)

    def on_ended(self, post: Post, told: Ended) -> None:
        """A ring's stream is over."""
        ring = self.ring_of(post)
        if told.message:
            self.event("source_failed", {"message": told.message})
        if told.retry and not self.facts.is_ending:
            return  # it leaves, and its successor tries again
        if ring.plan.name == SOURCE:
            self.ending.source_ended(told)
        ring.ended(told.index)

    def on_left_epoch(self, post: Post, told: LeftEpoch) -> None:
        """A consumer has finished an epoch."""
        for ring in self.rings.values():
            ring.left(post.name, told.epoch)

    def on_adopted(self, post: Post, told: Adopted) -> None:
        """A producer uses the successor's counters."""
        self.ring_of(post).adopted(told.place)

    def on_report(self, post: Post, told: Report) -> None:
        """A consumer's numbers."""
        self.facts.reports[post.name] = told

    def on_event(self, post: Post, told: Event) -> None:
        """Something a user may want to know; an eviction concerns us as well."""
        details = {"worker": post.name, **told.details}
        if told.name == "evicted":
            who = self.ring_of(post).evicted(told.details["place"])
            details = {"reader": who, "behind": told.details["behind"]}
        elif told.name == "reader_fault":
            who = self.ring_of(post).reader_at(told.details["place"])
            details = {"reader": who}
            if (faulty := self.posts.get(who or "")) is not None:
                faulty.kill()
        self.event(told.name, details)

    def on_failed(self, post: Post, told: Failed) -> None:
        """A worker cannot go on with the session, or not begin it."""
        self.event("failed", {"worker": post.name, "message": told.message})
        if post.kind == "capture" and self.rings[SOURCE].epochs:
            self._tries += 1
            delay = RETRY_S if self._tries < TRIES else SLOW_RETRY_S
            self.timers.set("retry", delay, lambda: self.prepare(SOURCE))
            return
        facts = self.facts
        facts.fail(told.code, f"{facts.plan.name}: {told.message}", told.hint)
        if facts.stage is Stage.STARTING:
            facts.undrained.discard(post.name)
            self.ending.abort()
        else:
            self.ending.stop()

    def on_drained(self, post: Post, _told: Drained) -> None:
        """A consumer has dealt with all its frames."""
        self.ending.has_drained(post.name)

    def on_finished(self, _post: Post, _told: Finished) -> None:
        """The manifest is written."""
        self.ending.conclude()

    # -- for those who work on it

    def event(self, name: str, details: dict[str, Any]) -> None:
        """Publish an event and keep it for the manifest."""
        if not self.facts.has_ended:
            self.facts.add_event(name, details, time.time_ns())
        pipeline = self.facts.plan.name
        body = {"name": name, "pipeline": pipeline, "details": details}
        self._publish(f"event.{pipeline}", body)

    def set_stage(self, stage: Stage) -> None:
        """Move on, and say so."""
        if self.facts.stage is not stage or stage is Stage.STARTING:
            self.facts.stage = stage
            self.event("stage", {"stage": str(stage), "reason": self.facts.reason})
            self._publish("state", {})

    def send(self, worker: str, order: Order, fds: Sequence[int] = ()) -> None:
        """Send an order to a worker, or to a guest, by name."""
        reader = self.posts.get(worker) or self._guests.get(worker)
        if reader is not None:
            reader.send(order, fds)

    def resolve_first(self) -> None:
        """Tell whoever waits for the first frame."""
        if not self.first.done():
            self.first.set_result(None)

    def ring_of(self, post: Post) -> RingKeeper:
        """Give the ring that a worker produces."""
        return self.rings[SOURCE if post.kind == "capture" else f"callback:{post.name}"]

    def prepare(self, name: str) -> None:
        """Have a ring made; its producer answers, and then all is attached."""
        facts, ring = self.facts, self.rings[name]
        if facts.has_ended or ring.is_over:
            return
        self.send(ring.plan.producer, prepare_order(facts, ring))

    # -- steps

    def _go_if_all_answered(self) -> None:
        if self.facts.stage is Stage.STARTING and not self.facts.waiting:
            self.rings[SOURCE].go()
            self.facts.t_start_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            self.set_stage(Stage.ARMED)
            if self.facts.plan.armed:
                self.resolve_first()

    def _ring_made(self, post: Post, made: RingMade, fds: list[int]) -> None:
        ring = self.ring_of(post)
        if ring.is_over or self.facts.has_ended:
            close_all(fds)
            return
        self._tries = 0
        ring.made(made, fds)
        for note in made.notes:
            self.event("source_note", {"message": note})
        if ring.plan.name == SOURCE and self.facts.stage is Stage.STARTING:
            self.facts.waiting.discard(post.name)
            self._go_if_all_answered()
        else:
            ring.go()

    def _producer_died(self, ring: RingKeeper) -> None:
        if ring.is_over:  # it had said where it ends
            ring.producer_died(last=True)
        elif ring.epochs or self.facts.is_ending:
            is_last = self.facts.is_ending and ring.plan.name == SOURCE
            ring.producer_died(last=is_last)
            if self.facts.stage is Stage.STARTING:
                self.facts.waiting.add(ring.plan.producer)
