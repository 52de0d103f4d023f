"""When the encoders of a session record: orders and triggers, passed on as spans."""

from typing import Any

from imagemp.clock import boottime_ns
from imagemp.config.holding import Room, lack_of_room, rate
from imagemp.errors import ConfigError, ControlError

from .pipeline import CAPTURE
from .rings import RingKeeper
from .run import Run
from .workers.gate import FOREVER
from .workers.orders import SpanRecorded, Trigger, Triggered, Want


class Gates:
    """What is asked for in one session, told to its encoders as spans."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._triggers = 0
        self._is_told = False  # that a trigger was of no use

    def trigger(self, by: str, n: int | None = None) -> None:
        """Somebody outside wants frames taken now, or what is around now recorded.

        Raises:
            ControlError: Nothing here waits for a trigger.
        """
        facts = self._run.facts
        if (facts.plan.schedule or {}).get("trigger"):
            self._take(n)
        elif not self._armed:
            raise ControlError(
                "E_CONFIG",
                f"{facts.plan.name}: schedule.trigger is not set, "
                "nor encoder.pre_s or post_s",
                "set one of them, or start with -o schedule.trigger=true",
            )
        elif n is not None:
            problem = "n: is of a schedule that waits for triggers, not of pre_s"
            raise ControlError("E_PARAMS", f"{facts.plan.name}: {problem}")
        else:
            self._check_on("trigger")
            self._add_trigger(by, boottime_ns())

    def called(self, told: Triggered) -> None:
        """A callback triggers; who cannot be answered is told by an event, once."""
        facts = self._run.facts
        if (facts.plan.schedule or {}).get("trigger"):
            self._take()
        elif self._armed and not facts.is_ending:
            self._add_trigger(told.callback, told.t_ns, told.note)
        elif not (self._armed or self._is_told):
            self._is_told = True
            self._run.event("trigger_unused", {"callback": told.callback})

    def record(self, encoder: str, *, is_on: bool) -> list[str]:
        """Record from now on, or no more; give the encoders that this is about.

        Args:
            encoder: "" is all of them.
            is_on: Whether to record.

        Raises:
            ControlError: No frames come any more.
        """
        self._check_on("record")
        spans = self._run.facts.spans
        names = [name for name in spans if encoder in ("", name)]
        t_ns = boottime_ns()
        for name in names:
            before = spans[name].plain
            (spans[name].start if is_on else spans[name].stop)(t_ns)
            if spans[name].plain != before:
                self._tell(name)
                what = "record_start" if is_on else "record_stop"
                self._run.event(what, {"encoder": name, "t_ns": t_ns})
        return names

    def recorded(self, encoder: str, told: SpanRecorded) -> None:
        """An encoder has dealt with all frames of a span, or of its first part."""
        triggers = self._run.facts.spans[encoder].done(told.to_ns)
        details: dict[str, Any] = {"encoder": encoder, "triggers": triggers}
        details |= {"frames": told.frames, "seq": told.seqs}
        details |= {"file": told.files, "page": told.pages}
        details["from_ns"] = told.from_ns or None
        details["to_ns"] = told.to_ns if told.to_ns < FOREVER else None
        self._run.event("span_recorded", details)

    def lack(self, ring: RingKeeper) -> ConfigError | None:
        """Say why a ring has not the room that is to be held in it."""
        plan, epoch = self._run.facts.plan, ring.latest
        readers = {reader.worker for reader in ring.plan.readers}
        pre_s = [w.config.get("pre_s", 0.0) for w in plan.workers if w.name in readers]
        if epoch is None or not any(pre_s):
            return None
        geometry, fps = epoch.header.geometry, rate(epoch.made.fps, plan.schedule)
        room = Room(
            geometry.slots,
            geometry.overflow,
            geometry.stride,
            plan.ring["when_full"],
            plan.ring["overflow"],
        )
        lack = lack_of_room(max(pre_s), fps, room)
        key = f"pipelines.{plan.name}.encoder.pre_s"
        return None if lack is None else ConfigError(key, *lack)

    @property
    def _armed(self) -> list[str]:
        return [name for name, one in self._run.facts.spans.items() if one.is_armed]

    def _take(self, n: int | None = None) -> None:
        """Have frames taken; what capture cannot hear now, its successor is told."""
        facts = self._run.facts
        each = (facts.plan.schedule or {}).get("frames_per_trigger", 1)
        facts.triggered += each if n is None else n
        self._run.send(CAPTURE, Trigger(n, boottime_ns()))

    def _add_trigger(self, by: str, t_ns: int, note: str = "") -> None:
        self._triggers += 1
        number = self._triggers
        details: dict[str, Any] = {"trigger": number, "by": by, "t_ns": t_ns}
        self._run.event("triggered", details | ({"note": note} if note else {}))
        for name in self._armed:
            self._run.facts.spans[name].trigger(number, t_ns)
            self._tell(name)

    def _tell(self, encoder: str) -> None:
        self._run.send(encoder, Want(self._run.facts.spans[encoder].plain))

    def _check_on(self, what: str) -> None:
        facts = self._run.facts
        if facts.is_ending or facts.has_ended:
            raise ControlError(
                "E_NOT_RUNNING", f"{facts.plan.name}: {what}: the session is ending"
            )
