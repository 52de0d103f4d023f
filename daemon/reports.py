"""What the daemon says of itself: the status document and the periodic metrics."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from imagemp.ring import layout

from .crew import Crew
from .pipeline import SOURCE
from .post import Post

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Meter:
    """What changed between two reports of one pipeline."""

    at: float = 0.0
    captured: int = 0
    nbytes: dict[str, int] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)
    fps: float = 0.0
    mb_s: dict[str, float] = field(default_factory=dict)
    load: dict[int, float] = field(default_factory=dict)


def status(crew: Crew, meter: Meter) -> dict[str, Any]:
    """Give a pipeline's part of `imagectl status`."""
    session = crew.session
    return {
        "state": str(session.stage) if session is not None else "idle",
        "session": session.id if session is not None else None,
        "dir": session.dir if session is not None else None,
        "reason": session.reason if session is not None else "",
        "counts": msgspec.to_builtins(crew.counts()),
        "fps": meter.fps if crew.is_busy else 0.0,
        **use(crew),
        "workers": [worker(post, meter) for post in crew.posts.values()],
    }


def metrics(crew: Crew, meter: Meter) -> dict[str, Any]:
    """Give a pipeline's periodic report; measures since the one before."""
    session = crew.session
    assert session is not None
    counts = crew.counts()
    now = time.monotonic()
    _measure(crew, meter, now, counts.captured)
    elapsed = 0.0
    if session.t_first_ns:
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        elapsed = max(0.0, (boot - session.t_first_ns) / 1e9)
    source = crew.rings[SOURCE].totals() if SOURCE in crew.rings else None
    return {
        "pipeline": crew.plan.name,
        "session": session.id,
        "state": str(session.stage),
        "fps": round(meter.fps, 2),
        "target_fps": _target_fps(crew),
        "counts": msgspec.to_builtins(counts),
        "not_wanted": source.not_wanted if source else 0,
        "late": source.late if source else 0,
        **use(crew),
        "workers": [worker(post, meter) for post in crew.posts.values()],
        "encoders": _encoders(crew, meter),
        "lag_ms": _lags(crew),
        "elapsed_s": round(elapsed, 3),
        "duration_s": session.duration_s,
        "frames": session.frames,
    }


def use(crew: Crew) -> dict[str, Any]:
    """How full the source's ring and its overflow are."""
    ring = crew.rings.get(SOURCE)
    epoch = ring.latest if ring is not None else None
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


def _measure(crew: Crew, meter: Meter, now: float, captured: int) -> None:
    passed, meter.at = now - meter.at, now
    is_first = passed == now
    meter.fps = 0.0 if is_first else max(0, captured - meter.captured) / passed
    meter.captured = captured
    for post in crew.posts.values():
        if (pid := post.pid) is not None:
            used, before = cpu_s(pid), meter.cpu.get(pid)
            meter.load[pid] = 0.0 if before is None else (used - before) / passed
            meter.cpu[pid] = used
    assert crew.session is not None
    for name, report in crew.session.reports.items():
        if (nbytes := report.numbers.get("bytes")) is not None:
            grown = nbytes - meter.nbytes.get(name, 0)
            meter.mb_s[name] = 0.0 if is_first else round(grown / passed / 1e6, 2)
            meter.nbytes[name] = nbytes


def _target_fps(crew: Crew) -> float:
    ring = crew.rings.get(SOURCE)
    epoch = ring.latest if ring is not None else None
    return epoch.made.fps if epoch is not None else crew.plan.target_fps


def _encoders(crew: Crew, meter: Meter) -> dict[str, Any]:
    assert crew.session is not None
    return {
        name: {"mb_s": meter.mb_s.get(name, 0.0), "bytes": report.numbers["bytes"]}
        for name, report in crew.session.reports.items()
        if "bytes" in report.numbers
    }


def _lags(crew: Crew) -> dict[str, Any]:
    assert crew.session is not None
    return {
        name: report.numbers["lag_ms"]
        for name, report in crew.session.reports.items()
        if report.numbers.get("lag_ms")
    }
