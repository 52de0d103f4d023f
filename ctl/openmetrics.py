"""What the daemon says of itself as OpenMetrics text, for Prometheus and its kin.

Pure: documents in, text out. Counters count one session, and begin anew with the
next; `imagemp_session_info` names it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]
Labels = dict[str, str]
TOTALS = ("captured", "published", "expected")
BY_CAUSE = ("dropped", "missed")
OVER = ("idle", "complete", "incomplete")
OF_A_READER = ("recorded", "durable", "delivered")


@dataclass(frozen=True)
class Family:
    """One metric, and what is known of it.

    Attributes:
        kind: `counter`, `gauge` or `info`.
        samples: Labels and value, in the order they were found.
    """

    name: str
    kind: str
    meaning: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)


def exposition(families: Iterable[Family]) -> str:
    """Give the text; families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines.append(f"# HELP {family.name} {family.meaning}")
            lines += [_line(family, *sample) for sample in family.samples]
    return "\n".join([*lines, "# EOF"])


def families(state: Body, pipelines: Iterable[tuple[str, Body]]) -> list[Family]:
    """Give all metrics.

    Args:
        state: The daemon's status.
        pipelines: Each one's name, and its status and report together.
    """
    book = _Book()
    gateway = state.get("gateway")
    if gateway:
        book.worker({"worker": "gateway", "pipeline": ""}, gateway)
    book.add("up", {}, float(state.get("state") == "running"))
    for name, body in pipelines:
        _pipeline(book, {"pipeline": name}, body)
    return list(book.families.values())


def _pipeline(book: "_Book", labels: Labels, body: Body) -> None:
    if body.get("session"):
        book.add("session", {**labels, "session": str(body["session"])}, 1)
    book.add("running", labels, float(body.get("state") == "running"))
    # The last report of a session stays after its end, with the rate of then.
    book.add("fps", labels, 0 if body.get("state") in OVER else body.get("fps"))
    for name in ("target_fps", "temperature_c", "throttled", "late"):
        book.add(name, labels, body.get(name))
    _counts(book, labels, body.get("counts") or {})
    _rooms(book, labels, body)
    _readings(book, labels, body)
    for worker in body.get("workers") or ():
        book.worker({**labels, "worker": str(worker.get("name", "?"))}, worker)


def _rooms(book: "_Book", labels: Labels, body: Body) -> None:
    for place in ("ring", "overflow"):
        inside = body.get(place) or {}
        for name in ("slots", "used", "high_water"):
            book.add(name, {**labels, "place": place}, inside.get(name))
    disk = body.get("disk") or {}
    book.add("disk_free", labels, disk.get("free"))
    book.add("disk_left", labels, disk.get("left"))


def _readings(book: "_Book", labels: Labels, body: Body) -> None:
    for name, encoder in (body.get("encoders") or {}).items():
        own = {**labels, "encoder": name}
        book.add("bytes", own, encoder.get("bytes"))
        book.add("durable_lag", own, _seconds(encoder.get("durable_lag_ms")))
    for name, callback in (body.get("callbacks") or {}).items():
        own = {**labels, "callback": name}
        for counter in ("errors", "over_budget"):
            book.add(counter, own, callback.get(counter))
        _quantiles(book, "took", own, callback.get("took_ms") or {})
    for name, lag in (body.get("lag_ms") or {}).items():
        _quantiles(book, "lag", {**labels, "reader": name}, lag)


def _quantiles(book: "_Book", name: str, labels: Labels, found_ms: Body) -> None:
    for quantile in ("p50", "p99"):
        own = {**labels, "quantile": f"0.{quantile[1:]}"}
        book.add(name, own, _seconds(found_ms.get(quantile)))


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _counts(book: "_Book", labels: Labels, counts: Body) -> None:
    for name in TOTALS:
        book.add(name, labels, counts.get(name))
    for name in BY_CAUSE:
        for cause, n in (counts.get(name) or {}).items():
            book.add(name, {**labels, "cause": cause}, n)
    for reader, told in _readers(counts):
        own = {**labels, "reader": reader}
        for name in OF_A_READER:
            book.add(name, own, told.get(name))
        for cause, n in (told.get("skipped") or {}).items():
            book.add("skipped", {**own, "cause": cause}, n)


