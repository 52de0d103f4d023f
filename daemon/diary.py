"""Which events the log is told of, and how loudly; telemetry has them all."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from .logs import fields

log = logging.getLogger(__name__)

# Somebody must act.
ERRORS = {
    *("callback_off", "disk_error", "disk_full", "drain_stalled", "failed", "gave_up"),
    *("open_hangs", "source_silent", "worker_stuck"),
}
# Nothing is lost, and an operator wants to know once a day.
NEWS = {
    *("capture_back", "code_changed", "deleted", "recovered", "source_note"),
    *("record_start", "record_stop", "timetable", "running", "complete"),
}
LOSSES = ("dropped", "missed")
# As often as a trigger, or told by a worker with its traceback.
QUIET = {
    *("callback_error", "span_recorded", "start", "trigger_unused", "triggered"),
    *("waiting", "starting", "armed", "stopping", "finalising", "worker_died"),
}


def tell(event: Mapping[str, Any]) -> None:
    """Write an event to the log, as telemetry publishes it, unless it is a quiet one.

    What nobody has sorted is a warning: something was lost or tried again.
    """
    details = dict(event["details"])
    name = str(details.pop("stage", event["name"]))
    problem = details.pop("message", "")
    whose = {key: event[key] for key in ("pipeline", "session") if event.get(key)}
    told = {**whose, **dict(_flat(details))}
    text = f"{name}: {problem}" if problem else name
    log.log(level(name, details), "%s", text, extra=fields(**told))


def level(name: str, details: Mapping[str, Any]) -> int:
    """Give how loud an event is, or a stage of a session."""
    if name in QUIET:
        return logging.DEBUG
    if name in NEWS and not any(details.get(key) for key in LOSSES):
        return logging.INFO
    return logging.ERROR if name in ERRORS else logging.WARNING


def _flat(details: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give each value, those of a dict as `recorded.main`; none that is empty."""
    for key, value in details.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", one) for inner, one in value.items())
        elif value not in ("", None):
            yield key, value
