"""How `imagectl top` looks: one box per pipeline, drawn with rich."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imagemp.config import format_size

from .accounting import causes_text, total
from .board import Board
from .reports import disk_text, gate_text, progress_text, rate_text
from .status import ILL, fill
from .workers import HEADER, row

BAR_WIDTH = 24
Body = Mapping[str, Any]
Fact = tuple[str, RenderableType]


def panel(board: Board) -> RenderableType:
    """Draw the state and the newest reports."""
    return Group(_headline(board), *(_box(*item) for item in board.pipelines()))


def _headline(board: Board) -> Text:
    if board.is_gone:
        return Text("imagempd is gone; waiting for it", style="bold red")
    return Text(f"imagempd is {board.state.get('state', 'there')}", style="bold")


def _box(name: str, body: Body) -> RenderableType:
    title = f"{name}  {body.get('state', '?')}  {body.get('session') or ''}".rstrip()
    grid = Table.grid(padding=(0, 2))
    for label, cell in (*_flow(body), *_readers(body), *_disk(body)):
        grid.add_row(Text(label, style="dim"), cell)
    return Panel(Group(grid, _workers(name, body)), title=title, title_align="left")


def _flow(body: Body) -> Iterable[Fact]:
    """Tell how frames come, how many were lost, and where they wait."""
    counts, target = body.get("counts") or {}, body.get("target_fps") or 0
    told = "  ".join(t for t in (rate_text(body), progress_text(body)) if t)
    yield "rate", _bar(body.get("fps") or 0, target, told)
    yield "captured", Text(str(counts.get("captured", "-")))
    for loss in ("dropped", "missed"):
        style = "red" if total(counts.get(loss)) else ""
        yield loss, Text(causes_text(counts.get(loss)), style=style)
    for name in ("ring", "overflow"):
        place = body.get(name) or {}
        yield name, _bar(place.get("used", 0), place.get("slots", 0), fill(place))


def _readers(body: Body) -> Iterable[Fact]:
    """Tell what each encoder and callback took, and how late."""
    counts, speeds = body.get("counts") or {}, body.get("encoders") or {}
    for name, taken in (counts.get("encoders") or {}).items():
        speed = speeds.get(name) or {}
        told = f"recorded {taken.get('recorded', 0)}{_durable(taken, speed)}"
        gate = gate_text(speed)
        told += f"  {gate}" if gate else ""
        yield name, Text(told + _lost(taken) + _speed(speed))
    for name, taken in (counts.get("callbacks") or {}).items():
        yield name, Text(f"delivered {taken.get('delivered', 0)}" + _lost(taken))
    for name, calls in (body.get("callbacks") or {}).items():
        style = "red" if calls.get("errors") else ""
        yield f"calls {name}", Text(_calls(calls), style=style)
    for name, lag in (body.get("lag_ms") or {}).items():
        p50, p99 = lag.get("p50") or 0.0, lag.get("p99") or 0.0
        yield f"lag {name}", Text(f"p50 {p50:.1f} ms  p99 {p99:.1f} ms")


def _disk(body: Body) -> Iterable[Fact]:
    if told := disk_text(body):
        yield "disk", Text(told)


def _workers(name: str, body: Body) -> Table:
    grid = Table(*HEADER[1:], box=None, header_style="dim")
    for worker in body.get("workers") or ():
        style = "yellow" if worker.get("state") in ILL else ""
        grid.add_row(*row({"pipeline": name, **worker})[1:], style=style)
    return grid


def _bar(done: float, of: float, told: str) -> RenderableType:
    """Draw how much of a whole that is; words alone if there is no whole."""
    if not of:
        return Text(told or "-")
    bar = ProgressBar(total=of, completed=min(done, of), width=BAR_WIDTH)
    grid = Table.grid(padding=(0, 2))
    grid.add_row(bar, Text(told))
    return grid


def _lost(taken: Body) -> str:
    text = causes_text(taken.get("skipped"))
    return "" if text == "0" else f"  skipped {text}"


def _durable(taken: Body, encoder: Body) -> str:
    """Tell what is on the disk for certain, and what a power cut would cost now."""
    if "durable" not in taken:
        return ""
    behind = max(0, taken.get("recorded", 0) - taken["durable"])
    lag_ms = encoder.get("durable_lag_ms") or 0.0
    since = f" ({lag_ms:.0f} ms)" if behind else ""
    return f"  durable {taken['durable']}, {behind} behind{since}"


def _calls(calls: Body) -> str:
    """Tell how long the calls of a callback take, and which did not go well."""
    took = calls.get("took_ms") or {}
    p50, p99 = took.get("p50") or 0.0, took.get("p99") or 0.0
    errors, over = calls.get("errors") or 0, calls.get("over_budget") or 0
    told = f"p50 {p50:.2f} ms  p99 {p99:.2f} ms"
    return f"{told}  errors {errors}  over budget {over}"


def _speed(encoder: Body) -> str:
    told = ""
    if encoder.get("mb_s") is not None:
        told += f"  {encoder['mb_s']:.1f} MB/s"
    if encoder.get("bytes") is not None:
        told += f"  {format_size(int(encoder['bytes']))}"
    return told
