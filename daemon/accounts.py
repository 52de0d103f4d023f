"""What is known of a session, and where each of its frames is. Pure: no I/O."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from imagemp.counts import CallbackCounts, Counts, EncoderCounts, OutputCounts

from .epochs import Totals
from .pipeline import SOURCE, PipelinePlan
from .spans import Spans
from .workers.orders import Report

EVENTS_NBYTES = 32768  # of a session: they go to the encoder in one packet


class Stage(enum.StrEnum):
    """How far a session is; they follow in this order, any may be skipped."""

    WAITING = "waiting"  # for the time it is to start at
    STARTING = "starting"
    ARMED = "armed"
    RUNNING = "running"
    STOPPING = "stopping"
    FINALISING = "finalising"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Stage.COMPLETE, Stage.INCOMPLETE)


@dataclass(slots=True)
class Facts:
    """What is known of one session.

    Attributes:
        waiting: Workers that have to answer before the first frame.
        briefed: Consumers that were told to open it.
        undrained: Workers that still have frames to deal with.
        reports: The last report of each consumer.
        given_up: Consumers that will not come back, and the cause of what they
            leave.
        problem: Why it failed: code, message and hint.
        notes: What its source does differently from what was asked.
        spans: When each encoder is to record.
        triggered: Frames that triggers of the timetable have asked for.
        is_autostart: Nobody asked for it: it began with the daemon.
    """

    id: str
    plan: PipelinePlan
    started_unix_ns: int
    duration_s: float | None = None
    frames: int | None = None
    stage: Stage = Stage.WAITING
    dir: str = ""
    reason: str = ""
    problem: tuple[str, str, str] | None = None
    notes: list[str] = field(default_factory=list)
    t_first_ns: int = 0
    t_start_ns: int = 0
    triggered: int = 0
    waiting: set[str] = field(default_factory=set)
    undrained: set[str] = field(default_factory=set)
    briefed: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    reports: dict[str, Report] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    events_nbytes: int = 0
    events_left_out: int = 0
    clock: list[tuple[int, int]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    spans: dict[str, Spans] = field(default_factory=dict)
    is_autostart: bool = False

    def __post_init__(self) -> None:
        encoders = (w for w in self.plan.workers if w.kind == "encoder")
        self.spans = {w.name: Spans.of(w.config) for w in encoders}

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.stage.is_over

    @property
    def is_ending(self) -> bool:
        """Whether no more frames are wanted."""
        return self.stage in (Stage.STOPPING, Stage.FINALISING)

    @property
    def is_void(self) -> bool:
        """Whether nobody asked for it, and it could not begin."""
        return self.is_autostart and self.problem is not None and not self.t_start_ns

    def fail(self, code: str, message: str, hint: str = "") -> None:
        """Remember the first thing that went wrong."""
        if self.problem is None:
            self.problem = (code, message, hint)
            self.reason = self.reason or "failed"

    def add_event(self, name: str, details: Mapping[str, Any], unix_ns: int) -> None:
        """Keep an event for the manifest; the latest are left out, and counted."""
        event = {"name": name, "t_unix_ns": unix_ns, **details}
        size = len(msgspec.json.encode(event))
        if self.events_nbytes + size <= EVENTS_NBYTES:
            self.events.append(event)
            self.events_nbytes += size
        else:
            self.events_left_out += 1

    def limits(self, taken: int = 0) -> dict[str, Any]:
        """Give what capture needs to know of when to end, and what it owes.

        Args:
            taken: So many frames have been captured.
        """
        return {
            "frames": self.frames,
            "duration_s": self.duration_s,
            "t_first_ns": self.t_first_ns,
            "t_start_ns": self.t_start_ns,
            "pending": max(0, self.triggered - taken),
        }

    def end_ns(self, now_ns: int) -> int:
        """Give since when no frame is wanted: now, or since the duration was over."""
        if self.duration_s is None or not self.t_first_ns:
            return now_ns
        return min(now_ns, self.t_first_ns + round(self.duration_s * 1e9))

    def result(self) -> dict[str, Any]:
        """Give what `session.wait` answers."""
        result: dict[str, Any] = {
            "session": self.id,
            "pipeline": self.plan.name,
            "dir": self.dir,
            "state": str(self.stage),
            "reason": self.reason,
        }
        if self.problem is not None:
            code, message, hint = self.problem
            result["error"] = {"code": code, "message": message, "hint": hint}
        return result


def outcome(facts: Facts) -> dict[str, Any]:
    """Give what became of a session, in a few words, for whoever reads the log."""
    counts = facts.counts
    encoders = counts.encoders.items()
    skipped = {name: e.skipped for name, e in encoders if e.skipped}
    return {
        "dir": facts.dir,
        "captured": counts.captured,
        "recorded": {name: encoder.recorded for name, encoder in encoders},
        "dropped": counts.dropped,
        "missed": counts.missed,
        **{f"skipped.{name}": causes for name, causes in skipped.items()},
    }


def close_law(facts: Facts, rings: Mapping[str, Totals]) -> Counts:
    """Close the law: where every frame of the session is.

    Args:
        facts: Their reports were taken before the rings were read.
        rings: By name, the source's among them.
    """
    source = rings[SOURCE]
    encoders: dict[str, EncoderCounts] = {}
    callbacks: dict[str, CallbackCounts] = {}
    for ring, worker in _places(facts.plan):
        kind = _kind(facts.plan, worker)
        published = rings[ring].published
        report = facts.reports.get(worker, Report(facts.id))
        left, cause = published - report.handled, facts.given_up.get(worker)
        skipped, in_flight = _settle(report.skipped, left, cause)
        own = None if ring == SOURCE else published
        if kind == "encoder":
            encoders[worker] = EncoderCounts(
                report.recorded, report.durable, skipped, in_flight, own
            )
            callbacks |= _inline(report, left, cause, own)
        else:
            output = _output(rings.get(f"callback:{worker}"))
            callbacks[worker] = CallbackCounts(
                report.recorded, skipped, in_flight, own, output
            )
    return Counts(
        captured=source.captured,
        published=source.published,
        dropped=dict(source.dropped),
        staged=source.staged,
        expected=source.captured + source.missed.total(),
        missed=dict(source.missed),
        encoders=encoders,
        callbacks=callbacks,
    )


def _output(ring: Totals | None) -> OutputCounts | None:
    if ring is None or not ring.captured:
        return None
    return OutputCounts(ring.captured, ring.published, dict(ring.dropped), ring.staged)


def _places(plan: PipelinePlan) -> Iterable[tuple[str, str]]:
    for ring in plan.rings:
        for reader in ring.readers:
            yield ring.name, reader.worker


def _kind(plan: PipelinePlan, worker: str) -> str:
    return next(w.kind for w in plan.workers if w.name == worker)


def _settle(
    skipped: Mapping[str, int], left: int, cause: str | None
) -> tuple[dict[str, int], int]:
    """Give what is skipped and what is in flight; all, if it was given up."""
    if cause is None or not left:
        return dict(skipped), left
    return {**skipped, cause: skipped.get(cause, 0) + left}, 0


def _inline(
    report: Report, left: int, cause: str | None, own: int | None
) -> dict[str, CallbackCounts]:
    """Give the lines of the callbacks that run inside an encoder."""
    undrained = report.skipped.get("undrained", 0)
    seen = report.numbers.get("seen", report.handled - undrained)
    ahead = max(0, seen - report.handled)  # shown to them, and not yet recorded
    unseen = max(0, report.handled - seen)
    given_up = min(unseen, undrained)
    lines = {}
    for name, numbers in report.numbers.get("callbacks", {}).items():
        delivered, behind = numbers["delivered"], numbers.get("behind", 0)
        filtered = numbers.get("filtered", 0)
        known = {
            "callback_error": seen - delivered - behind - filtered,
            "filtered": filtered,
            "behind": behind + unseen - given_up,
            "undrained": given_up,
        }
        known = {k: n for k, n in known.items() if n}
        skipped, in_flight = _settle(known, left - ahead, cause)
        lines[name] = CallbackCounts(delivered, skipped, in_flight, own)
    return lines
