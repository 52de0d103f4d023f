"""`imagectl stop` and `trigger`: sessions that run; and how they ended."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from . import accounting
from .exits import Exit
from .output import Answer
from .verb import Verb, add_pipelines


class Stop(Verb):
    """Stop sessions; waits until what was captured is on disk.

    Wire: session.stop {"pipelines": ["cam0"], "now": false}
    Shows the accounting. With --now what has not been written yet is given up
    and counted as `undrained`.
    """

    name = "stop"
    method = "session.stop"
    timeout_s = None  # draining takes as long as the disk needs

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_pipelines(parser)
        parser.add_argument("--now", action="store_true", help="do not drain")

    def params(self, args: Namespace) -> dict[str, Any]:
        return {"pipelines": args.pipelines, "now": args.now}

    def text(self, answer: Answer) -> str:
        return ends_text(answer)


class Trigger(Verb):
    """Take frames now, or have the encoder record what is around now.

    Wire: trigger {"pipelines": ["cam0"], "n": 3}
    Takes frames where schedule.trigger is set; -n is for that alone. Where an
    encoder has pre_s or post_s, these seconds before and after are recorded.
    """

    name = "trigger"
    method = "trigger"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_pipelines(parser)
        parser.add_argument(
            "-n", type=frames, metavar="N", help="frames; default: as configured"
        )

    def params(self, args: Namespace) -> dict[str, Any]:
        params = {"pipelines": args.pipelines}
        return params if args.n is None else {**params, "n": args.n}


def frames(text: str) -> int:
    """Read a number of frames, at least one.

    Raises:
        ArgumentTypeError: It is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"{text!r} is no number of frames, expected 1 or more")
    return int(text)


def ends_text(answer: Mapping[str, Any]) -> str:
    """Tell how sessions ended, with the accounting of each."""
    told = [line for end in answer.get("sessions") or () for line in _end_lines(end)]
    return "\n".join(told) or "no session was running"


def exit_of(answer: Mapping[str, Any]) -> Exit:
    """Give the exit code that belongs to how these sessions ended."""
    states = [end.get("state") for end in answer.get("sessions") or ()]
    return Exit.FAILED if "incomplete" in states else Exit.OK


def _end_lines(end: Mapping[str, Any]) -> Iterable[str]:
    state, reason = end.get("state", "ended"), end.get("reason")
    why = f" ({reason})" if reason else ""
    yield f"{end.get('pipeline', '?')}: {end.get('session', '?')} is {state}{why}"
    for line in accounting.lines(end.get("counts") or {}):
        yield f"  {line}"
    if end.get("dir"):
        yield f"  {end['dir']}"
