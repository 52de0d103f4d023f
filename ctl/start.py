"""`imagectl start`: begin sessions, and stay with them if asked to."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imagemp.errors import DaemonUnreachableError

from .exits import Exit, LostError
from .output import Answer, Output
from .sessions import ends_text, exit_of, frames
from .times import duration_s, moment
from .verb import Verb, add_pipelines, listen

DETACHED = "imagectl: detached; the session goes on, `imagectl stop {}` ends it"
UNSURE = "imagectl: interrupted; a session may have started, see `imagectl status`"


class Start(Verb):
    """Start sessions; returns when the first frame has been captured.

    Wire: session.start {"pipelines": ["cam0"], "duration_s": 60.0, "frames": 100,
        "at": "...", "overrides": ["source.fps=10"], "wait": "first"}
    With --no-wait: "wait": "none". With --wait and --follow then also
    session.wait {"session": "ID"} of each, and telemetry event.*, metrics.*
    The exit code of --wait and --follow is the session's: 0 if it is complete,
    7 if not. Ctrl-C detaches: the session goes on.
    """

    name = "start"
    method = "session.start"
    timeout_s = 60.0  # until the first frame: a camera may need seconds to open

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_pipelines(parser)
        parser.add_argument(
            "--duration",
            type=duration_s,
            metavar="S",
            help="counted from the first frame: 60, 90s, 5m, 1h",
        )
        parser.add_argument(
            "--frames", type=frames, metavar="N", help="end after so many frames"
        )
        parser.add_argument(
            "--at",
            type=_at,
            metavar="TIME",
            help="10:30, the next one, or 2026-11-20T10:30:00Z, local without a zone; "
            "refused while the system clock is not synchronised",
        )
        parser.add_argument(
            "--in",
            dest="start_in_s",
            type=duration_s,
            metavar="S",
            help="the first frame so long after: 10, 5m; schedule.start_in_s",
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="with --at: though the system clock is not synchronised",
        )
        parser.add_argument(
            "-o",
            dest="overrides",
            action="append",
            default=[],
            type=_override,
            metavar="KEY=VALUE",
            help="a setting for this session alone, source.fps=10; may be repeated",
        )
        _add_stays(parser)

    def params(self, args: Namespace) -> dict[str, Any]:
        overrides = list(args.overrides)
        if args.start_in_s is not None:
            overrides.append(f"schedule.start_in_s={args.start_in_s}")
        asked = {
            "duration_s": args.duration,
            "frames": args.frames,
            "at": args.at,
            "force": args.force or None,
            "overrides": overrides or None,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        wait = "none" if args.stay == "none" else "first"
        return {"pipelines": args.pipelines, **given, "wait": wait}

    def text(self, answer: Answer) -> str:
        begun = answer.get("sessions") or ()
        return "\n".join(line for one in begun for line in _begun_lines(one))

    def run(self, args: Namespace, output: Output) -> Exit:
        try:
            if args.stay in ("wait", "follow"):
                return self._start_and_stay(args, output)
            return super().run(args, output)
        except KeyboardInterrupt:
            output.say(UNSURE)
            return Exit.INTERRUPTED

    def _start_and_stay(self, args: Namespace, output: Output) -> Exit:
        from .views import view_for
        from .watch import TOPICS, Watch

        with (
            listen(args, TOPICS) as telemetry,
            Watch(telemetry, view_for(args.stay, output)) as watch,
        ):
            started = self.ask(args, self.method, self.params(args))
            if args.stay == "follow" or not output.is_json:
                output.show(started, self.text)
            watch.look_at([begun["pipeline"] for begun in started["sessions"]])
            ended = _wait_for(started["sessions"], args, output)
        if ended is None:
            return Exit.INTERRUPTED
        output.show(ended, ends_text)
        return exit_of(ended)


def _begun_lines(begun: Mapping[str, Any]) -> Iterable[str]:
    yield f"{begun.get('pipeline', '?')}: started {begun.get('session', '?')}"
    if begun.get("dir"):
        yield f"  {begun['dir']}"
    for note in begun.get("notes") or ():
        yield f"  note: {note}"


def _wait_for(
    begun: Sequence[Mapping[str, Any]], args: Namespace, output: Output
) -> dict[str, Any] | None:
    """Give how these sessions ended; None if the user left before."""
    from imagemp.client import Control

    ends: list[Any] = []
    try:
        with Control(args.runtime_dir) as control:
            for one in begun:
                params = {"session": one["session"]}
                ended = control.call("session.wait", params, timeout_s=None)
                ends += ended["sessions"]
    except KeyboardInterrupt:
        output.say(DETACHED.format(" ".join(one["pipeline"] for one in begun)))
        return None
    except DaemonUnreachableError as error:
        raise LostError(f"accepted, then lost: {error}", error.hint) from error
    return {"sessions": ends}


def _add_stays(parser: ArgumentParser) -> None:
    stays = parser.add_mutually_exclusive_group()
    for option, stay, told in (
        ("--no-wait", "none", "return as soon as the daemon has accepted"),
        ("--follow", "follow", "print events and reports until the end"),
        ("--wait", "wait", "stay until the end, with a progress bar"),
    ):
        stays.add_argument(
            option, dest="stay", action="store_const", const=stay, help=told
        )
    parser.set_defaults(stay="first")


def _at(text: str) -> str:
    from datetime import datetime

    return moment(text, datetime.now().astimezone()).isoformat()


def _override(text: str) -> str:
    key, found, _ = text.partition("=")
    if not (key and found):
        raise ArgumentTypeError(f"{text!r} is no setting, expected KEY=VALUE")
    return text
