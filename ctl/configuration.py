"""`imagectl config` and `reload`: the configuration, running or on file."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagemp.errors import ConfigError

from .exits import Exit
from .output import Answer, Output, facts
from .verb import Verb

SYSTEM_FILE = Path("/etc/imagemp/imagemp.toml")


class ConfigShow(Verb):
    """Show the configuration that the daemon runs with, defaults included.

    Wire: config.show {}
    """

    name = "config show"
    method = "config.show"


class ConfigCheck(Verb):
    """Check a configuration; exit code 1 if it cannot be used here.

    Wire: config.check {}
    With FILE no daemon is needed; without, the daemon checks its own file. Adds up
    what all pipelines need against the memory and the disk of this machine.
    """

    name = "config check"
    method = "config.check"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE")

    def run(self, args: Namespace, output: Output) -> Exit:
        answer = check_file(args.file) if args.file else self.ask(args, self.method, {})
        output.show(answer, self.text)
        has_error = any(found.get("level") == "error" for found in answer["findings"])
        return Exit.ERROR if has_error else Exit.OK

    def text(self, answer: Answer) -> str:
        told = [_line(finding) for finding in answer["findings"]]
        return "\n".join(told) or "nothing to remark"


class Reload(Verb):
    """Have the daemon read its configuration file again.

    Wire: reload {}
    """

    name = "reload"
    method = "reload"

    def text(self, answer: Answer) -> str:
        return facts(answer) or "reloaded"


def check_file(file: Path) -> Answer:
    """Answer as the daemon's config.check does."""
    from msgspec import to_builtins

    from imagemp.config import check, load

    try:
        return {"findings": to_builtins(check(load(file)))}
    except ConfigError as error:
        found = {"level": "error", "key": error.key, "message": str(error)}
        return {"findings": [{**found, "hint": error.hint}]}


def _line(finding: Mapping[str, Any]) -> str:
    key, message = finding.get("key", ""), finding.get("message", "")
    where = "" if not key or message.startswith(f"{key}: ") else f"{key}: "
    hint = f"\n  hint: {finding['hint']}" if finding.get("hint") else ""
    return f"{finding.get('level', 'note')}: {where}{message}{hint}"
