"""`imagectl record`: what of a running session is recorded."""

from argparse import ArgumentParser, Namespace
from typing import Any

from .exits import Exit
from .output import Answer, Output
from .verb import Verb, add_pipelines


class Record(Verb):
    """Record from now on in sessions that run, or no more.

    Wire: record.start {"pipelines": ["cam0"], "encoder": "main"}, or record.stop
    `record start` takes in what arrives from now on, `record stop` what arrived
    until now, however late the encoder is. The session goes on.
    """

    name = "record"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=("start", "stop"))
        add_pipelines(parser)
        parser.add_argument("--encoder", metavar="NAME", help="none means all of them")

    def params(self, args: Namespace) -> dict[str, Any]:
        params = {"pipelines": args.pipelines}
        return {**params, "encoder": args.encoder} if args.encoder else params

    def run(self, args: Namespace, output: Output) -> Exit:
        answer = self.ask(args, f"record.{args.what}", self.params(args))
        verb = "records" if args.what == "start" else "records no more"
        output.show(answer, lambda told: _text(told, verb))
        return Exit.OK


def _text(answer: Answer, verb: str) -> str:
    return "\n".join(f"{name} {verb}" for name in answer.get("encoders") or ())
