"""Reports and events, one line each: what the telemetry says, in words.

Bodies are as the daemon publishes them; every field is optional.
"""

from collections.abc import Mapping
from typing import Any

from .accounting import causes_text
from .output import plain
from .times import length

Body = Mapping[str, Any]


def pipeline_of(topic: str, body: Body) -> str:
    """Give the pipeline that a message is about."""
    return str(body.get("pipeline") or topic.partition(".")[2])


def metrics_line(topic: str, body: Body) -> str:
    """Tell a report of a pipeline's numbers."""
    counts = body.get("counts") or {}
    told = [
        progress_text(body),
        f"{counts.get('captured', 0)} frames",
        rate_text(body),
        f"dropped {causes_text(counts.get('dropped'))}",
        f"missed {causes_text(counts.get('missed'))}",
    ]
    return f"{pipeline_of(topic, body)}: {', '.join(part for part in told if part)}"


def event_line(topic: str, body: Body) -> str:
    """Tell an event and its details."""
    details = body.get("details") or {}
    told = " ".join(f"{key}={plain(value)}" for key, value in details.items())
    name = body.get("name", "event")
    line = f"{clock_text(body)} {pipeline_of(topic, body)}: {name} {told}"
    return line.strip()


def rate_text(body: Body) -> str:
    """Give `29.9 of 30.0 fps`, or what is known of it."""
    fps, target = body.get("fps"), body.get("target_fps")
    if fps is None:
        return ""
    return f"{fps:.1f} of {target:.1f} fps" if target else f"{fps:.1f} fps"


def progress_text(body: Body) -> str:
    """Give `0:05 of 1:00`, or what is known of it."""
    elapsed_s, duration_s = body.get("elapsed_s"), body.get("duration_s")
    if elapsed_s is None:
        return ""
    done = length(elapsed_s)
    return f"{done} of {length(duration_s)}" if duration_s else done


def disk_text(body: Body) -> str:
    """Give `16.0 GiB free, 1:05:00 left`, or what is known of it."""
    disk = body.get("disk") or {}
    if disk.get("free") is None:
        return ""
    told = f"{disk['free'] / 2**30:.1f} GiB free"
    if disk.get("seconds_left") is not None:
        told += f", {length(disk['seconds_left'])} left"
    return told


def gate_text(gate: Body) -> str:
    """Give `waits for a trigger, holds 2.5 s (75 frames)`; "" where all is usual."""
    if not gate.get("armed"):
        return "" if gate.get("recording", True) else "records nothing now"
    told = "records" if gate.get("recording") else "waits for a trigger"
    held_s, held = gate.get("held_s") or 0.0, gate.get("held") or 0
    return f"{told}, holds {held_s:.1f} s ({held} frames)"


def left_s(body: Body) -> float | None:
    """Seconds until the session has what it was asked for; None: no end known."""
    ends = []
    if body.get("duration_s"):
        ends.append(body["duration_s"] - body.get("elapsed_s", 0.0))
    if body.get("frames") and body.get("fps"):
        captured = (body.get("counts") or {}).get("captured", 0)
        ends.append((body["frames"] - captured) / body["fps"])
    return max(0.0, min(ends)) if ends else None


def done_part(body: Body) -> float | None:
    """Give how much of the session is done, 0 to 1; None: no end known."""
    parts = []
    if body.get("duration_s"):
        parts.append(body.get("elapsed_s", 0.0) / body["duration_s"])
    if body.get("frames"):
        captured = (body.get("counts") or {}).get("captured", 0)
        parts.append(captured / body["frames"])
    return min(1.0, max(parts)) if parts else None


def clock_text(body: Body) -> str:
    """Give the local time of day at which a message was published."""
    if "t_unix_ns" not in body:
        return ""
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(body["t_unix_ns"] / 1e9, UTC).astimezone()
    return when.strftime("%H:%M:%S.") + f"{when.microsecond // 1000:03}"
