"""`imagectl wait`: until sessions have ended, or have come as far as asked."""

import re
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagemp.errors import ControlError, ImagempError

from .accounting import recorded
from .exits import Exit, LostError
from .output import Answer, Output
from .sessions import ends_text, exit_of
from .times import duration_s
from .verb import Verb, add_pipelines, ask, listen

CONDITION = re.compile(r"(captured|recorded)=([1-9][0-9]*)")
OVER = ("complete", "incomplete")
Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """How far sessions must have come.

    Attributes:
        text: As it was asked for.
        count: `captured`, `recorded`, or empty: running will do.
        frames: So many.
    """

    text: str
    count: str = ""
    frames: int = 0

    def is_met(self, report: Report) -> bool:
        """Whether a report says so."""
        if not self.count:
            return bool(report["state"] == "running")
        counts = report["counts"]
        found = counts["captured"] if self.count == "captured" else recorded(counts)
        return bool((found or 0) >= self.frames)


class Wait(Verb):
    """Wait until sessions have ended; the exit code is theirs.

    Wire: session.wait {"pipelines": ["cam0"]}
    Exit code 0 if all are complete, 7 if one is not, 6 after --timeout. The last
    session of a pipeline will do, though it is over. --until waits for less, in all
    of these pipelines: running, captured=N or recorded=N, the frames of the session;
    a session that ends before is exit code 7.
    """

    name = "wait"
    method = "session.wait"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_pipelines(parser)
        parser.add_argument(
            "--timeout", type=duration_s, metavar="S", help="60, 5m, 1h"
        )
        parser.add_argument(
            "--until",
            type=condition,
            metavar="WHAT",
            help="ended, as without; running; captured=N; recorded=N",
        )

    def run(self, args: Namespace, output: Output) -> Exit:
        if args.until is not None:
            return self._wait_for(args, output)
        params = {"pipelines": args.pipelines}
        try:
            ended = ask(args, self.method, params, args.timeout)
        except ImagempError as error:
            if error.code != "E_TIMEOUT" or args.timeout is None:
                raise
            raise _too_late(args.timeout, "sessions still run") from error
        output.show(ended, ends_text)
        return exit_of(ended)

    def text(self, answer: Answer) -> str:
        return "\n".join(
            f"{name}: {found['state']}, captured {found['captured']}, "
            f"recorded {found['recorded']}"
            for name, found in answer["pipelines"].items()
        )

    def _wait_for(self, args: Namespace, output: Output) -> Exit:
        topics = [f"metrics.{name} " for name in args.pipelines] or ["metrics."]
        with listen(args, topics) as telemetry:
            status = ask(args, "status", {}, args.timeout)["pipelines"]
            wanted = args.pipelines or list(status)
            met: dict[str, Report] = {}
            live: dict[str, str] = {}  # the sessions seen, by pipeline
            until = None if args.timeout is None else time.monotonic() + args.timeout
            while not met.keys() >= set(wanted):
                left_s = None if until is None else max(0.0, until - time.monotonic())
                message = telemetry.receive(left_s)
                if message is None:
                    raise _too_late(args.timeout, f"not yet {args.until.text}")
                self._look(args.until, message[1], met, live)
        found = {name: _told(met[name]) for name in wanted}
        output.show({"until": args.until.text, "pipelines": found}, self.text)
        return Exit.OK

    def _look(
        self,
        until: Condition,
        report: Report,
        met: dict[str, Report],
        live: dict[str, str],
    ) -> None:
        name, session = report["pipeline"], report["session"]
        is_over = report["state"] in OVER
        if is_over and live.get(name) != session:
            return  # the last report of one that was over before
        live[name] = session
        if until.is_met(report):
            met[name] = report
        elif is_over and name not in met:
            problem = f"{name}: {session} ended before it was {until.text}"
            raise LostError(problem, "imagectl recordings show latest")


def condition(text: str) -> Condition | None:
    """Read `--until`; None is the end."""
    if text == "ended":
        return None
    if text == "running":
        return Condition(text)
    if (found := CONDITION.fullmatch(text)) is None:
        known = "ended, running, captured=N, recorded=N"
        raise ArgumentTypeError(f"{text!r} is not {known}")
    return Condition(text, found[1], int(found[2]))


def _told(report: Report) -> dict[str, Any]:
    counts = report["counts"]
    return {
        "session": report["session"],
        "state": report["state"],
        "captured": counts["captured"],
        "recorded": recorded(counts),
    }


def _too_late(timeout_s: float, what: str) -> ControlError:
    problem = f"{what} after {timeout_s:g} s"
    return ControlError("E_TIMEOUT", problem, "imagectl status")
