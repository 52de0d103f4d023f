"""What a session has at hand: its facts, its workers, its rings and its timers.

Session and ending both work on it; it decides nothing.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imagemp.counts import Counts
from imagemp.errors import ControlError
from imagemp.ring.handover import Order
from imagemp.topics import STATE, event_topic

from .accounts import Facts, Stage, close_law, outcome
from .door import Guest
from .epochs import Totals
from .pipeline import SOURCE
from .post import Post
from .rings import RingKeeper
from .timers import Timers
from .wallclock import clock_pair

MOST_PAIRS = 500  # in the manifest
Publisher = Callable[[str, dict[str, Any]], None]


class Run:
    """One run of a pipeline.

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
        publish: Publisher,
    ) -> None:
        self.facts, self.posts = facts, posts
        self._guests, self._publish = guests, publish
        self.rings = {r.name: RingKeeper(r, self.send) for r in facts.plan.rings}
        self.timers = Timers()
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[Facts] = loop.create_future()

    @property
    def source(self) -> RingKeeper:
        """The ring that capture fills."""
        return self.rings[SOURCE]

    def ring_of(self, post: Post) -> RingKeeper:
        """Give the ring that a worker fills."""
        return self.rings[SOURCE if post.kind == "capture" else f"callback:{post.name}"]

    def send(self, reader: str, order: Order, fds: Sequence[int] = ()) -> None:
        """Send an order to a worker, or to a guest, by name."""
        found = self.posts.get(reader) or self._guests.get(reader)
        if found is not None:
            found.send(order, fds)

    def event(self, name: str, details: dict[str, Any]) -> None:
        """Publish an event and keep it for the manifest."""
        if not self.facts.has_ended:
            self.facts.add_event(name, details, time.time_ns())
        pipeline = self.facts.plan.name
        body = {"name": name, "pipeline": pipeline, "session": self.facts.id}
        self._publish(event_topic(pipeline), {**body, "details": details})

    def note(self, notes: Sequence[str]) -> None:
        """Say what the source does otherwise than asked, each thing once."""
        for note in notes:
            if note not in self.facts.notes:
                self.facts.notes.append(note)
                self.event("source_note", {"message": note})

    def set_stage(self, stage: Stage) -> None:
        """Move on, and say so."""
        if self.facts.stage is stage:
            return
        self.facts.stage = stage
        details = {"stage": str(stage), "reason": self.facts.reason}
        self.event("stage", details | (outcome(self.facts) if stage.is_over else {}))
        self._publish(STATE, {})

    def clock_was_set(self) -> None:
        """Note how the wall clock stands now; frames bear another."""
        boot_ns, unix_ns = pair = clock_pair()
        before = self.facts.clock[-1] if self.facts.clock else pair
        step_s = (unix_ns - before[1] - (boot_ns - before[0])) / 1e9
        if len(self.facts.clock) < MOST_PAIRS:
            self.facts.clock.append(pair)
        self.event("clock_step", {"seconds": round(step_s, 6)})

    def begun(self) -> None:
        """Tell whoever waits for the first frame that it is there."""
        if not self.first.done():
            self.first.set_result(None)

    def over(self) -> None:
        """Tell whoever waits that all is closed."""
        facts = self.facts
        if not self.first.done():
            stopped = f"{facts.plan.name}: stopped before it began"
            problem = facts.problem or ("E_NOT_RUNNING", stopped, "")
            self.first.set_exception(ControlError(*problem))
            self.first.exception()  # nobody need be waiting for it
        self.done.set_result(facts)

    def totals(self) -> dict[str, Totals]:
        """What each ring has seen."""
        return {name: ring.totals() for name, ring in self.rings.items()}

    def counts(self) -> Counts:
        """Where every frame of the session is."""
        if self.facts.has_ended:
            return self.facts.counts
        return close_law(self.facts, self.totals())
