"""`imagectl callback check`: a callback on computed frames, without a daemon."""

import json
import signal
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Any

from imagemp.errors import ImagempError

from .callbacks import json_or_text
from .exits import Exit, UsageError
from .output import Answer, Output, plain
from .sessions import frames
from .verb import Verb

PROGRAM = "imagemp.daemon.rehearsal"


class TrialError(ImagempError, RuntimeError):
    """A callback could not be tried, or took its process with it."""

    code = "E_CALLBACK"


class Callback(Verb):
    """Say that a command must follow."""

    name = "callback"

    def run(self, args: Namespace, output: Output) -> Exit:  # noqa: ARG002 - a hook
        hint = "imagectl callback check FILE"
        raise UsageError("callback: a command must follow", hint)


class CallbackCheck(Verb):
    """Run a callback on computed frames and time it, without a daemon.

    Wire: nothing, no daemon is needed
    FILE is mine.py, if it holds one callback, or a target as the configuration has
    it: mine.py:Motion, my_lab.motion:Motion. It runs in a process of its own; what
    it prints goes to stderr. The exit code is 1 if it raised.
    """

    name = "callback check"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", metavar="FILE")
        parser.add_argument(
            "--frames", type=frames, default=100, metavar="N", help="default: 100"
        )
        parser.add_argument(
            "-o",
            dest="source",
            action="append",
            default=[],
            type=_pair,
            metavar="KEY=VALUE",
            help="a key of the synthetic source: -o width=1280 -o depth=true",
        )
        parser.add_argument(
            "--settings", type=_table, default={}, metavar="JSON", help="for set_up"
        )
        parser.add_argument(
            "--buffer", type=frames, default=5, metavar="N", help="buffer_length"
        )
        parser.add_argument(
            "--full-buffer", action="store_true", help="first call when it is full"
        )
        parser.add_argument(
            "--budget-ms", type=float, default=0.0, metavar="MS", help="count slower"
        )

    def params(self, args: Namespace) -> dict[str, Any]:
        return {
            "target": args.target,
            "frames": args.frames,
            "source": dict(args.source),
            "settings": args.settings,
            "buffer_length": args.buffer,
            "full_buffer": args.full_buffer,
            "budget_ms": args.budget_ms,
        }

    def run(self, args: Namespace, output: Output) -> Exit:
        found = tried(self.params(args))
        output.show(found, self.text)
        if error := found["error"]:
            output.say(error["traceback"].rstrip())
        return Exit.ERROR if error else Exit.OK

    def text(self, answer: Answer) -> str:
        lines = [
            f"{answer['target']} on {answer['frames']} of {_planes(answer['spec'])}"
        ]
        took = answer["took_ms"]
        if took:
            times = ", ".join(f"{name} {ms:g}" for name, ms in took.items())
            calls = (
                f"{answer['calls']} calls, ms: {times}; {answer['fps']:g} fps at most"
            )
            lines.append(f"  process      {calls}")
        lines += [f"  {name:12} {text}" for name, text in _counted(answer) if text]
        if error := answer["error"]:
            lines.append(f"  raised       {error['message']} ({error['place']})")
        return "\n".join(lines)


def tried(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Have it tried in a process of its own; give what came of it.

    Raises:
        TrialError: It cannot be tried, or the process died of it.
    """
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", PROGRAM],
        input=json.dumps(asked).encode(),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise TrialError(f"{asked['target']}: its process died of {name}")
    if done.returncode or not done.stdout:
        problem = f"{asked['target']}: its process ended with {done.returncode}"
        raise TrialError(problem, "does it call sys.exit()? what it said stands above")
    found: dict[str, Any] = json.loads(done.stdout)
    if refused := found.get("refused"):
        raise TrialError(refused["message"], refused["hint"])
    return found


def _counted(answer: Answer) -> list[tuple[str, str]]:
    """Tell what else there was, where there was any."""
    over, returned, sent = (answer[k] for k in ("over_budget", "returned", "messages"))
    last = plain(answer["last_message"])
    return [
        ("over budget", f"{over} calls" if over else ""),
        ("filtered", f"{answer['filtered']} frames" if answer["filtered"] else ""),
        ("returns", f"{returned} of {_planes(answer['returns'])}" if returned else ""),
        ("messages", f"{sent}, the last: {last[:200]}" if sent else ""),
        ("triggers", str(answer["triggers"] or "")),
    ]


def _planes(spec: Answer) -> str:
    """Give `image (480, 640) |u1, depth (480, 640) <u2`."""
    planes = spec["planes"]
    return ", ".join(f"{p['name']} {tuple(p['shape'])} {p['dtype']}" for p in planes)


def _pair(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError("must be KEY=VALUE")
    return key, json_or_text(value)


def _table(text: str) -> dict[str, Any]:
    found = json_or_text(text)
    if not isinstance(found, dict):
        raise ArgumentTypeError("must be a JSON object")
    return found