def _readers(counts: Body) -> Iterator[tuple[str, Body]]:
    for kind in ("encoders", "callbacks"):
        yield from (counts.get(kind) or {}).items()


class _Book:
    """Every metric there may be, empty at first."""

    def __init__(self) -> None:
        self.families = {
            name: Family(f"imagemp_{full}", kind, meaning)
            for name, (full, kind, meaning) in _MEANINGS.items()
        }

    def add(self, name: str, labels: Labels, value: float | None) -> None:
        """Add a sample; None: the daemon did not tell."""
        if value is not None:
            self.families[name].samples.append((labels, value))

    def worker(self, labels: Labels, told: Body) -> None:
        """Add what is known of one process."""
        is_up = str(told.get("state", "")).lower() == "running"
        self.add("worker_up", labels, float(is_up))
        for name in ("restarts", "rss", "cpu"):
            self.add(name, labels, told.get(name))


def _line(family: Family, labels: Labels, value: float) -> str:
    end = {"counter": "_total", "info": "_info"}.get(family.kind, "")
    inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    return f"{family.name}{end}{{{inside}}} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_MEANINGS = {
    "up": ("up", "gauge", "1 while the daemon runs and takes orders."),
    "session": ("session", "info", "The session that runs, or ran last."),
    "running": ("pipeline_running", "gauge", "1 while frames are taken."),
    "fps": ("fps", "gauge", "Frames captured a second."),
    "target_fps": ("target_fps", "gauge", "Frames a second that are wanted."),
    "captured": ("frames_captured", "counter", "Frames the source gave."),
    "published": ("frames_published", "counter", "Frames that readers were told of."),
    "expected": ("frames_expected", "counter", "Frames there were by the clock."),
    "dropped": ("frames_dropped", "counter", "Frames that found no place."),
    "missed": ("frames_missed", "counter", "Frames that the source did not give."),
    "recorded": ("frames_recorded", "counter", "Frames an encoder has written."),
    "durable": ("frames_durable", "counter", "Frames that outlive a power cut."),
    "delivered": ("frames_delivered", "counter", "Frames a callback has had."),
    "skipped": ("frames_skipped", "counter", "Frames a reader did not take."),
    "late": ("deadlines_late", "counter", "Times of a timetable that had passed."),
    "slots": ("slots", "gauge", "Places for frames."),
    "used": ("slots_used", "gauge", "Places that are taken."),
    "high_water": ("slots_high_water", "gauge", "The most that were taken at once."),
    "lag": ("lag_seconds", "gauge", "From publishing to a reader's taking it."),
    "durable_lag": ("durable_lag_seconds", "gauge", "Age of what a cut would cost."),
    "errors": ("callback_errors", "counter", "Calls of a callback that raised."),
    "over_budget": ("callback_over_budget", "counter", "Calls that took too long."),
    "took": ("callback_call_seconds", "gauge", "How long calls of a callback take."),
    "bytes": ("written_bytes", "counter", "Bytes an encoder has written."),
    "disk_free": ("disk_free_bytes", "gauge", "Free on the disk of recordings."),
    "disk_left": ("disk_left_bytes", "gauge", "What may still be recorded."),
    "temperature_c": ("temperature_celsius", "gauge", "Of the processor."),
    "throttled": ("throttled_flags", "gauge", "A Pi's throttling flags; 0 is well."),
    "worker_up": ("worker_up", "gauge", "1 while the process runs."),
    "restarts": (
        "worker_restarts",
        "counter",
        "How often it failed and was started anew.",
    ),
    "rss": ("worker_resident_bytes", "gauge", "Its resident memory."),
    "cpu": ("worker_cpu_ratio", "gauge", "Its share of one core."),
}
