"""What the daemon says of itself: the status document and the periodic metrics."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from imagemp.clock import boottime_ns
from imagemp.ring import layout

from .crew import Crew
from .pipeline import SOURCE
from .post import Post
from .session import Session

TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")  # millidegrees
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")  # of a Pi
OF_A_CALLBACK = ("sent", "unsent", "errors", "over_budget", "took_ms")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Meter:
    """What changed between two reports of one pipeline."""

    session: str = ""
    at: float = 0.0
    captured: int = 0
    nbytes: dict[str, int] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)
    fps: float = 0.0
    mb_s: dict[str, float] = field(default_factory=dict)
    load: dict[int, float] = field(default_factory=dict)


def status(crew: Crew, meter: Meter) -> dict[str, Any]:
    """Give a pipeline's part of `imagectl status`."""
    facts = crew.session.facts if crew.session is not None else None
    return {
        "state": str(facts.stage) if facts is not None else "idle",
        "session": facts.id if facts is not None else None,
        "dir": facts.dir if facts is not None else None,
        "reason": facts.reason if facts is not None else "",
        "counts": msgspec.to_builtins(crew.counts()),
        "fps": meter.fps if crew.is_busy else 0.0,
        **use(crew),
        "disk": _disk(crew.session, meter) if crew.session and crew.is_busy else {},
        "encoders": _gates(crew.session) if crew.session and crew.is_busy else {},
        "workers": [worker(post, meter) for post in crew.posts.values()],
    }


def metrics(crew: Crew, session: Session, meter: Meter) -> dict[str, Any]:
    """Give a pipeline's periodic report; measures since the one before."""
    facts, counts = session.facts, session.run.counts()
    _measure(crew, session, meter, counts.captured)
    source = session.run.rings[SOURCE].totals()
    return {
        "pipeline": crew.plan.name,
        "session": facts.id,
        "state": str(facts.stage),
        "fps": round(meter.fps, 2),
        "target_fps": _target_fps(session),
        "counts": msgspec.to_builtins(counts),
        "not_wanted": source.not_wanted,
        "late": source.late,
        **use(crew),
        "workers": [worker(post, meter) for post in crew.posts.values()],
        "encoders": _encoders(session, meter),
        "callbacks": _callbacks(session),
        "disk": _disk(session, meter),
        "lag_ms": _lags(session),
        "elapsed_s": _elapsed_s(facts.t_first_ns),
        "duration_s": facts.duration_s,
        "frames": facts.frames,
        **machine(),
    }


def use(crew: Crew) -> dict[str, Any]:
    """How full the source's ring and its overflow are."""
    epoch = crew.session.run.rings[SOURCE].latest if crew.session is not None else None
    if epoch is None:
        slots = crew.plan.ring["slots"]
        empty = {"used": 0, "high_water": 0}
        return {"ring": {"slots": slots, **empty}, "overflow": {"slots": 0, **empty}}
    cells, geometry = epoch.header.cells, epoch.header.geometry
    used = cells[layout.OVERFLOW_USED]
    return {
        "ring": {
            "slots": geometry.slots,
            "used": cells[layout.RING_USED],
            "high_water": cells[layout.RING_HIGH],
        },
        "overflow": {
            "slots": geometry.overflow,
            "used": used,
            "high_water": cells[layout.OVERFLOW_HIGH],
            "bytes": used * geometry.stride,
        },
    }


def worker(post: Post, meter: Meter) -> dict[str, Any]:
    """Describe one worker, with its memory in bytes and its share of a core."""
    pid = post.pid
    return {
        "name": post.name,
        "kind": post.kind,
        "pid": pid,
        "state": str(post.state),
        "restarts": post.restarts.total,
        "rss": rss(pid) if pid is not None else 0,
        "cpu": round(meter.load.get(pid, 0.0), 3) if pid is not None else 0.0,
    }


