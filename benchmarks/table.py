"""What a benchmark found: rows and keys, on the screen and as JSON."""

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Cell = float | int | str


@dataclass(frozen=True)
class Options:
    """The command line that all benchmarks have.

    Attributes:
        quick: A few seconds, figures good for nothing but a test.
        json: Where the figures go, if anywhere.
    """

    quick: bool = False
    json: Path | None = None

    @classmethod
    def read(cls, doc: str | None, arguments: Sequence[str] | None = None) -> "Options":
        """Read the command line."""
        parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
        parser.add_argument("--quick", action="store_true", help="a few seconds")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write figures")
        read = parser.parse_args(arguments)
        return cls(read.quick, read.json)


@dataclass(frozen=True)
class Key:
    """One figure that is promised: the median of several.

    Attributes:
        best: The lowest of them, the highest where more is better.
        bound: What it should not exceed, or not fall below; None: told, not judged.
    """

    name: str
    seen: float
    best: float
    bound: float | None
    at_least: bool

    @property
    def verdict(self) -> str:
        """Whether it keeps its bound."""
        if self.bound is None:
            return ""
        kept = self.seen >= self.bound if self.at_least else self.seen <= self.bound
        return "kept" if kept else "MISSED"

    @property
    def promise(self) -> str:
        """Its bound in words."""
        if self.bound is None:
            return ""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


@dataclass
class Report:
    """What one benchmark has to say."""

    title: str
    keys: list[Key] = field(default_factory=list)
    tables: dict[str, list[dict[str, Cell]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def key(
        self,
        name: str,
        values: Sequence[float],
        bound: float | None = None,
        *,
        at_least: bool = False,
    ) -> None:
        """Add a figure measured several times."""
        best = max(values) if at_least else min(values)
        self.keys.append(Key(name, statistics.median(values), best, bound, at_least))

    def row(self, table: str, **cells: Cell) -> None:
        """Add a row to a table; the first one names the columns."""
        self.tables.setdefault(table, []).append(cells)

    def note(self, sentence: str) -> None:
        """Add a sentence below the tables."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def finish(self, options: Options) -> None:
        """Print everything; write it where the command line says."""
        console = Console()
        for title, rows in self.tables.items():
            console.print(_table(title, rows))
        console.print(_table(self.title, [_cells(key) for key in self.keys]))
        for sentence in self.notes:
            console.print(sentence, highlight=False, markup=False)
        if options.json is not None:
            options.json.write_text(json.dumps(self.plain(), indent=2) + "\n")

    def plain(self) -> dict[str, Any]:
        """Give it as dicts, lists, strings and numbers."""
        return {
            "machine": machine(),
            "keys": {key.name: key.seen for key in self.keys},
            "best": {key.name: key.best for key in self.keys},
            "bounds": {key.name: key.promise for key in self.keys if key.promise},
            "tables": self.tables,
            "notes": self.notes,
        }


def machine() -> str:
    """Say what it ran on."""
    cpus = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{platform.machine()}, {cpus} cores, {platform.release()}, Python {python}"


def _cells(key: Key) -> dict[str, Cell]:
    return {
        "key": key.name,
        "bound": key.promise,
        "median": key.seen,
        "best": key.best,
        "": key.verdict,
    }


def _table(title: str, rows: list[dict[str, Cell]]) -> Table:
    table = Table(title=title)
    for name, cell in (rows[0] if rows else {}).items():
        table.add_column(name, justify="left" if isinstance(cell, str) else "right")
    for row in rows:
        table.add_row(*(_text(cell) for cell in row.values()))
    return table


def _text(cell: Cell) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
