"""What a user sees while sessions run: a bar, plain lines, events, or nothing."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .output import Output
from .reports import (
    Body,
    done_part,
    event_line,
    left_s,
    metrics_line,
    pipeline_of,
    rate_text,
)
from .times import length

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_EVERY_S = 10.0


class View:
    """Sees nothing; children show what they are told.

    `hear` and `close` are called by one thread, and `close` last.
    """

    def hear(self, topic: str, body: Body) -> None:
        """Show a message of the telemetry."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines(View):
    """`--follow`: every report and event, a line each, on stdout."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def hear(self, topic: str, body: Body) -> None:
        is_event = topic.startswith("event.")

        def text(item: Mapping[str, Any]) -> str:
            return (event_line if is_event else metrics_line)(topic, item["body"])

        self._output.show({"topic": topic, "body": body}, text)


class PlainLines(View):
    """`--wait` into a file or a journal: a line per pipeline every ten seconds."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._next_s: dict[str, float] = {}

    def hear(self, topic: str, body: Body) -> None:
        if not topic.startswith("metrics."):
            return
        elapsed_s = float(body.get("elapsed_s", 0.0))
        if elapsed_s >= self._next_s.get(topic, 0.0):
            self._next_s[topic] = elapsed_s + PLAIN_EVERY_S
            self._output.say(metrics_line(topic, body))


class Bars(View):
    """`--wait` at a terminal: a bar per pipeline, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
            auto_refresh=False,
        )
        self._progress.start()

    def hear(self, topic: str, body: Body) -> None:
        if not topic.startswith("metrics."):
            return
        name, part = pipeline_of(topic, body), done_part(body)
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None, told="")
        self._progress.update(
            self._tasks[name],
            total=None if part is None else 1.0,
            completed=part or 0.0,
            told=_bar_text(body),
            refresh=True,
        )

    def close(self) -> None:
        self._progress.stop()


def view_for(stay: str, output: Output) -> View:
    """Give the view for `--wait` or `--follow`."""
    if stay == "follow":
        return Lines(output)
    if output.is_json:
        return View()
    return Bars() if sys.stderr.isatty() else PlainLines(output)


def _bar_text(body: Body) -> str:
    counts = body.get("counts") or {}
    rest_s = left_s(body)
    told = [
        f"{counts.get('captured', 0)} frames",
        rate_text(body),
        f"{sum((counts.get('dropped') or {}).values())} dropped",
        "" if rest_s is None else f"{length(rest_s)} left",
    ]
    return "  ".join(part for part in told if part)
