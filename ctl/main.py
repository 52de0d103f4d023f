"""imagectl, the client: reads the command line and runs the verb it names."""

import os
import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from imagemp.errors import ImagempError

from .exits import Exit, UsageError, exit_for
from .output import Output

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from .verb import Verb

# The words of the command line, and where their verbs are. Only those that are
# said are imported: all of them cost `imagectl status` 14 ms. The first verb of
# several is what the word means alone.
VERBS = {
    "status": ("status", "Status"),
    "start": ("start", "Start"),
    "stop": ("sessions", "Stop"),
    "wait": ("waiting", "Wait"),
    "trigger": ("sessions", "Trigger"),
    "record": ("record", "Record"),
    "send": ("callbacks", "Send"),
    "callback": ("trying", "Callback", "CallbackCheck"),
    "top": ("top", "Top"),
    "view": ("view", "ViewFrames"),
    "events": ("events", "Events"),
    "recordings": (
        "recordings",
        *("RecordingsLs", "RecordingsShow", "RecordingsVerify"),
        *("RecordingsRepair", "RecordingsExport"),
    ),
    "cameras": ("cameras", "Cameras"),
    "set": ("cameras", "Set"),
    "workers": ("workers", "WorkersLs", "WorkersRestart"),
    "config": ("configuration", "ConfigShow", "ConfigCheck"),
    "reload": ("configuration", "Reload"),
    "metrics": ("metrics", "Metrics"),
    "doctor": ("doctor", "Doctor"),
    "ping": ("service", "Ping"),
    "version": ("service", "Version"),
    "completion": ("completion", "Completion"),
}
FAMILIES = {
    "callback": "Try a callback of yours on computed frames.",
    "recordings": "Look at, check, repair and export what sessions left on disk.",
    "workers": "Look at the daemon's processes, or restart one.",
    "config": "Show the configuration, or check one.",
}
MEANINGS = (
    *("0 ok", "1 error", "2 usage", "3 daemon not running", "4 permission"),
    *("5 conflict", "6 timeout", "7 accepted then failed", "8 version mismatch"),
    "130 interrupted",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    words = sys.argv[1:] if argv is None else argv
    output = Output(is_json=False)
    try:
        args = parser(_said(words)).parse_args(words)
        output = Output(is_json=args.json)
        verb: Verb = args.verb()
        return verb.run(args, output)
    except ImagempError as error:
        output.blame(error)
        return exit_for(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # `imagectl events -f | head`: nobody reads on, and that is fine.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


class Parser(ArgumentParser):
    """An ArgumentParser that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help")


def parser(words: Collection[str] = VERBS) -> Parser:
    """Give the parser of the command line, as far as these first words go."""
    top = Parser(
        prog="imagectl",
        description="Talks to imagempd, the camera capture daemon. "
        "Without a command: status.",
        epilog=f"Exit codes: {', '.join(MEANINGS)}.",
        allow_abbrev=False,
    )
    top.set_defaults(verb=_load("status")[0], json=False, runtime_dir=None)
    _add_common(top)
    commands = top.add_subparsers(metavar="COMMAND", title="commands")
    for word in words:
        verb, *others = _load(word)
        if word not in FAMILIES:
            _add(commands, word, verb.manual(), verb)
            continue
        family = _add(commands, word, FAMILIES[word], verb)
        inner = family.add_subparsers(metavar="COMMAND", title="commands")
        for each in (v for v in (verb, *others) if " " in v.name):
            _add(inner, each.name.rpartition(" ")[2], each.manual(), each)
    return top


def _said(words: Sequence[str]) -> Collection[str]:
    """Give the verb that is meant; all, unless it is plainly the first word."""
    rest = iter(words)
    for word in rest:
        if word == "--runtime-dir":
            next(rest, None)  # its value
        elif word != "--json" and not word.startswith("--runtime-dir="):
            return [word] if word in VERBS else VERBS
    return ["status"]


def _load(word: str) -> "list[type[Verb]]":
    where, *names = VERBS[word]
    module = import_module(f".{where}", __package__)
    return [getattr(module, name) for name in names]


def _add(
    place: "_SubParsersAction[Parser]", name: str, manual: str, verb: "type[Verb]"
) -> Parser:
    own = place.add_parser(
        name,
        help=manual.partition("\n")[0],
        description=manual,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    own.set_defaults(verb=verb)
    _add_common(own)
    verb().add_arguments(own)
    return own


def _add_common(own: ArgumentParser) -> None:
    """Take the common options before and after the verb alike."""
    own.add_argument(
        "--json", action="store_true", default=SUPPRESS, help="print JSON on stdout"
    )
    own.add_argument(
        "--runtime-dir",
        type=Path,
        metavar="DIR",
        default=SUPPRESS,
        help="where the daemon's sockets are",
    )
