"""Man pages from the command lines themselves: `python -m imagemp.manpage MODULE`.

MODULE has a `parser()`; what its --help says is what the page says.
"""

import sys
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator
from importlib import import_module, metadata


def page(parser: ArgumentParser, section: int) -> str:
    """Give the page of a command, its verbs included, as troff."""
    name, told = parser.prog, (parser.description or "").strip()
    version = metadata.version("imagempd")
    lines = [
        f'.TH {name.upper()} {section} "" "imagemp {version}"',
        ".SH NAME",
        _plain(f"{name} - {told.partition(chr(10))[0]}"),
        ".SH SYNOPSIS",
        *_synopsis(parser),
        ".SH DESCRIPTION",
        *_text(told),
        ".SH OPTIONS",
        *_options(parser),
    ]
    verbs = list(_verbs(parser))
    if verbs:
        lines.append(".SH COMMANDS")
        for verb in verbs:
            lines += _verb(verb)
    if parser.epilog:
        lines += [".SH NOTES", *_text(parser.epilog)]
    return "\n".join(lines) + "\n"


def _verb(verb: ArgumentParser) -> Iterator[str]:
    yield f".SS {_plain(verb.prog.partition(' ')[2])}"
    yield from _synopsis(verb)
    yield ".PP"
    yield from _text(verb.description or "")
    yield from _options(verb)


def _verbs(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """Give each verb's parser, the inner ones after their family."""
    for action in _actions(parser):
        choices = action.choices
        for verb in choices.values() if isinstance(choices, dict) else ():
            yield verb
            yield from _verbs(verb)


def _actions(parser: ArgumentParser) -> list[Action]:
    return parser._actions  # noqa: SLF001 - argparse tells them in no other way


def _synopsis(parser: ArgumentParser) -> list[str]:
    usage = parser.format_usage().removeprefix("usage: ")
    return [".nf", *(_plain(line) for line in usage.splitlines() if line), ".fi"]


def _options(parser: ArgumentParser) -> Iterator[str]:
    for action in _actions(parser):
        if not isinstance(action.choices, dict) and action.help != SUPPRESS:
            yield ".TP"
            yield f"\\fB{_plain(_called(action))}\\fR"
            yield from _text(_help(parser, action)) or ["\\&"]


def _called(action: Action) -> str:
    value = action.metavar or action.dest.upper()
    shown = value if isinstance(value, str) else " ".join(value)
    if not action.option_strings:
        return shown
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {shown}"


def _help(parser: ArgumentParser, action: Action) -> str:
    return (action.help or "") % {"prog": parser.prog, **vars(action)}


def _text(told: str) -> list[str]:
    """Give text whose lines stay as they are."""
    lines = [_plain(line) for line in told.strip().splitlines()]
    return [".nf", *lines, ".fi"] if len(lines) > 1 else lines


def _plain(line: str) -> str:
    """Keep troff from reading anything into it."""
    escaped = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main() -> None:
    """Print the page of the module that is named, in the section that is named."""
    module, section = sys.argv[1:]
    sys.stdout.write(page(import_module(module).parser(), int(section)))


if __name__ == "__main__":
    main()
