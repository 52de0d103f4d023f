"""`imagectl status`: what every pipeline is doing now.

On the quick path: this module and what it imports stay off rich, msgspec and
numpy, so that a look costs milliseconds on a Pi.
"""

from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from .accounting import causes_text, recorded
from .exits import Exit
from .output import Answer, Output, table
from .quick import ask_quickly
from .reports import disk_text, gate_text
from .verb import Verb

HEADER = (
    "PIPELINE", "STATE", "FPS", "CAPTURED", "RECORDED", "DROPPED", "MISSED",
    "RING", "OVERFLOW",
)  # fmt: skip
ILL = ("backoff", "fatal", "stuck")


class Status(Verb):
    """Show what every pipeline is doing; also what no command does.

    Wire: status {}
    The document is the daemon's own, `imagectl status --json` passes it on.
    """

    name = "status"
    method = "status"

    def run(self, args: Namespace, output: Output) -> Exit:
        quick = ask_quickly(self.method, args.runtime_dir)
        answer = self.ask(args, self.method, {}) if quick is None else quick
        output.show(answer, self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        pipelines = answer.get("pipelines") or {}
        rows = [_row(name, pipeline) for name, pipeline in pipelines.items()]
        told = [table(HEADER, rows) if rows else "no pipelines are configured"]
        for name, pipeline in pipelines.items():
            told += _remarks(name, pipeline)
        state = answer.get("state", "?")
        return "\n".join([f"imagempd is {state}", *told])


def fill(place: Mapping[str, Any] | None) -> str:
    """Give how full a ring or an overflow is, `3/32 (max 12)`; `-` if none."""
    if not place or not place.get("slots"):
        return "-"
    text = f"{place.get('used', 0)}/{place['slots']}"
    high = place.get("high_water")
    return text if high is None else f"{text} (max {high})"


def _row(name: str, pipeline: Mapping[str, Any]) -> list[str]:
    counts = pipeline.get("counts") or {}
    fps, kept = pipeline.get("fps"), recorded(counts)
    return [
        name,
        str(pipeline.get("state", "?")),
        "-" if fps is None else f"{fps:.1f}",
        str(counts.get("captured", "-")),
        "-" if kept is None else str(kept),
        causes_text(counts.get("dropped")),
        causes_text(counts.get("missed")),
        fill(pipeline.get("ring")),
        fill(pipeline.get("overflow")),
    ]


def _remarks(name: str, pipeline: Mapping[str, Any]) -> Iterable[str]:
    """Tell where the frames go, and which workers are not well."""
    if pipeline.get("dir"):
        yield f"{name}: {pipeline['dir']}"
    if disk := disk_text(pipeline):
        yield f"{name}: {disk}"
    for encoder, gate in (pipeline.get("encoders") or {}).items():
        if told := gate_text(gate):
            yield f"{name}: encoder {encoder} {told}"
    for worker in pipeline.get("workers") or ():
        state, restarts = worker.get("state", "?"), worker.get("restarts", 0)
        if state in ILL or restarts:
            who = worker.get("name", worker.get("kind", "?"))
            yield f"{name}: worker {who}: {state}, restarted {restarts} times"
