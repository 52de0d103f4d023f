"""The law of accounting, in words: what was taken, lost, kept, and why.

Counts are as docs/protocol.md has them, every field optional: an older or a newer
daemon may leave some out.
"""

from collections.abc import Iterable, Mapping
from typing import Any

ALWAYS = ("captured", "published")
Counts = Mapping[str, Any]


def total(causes: Mapping[str, int] | None) -> int:
    """How many frames went to all causes together."""
    return sum((causes or {}).values())


def causes_text(causes: Mapping[str, int] | None) -> str:
    """Give `12 (ring_full 10, overflow_slow 2)`, or `0`."""
    named = ", ".join(f"{cause} {n}" for cause, n in (causes or {}).items() if n)
    return f"{total(causes)} ({named})" if named else "0"


def recorded(counts: Counts) -> int | None:
    """Frames that every encoder has recorded; None without an encoder."""
    encoders = counts.get("encoders") or {}
    return min((e.get("recorded", 0) for e in encoders.values()), default=None)


def lines(counts: Counts) -> list[str]:
    """Tell what became of a session's frames, a line for each party."""
    return [
        _capture_line(counts),
        f"dropped {causes_text(counts.get('dropped'))}, "
        f"missed {causes_text(counts.get('missed'))}",
        *_reader_lines("encoder", "recorded", counts.get("encoders")),
        *_reader_lines("callback", "delivered", counts.get("callbacks")),
    ]


def _capture_line(counts: Counts) -> str:
    told = [
        f"{name} {counts[name]}"
        for name in ("captured", "published", "expected", "staged")
        if counts.get(name) or (name in ALWAYS and name in counts)
    ]
    return ", ".join(told) or "no counts"


def _reader_lines(
    kind: str, verb: str, readers: Mapping[str, Counts] | None
) -> Iterable[str]:
    for name, counts in (readers or {}).items():
        line = f"{kind} {name}: {verb} {counts.get(verb, 0)}"
        if "durable" in counts:
            line += f", durable {counts['durable']}"
        line += f", skipped {causes_text(counts.get('skipped'))}"
        if counts.get("in_flight"):
            line += f", in flight {counts['in_flight']}"
        yield line
