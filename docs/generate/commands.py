"""`imagectl` as a page: its verbs, their words and options, its exit codes."""

import re
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator
from itertools import takewhile

from imagemp.codes import CODES
from imagemp.ctl.exits import BY_CODE, Exit
from imagemp.ctl.main import MEANINGS, parser

from . import markdown
from .markdown import code, table

COMMON = ("help", "json", "runtime_dir")
COUNTS = {None: "{}", "?": "[{}]", "*": "[{} ...]", "+": "{} [{} ...]"}


def page() -> str:
    """Give the page."""
    top = parser()
    about = "Examples: [../imagectl.md](../imagectl.md)."
    verbs = (_verb(verb) for verb in _verbs(top))
    return markdown.page("imagectl", about, [_common(top), *verbs, _exits()])


def _common(top: ArgumentParser) -> Iterator[str]:
    yield top.description or ""
    yield ""
    yield "Every verb has these options, which may also stand before it:"
    yield ""
    given = (a for a in _actions(top) if a.dest in COMMON and a.help != SUPPRESS)
    yield from _table(top, given)


def _exits() -> Iterator[str]:
    yield "## Exit codes"
    yield ""
    meanings = dict(told.split(" ", 1) for told in MEANINGS)
    rows = [
        (str(int(one)), meanings[str(int(one))], _codes(one)) for one in sorted(Exit)
    ]
    yield from table(("exit code", "means", "errors"), rows)
    yield ""
    yield "Other errors are 1. What they mean: [protocol.md](protocol.md#codes)."


def _codes(exit_code: Exit) -> str:
    named = (name for name in BY_CODE if BY_CODE[name] == exit_code)
    return ", ".join(code(name) for name in named if name in CODES)


def _verb(verb: ArgumentParser) -> Iterator[str]:
    own = [a for a in _actions(verb) if a.dest not in COMMON and not _is_family(a)]
    summary, wire, text = _manual(verb.description or "")
    yield f"## {verb.prog.partition(' ')[2]}"
    yield ""
    yield "```text"
    yield _usage(verb, own)
    yield "```"
    yield ""
    yield summary
    if wire:
        yield ""
        yield f"Wire: {code(wire)}"
    if text:
        yield ""
        yield text
    if own:
        yield ""
        yield from _table(verb, own)
    for group in verb._mutually_exclusive_groups:  # noqa: SLF001 - told in no other way
        names = (code(_names(action)) for action in group._group_actions)  # noqa: SLF001
        yield ""
        yield f"At most one of {', '.join(names)}."


def _manual(description: str) -> tuple[str, str, str]:
    """Take a verb's manual apart: its summary, what it sends, the rest."""
    summary, _, rest = description.partition("\n")
    lines = rest.strip().splitlines()
    if not lines or not lines[0].startswith("Wire: "):
        return summary, "", "\n".join(lines)
    more = list(takewhile(lambda line: line.startswith(" "), lines[1:]))
    wire = " ".join([lines[0].removeprefix("Wire: "), *map(str.strip, more)])
    return summary, wire, "\n".join(lines[1 + len(more) :])


def _usage(verb: ArgumentParser, own: list[Action]) -> str:
    families = [a for a in _actions(verb) if _is_family(a)]
    options = [_option(action) for action in own if action.option_strings]
    words = [_word(a) for a in (*own, *families) if not a.option_strings]
    return " ".join([verb.prog, *options, *words])


def _option(action: Action) -> str:
    name = action.option_strings[-1] + (
        "" if action.nargs == 0 else f" {_value(action)}"
    )
    return name if action.required else f"[{name}]"


def _word(action: Action) -> str:
    value = _value(action)
    count = action.nargs if isinstance(action.nargs, str) else None
    return COUNTS.get(count, "[{}]").format(value, value)


def _value(action: Action) -> str:
    value = action.metavar or action.dest.upper()
    return value if isinstance(value, str) else " ".join(value)


def _names(action: Action) -> str:
    names = ", ".join(action.option_strings)
    if not names or action.nargs == 0:
        return names or _value(action)
    return f"{names} {_value(action)}"


def _table(
    verb: ArgumentParser, actions: "Iterator[Action] | list[Action]"
) -> Iterator[str]:
    rows = (
        (code(_names(a)), _choices(a), _default(a), _help(verb, a)) for a in actions
    )
    yield from table(("", "one of", "default", "meaning"), rows)


def _choices(action: Action) -> str:
    return ", ".join(code(choice) for choice in action.choices or ())


def _default(action: Action) -> str:
    """Give it unless the help tells it, or there is none."""
    is_told = re.search("default|unless", action.help or "")
    is_plain = isinstance(action.default, str | float) and action.default != SUPPRESS
    return (
        code(action.default) if is_plain and action.nargs != 0 and not is_told else ""
    )


def _help(verb: ArgumentParser, action: Action) -> str:
    return (action.help or "") % {"prog": verb.prog, **vars(action)}


def _verbs(of: ArgumentParser) -> Iterator[ArgumentParser]:
    for action in _actions(of):
        if isinstance(action.choices, dict):
            for verb in action.choices.values():
                yield verb
                yield from _verbs(verb)


def _is_family(action: Action) -> bool:
    return isinstance(action.choices, dict)


def _actions(of: ArgumentParser) -> list[Action]:
    return of._actions  # noqa: SLF001 - argparse tells them in no other way
