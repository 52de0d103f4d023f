"""Markdown out of names and docstrings."""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

NOTE = "Made from the code by `make docs`; change the code instead."
_SECTION = re.compile(r"(Args|Attributes|Raises):")
_ENTRY = re.compile(r"(\*{0,2}\w+): (.*)")


@dataclass
class Told:
    """What a docstring says.

    Attributes:
        summary: Its first line.
        text: What follows, as it stands.
        sections: `Args`, `Attributes`, `Raises`: what is told of each name there.
    """

    summary: str = ""
    text: str = ""
    sections: dict[str, dict[str, str]] = field(default_factory=dict)


def told_by(thing: object) -> Told:
    """Read the docstring of a thing, if it has one of its own."""
    summary, _, rest = inspect.cleandoc(thing.__doc__ or "").partition("\n")
    told, free = Told(summary), list[str]()
    entries, name = None, ""
    for line in rest.splitlines():
        if found := _SECTION.fullmatch(line):
            entries = told.sections.setdefault(found[1], {})
        elif entries is None:
            free.append(line)
        elif entry := _ENTRY.fullmatch(line.removeprefix("    ")):
            name, entries[entry[1]] = entry[1], entry[2]
        elif line.strip():
            entries[name] += f" {line.strip()}"
    told.text = "\n".join(free).strip()
    return told


def page(title: str, about: str, parts: Iterable[Iterable[str]]) -> str:
    """Give a whole page; each part is its lines."""
    lines = [f"# {title}", "", NOTE, about]
    for part in parts:
        lines += ["", *part]
    return "\n".join(lines) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Give a table, without the columns in which nothing stands; nothing if empty."""
    given = [[_cell(cell) for cell in row] for row in rows]
    used = [n for n in range(len(header)) if any(row[n] for row in given)]
    if not given:
        return
    yield _row(header[n] for n in used)
    yield _row("---" for _ in used)
    for row in given:
        yield _row(row[n] for n in used)


def code(text: object) -> str:
    """Give a text as code; nothing for nothing."""
    return f"`{text}`" if text != "" else ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
