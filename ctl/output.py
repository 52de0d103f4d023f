"""What imagectl prints: data on stdout, messages on stderr.

With `--json` stdout holds one document, or one line an item where a command
follows; without it, text for people. Nothing here imports more than json: this
is on the way of `imagectl status`.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from imagemp.errors import ImagempError

Answer = Mapping[str, Any]
"""A document, as the daemon answers it: JSON with names."""


class Output:
    """Where a verb puts its results.

    Attributes:
        is_json: `--json` was given.
    """

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json

    def show(self, document: Answer, text: Callable[[Answer], str]) -> None:
        """Print the document, as JSON or as `text` tells it; nothing if empty."""
        line = json.dumps(document) if self.is_json else text(document)
        if line:
            print(line, flush=True)

    def say(self, message: str) -> None:
        """Tell the user something that is not data."""
        print(message, file=sys.stderr, flush=True)

    def blame(self, error: ImagempError) -> None:
        """Tell what went wrong, and what to do about it if anyone knows."""
        self.say(f"imagectl: {error}")
        if error.hint:
            self.say(f"  hint: {error.hint}")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give rows in aligned columns under their header."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        .rstrip()
        for line in lines
    )  # fmt: skip


def facts(document: object) -> str:
    """Give any document as `key: value` lines, nested ones indented."""
    if isinstance(document, dict):
        return "\n".join(_fact(str(key), value) for key, value in document.items())
    if isinstance(document, list):
        return "\n".join(facts(item) for item in document)
    return plain(document)


def plain(value: object) -> str:
    """Give a value as a person would write it."""
    return value if isinstance(value, str) else json.dumps(value)


def _fact(key: str, value: object) -> str:
    if isinstance(value, dict | list) and value:
        inner = facts(value).replace("\n", "\n  ")
        return f"{key}:\n  {inner}"
    return f"{key}: {plain(value)}"