def rss(pid: int) -> int:
    """Give the resident memory of a process in bytes, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def cpu_s(pid: int) -> float:
    """Give the CPU seconds a process has used, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _measure(crew: Crew, session: Session, meter: Meter, captured: int) -> None:
    now = time.monotonic()
    passed, is_first = now - meter.at, meter.session != session.facts.id
    meter.at, meter.session = now, session.facts.id
    meter.fps = 0.0 if is_first else max(0, captured - meter.captured) / passed
    meter.captured = captured
    for post in crew.posts.values():
        if (pid := post.pid) is not None:
            used, before = cpu_s(pid), meter.cpu.get(pid)
            meter.load[pid] = 0.0 if before is None else (used - before) / passed
            meter.cpu[pid] = used
    for name, report in session.facts.reports.items():
        nbytes = report.numbers.get("bytes", 0)
        grown = 0 if is_first else nbytes - meter.nbytes.get(name, 0)
        meter.mb_s[name] = round(grown / passed / 1e6, 2)
        meter.nbytes[name] = nbytes


def _target_fps(session: Session) -> float:
    epoch = session.run.rings[SOURCE].latest
    return epoch.made.fps if epoch is not None else session.facts.plan.target_fps


def _elapsed_s(t_first_ns: int) -> float:
    if not t_first_ns:
        return 0.0
    return round(max(0, boottime_ns() - t_first_ns) / 1e9, 3)


def machine() -> dict[str, Any]:
    """Give the temperature in degrees, and a Pi's throttling flags, where told."""
    told: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        told["temperature_c"] = int(TEMPERATURE.read_text()) / 1000
    with suppress(OSError, ValueError):
        told["throttled"] = int(THROTTLED.read_text(), 16)
    return told


def _callbacks(session: Session) -> dict[str, Any]:
    """Say of each callback how its calls went, and its messages."""
    told = {}
    for name, report in session.facts.reports.items():
        inside = report.numbers.get("callbacks", {})
        for callback, numbers in (inside or {name: report.numbers}).items():
            if "sent" in numbers:
                told[callback] = {k: numbers[k] for k in OF_A_CALLBACK}
    return told


def _disk(session: Session, meter: Meter) -> dict[str, Any]:
    """Say how much may still be recorded, and for how long, by all encoders."""
    reports = session.facts.reports
    found = [r.numbers["disk"] for r in reports.values() if r.numbers.get("disk")]
    if not found:
        return {}
    told = {name: min(d[name] for d in found) for name in ("free", "left")}
    if used := [d["used"] for d in found if "used" in d]:
        told["used"] = max(used)
    rate = sum(meter.mb_s.get(name, 0.0) for name in reports) * 1e6
    return {**told, "seconds_left": round(told["left"] / rate) if rate else None}


def _encoders(session: Session, meter: Meter) -> dict[str, Any]:
    told = _gates(session)
    for name, report in session.facts.reports.items():
        if "bytes" in report.numbers:
            told[name] |= {
                "mb_s": meter.mb_s.get(name, 0.0),
                "bytes": report.numbers["bytes"],
                "durable_lag_ms": report.numbers.get("durable_lag_ms", 0.0),
            }
    return told


def _gates(session: Session) -> dict[str, Any]:
    """Say of each encoder whether it records now, and how many frames it holds."""
    now_ns = boottime_ns()
    told: dict[str, Any] = {}
    for name, spans in session.facts.spans.items():
        report = session.facts.reports.get(name)
        numbers = report.numbers if report is not None else {}
        told[name] = {
            "recording": not session.facts.is_ending and spans.is_on(now_ns),
            "armed": spans.is_armed,
            "held": numbers.get("held", 0),
            "held_s": numbers.get("held_s", 0.0),
        }
    return told


def _lags(session: Session) -> dict[str, Any]:
    return {
        name: report.numbers["lag_ms"]
        for name, report in session.facts.reports.items()
        if report.numbers.get("lag_ms")
    }
