"""`imagectl send`: messages to the user's own callbacks."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from .exits import Exit, UsageError
from .output import Answer, Output, facts
from .verb import Verb


class Send(Verb):
    """Send a message to a callback.

    Wire: callback.send {"pipeline": "cam0", "callback": "motion", "body": {...}}
    BODY is JSON if it can be read so, else it is sent as text.
    """

    name = "send"
    method = "callback.send"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("callback", metavar="CALLBACK")
        parser.add_argument("body", metavar="BODY", type=json_or_text)
        parser.add_argument(
            "--pipeline", metavar="P", help="default: the one with such a callback"
        )

    def run(self, args: Namespace, output: Output) -> Exit:
        pipeline = args.pipeline or _only_pipeline_with(
            args.callback, self.ask(args, "status", {})
        )
        params = {"pipeline": pipeline, "callback": args.callback, "body": args.body}
        output.show(self.ask(args, self.method, params), self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        return facts(answer) or "sent"


def json_or_text(text: str) -> object:
    """Give what JSON means, or the text itself if it is none."""
    try:
        body: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return body


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _only_pipeline_with(callback: str, status: Mapping[str, Any]) -> str:
    """Give the pipeline that has this callback, or the only pipeline there is."""
    pipelines = status.get("pipelines") or {}
    having = [name for name, p in pipelines.items() if _has(callback, p)]
    found = having or list(pipelines)
    if len(found) != 1:
        if not found:
            raise UsageError(f"callback {callback}: no pipelines are configured")
        problem = f"callback {callback}: could be in {', '.join(found)}"
        raise UsageError(problem, "name its pipeline with --pipeline")
    return str(found[0])


def _has(callback: str, pipeline: Mapping[str, Any]) -> bool:
    counted = (pipeline.get("counts") or {}).get("callbacks") or {}
    workers = pipeline.get("workers") or ()
    return callback in counted or any(
        w.get("kind") == "callback" and w.get("name") == callback for w in workers
    )
