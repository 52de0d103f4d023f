"""The times of a timetable, as the user gives them: a list, a CSV file, a generator.

Exact: 0.1 s is 100,000,000 ns, not the nearest double.
"""

import csv
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from imagemp.config import ScheduleConfig
from imagemp.errors import ConfigError
from imagemp.load import load_object

SECOND = 10**9


def nanoseconds(seconds: object) -> int:
    """Give seconds as ns, as exact as they were written: 0.1 is 100,000,000.

    Raises:
        ValueError: They are no finite number.
    """
    return int(Fraction(str(seconds)) * SECOND)


def ascending(seconds: Iterable[object], key: str) -> Iterator[int]:
    """Give times in ns one by one, each checked.

    Raises:
        ConfigError: One is no time, or not after the one before, or cannot be had.
    """
    before: tuple[int, object] = (-1, "the start")
    for number, found in enumerate(_drawn(seconds, key), start=1):
        try:
            now = nanoseconds(found)
        except (ValueError, ZeroDivisionError):
            problem = f"item {number} must be seconds, is {found!r}"
            raise ConfigError(key, problem) from None
        if now <= before[0]:
            problem = f"item {number} must be after {before[1]}, is {found}"
            raise ConfigError(key, problem)
        before = (now, found)
        yield now


def read_times(path: Path, key: str = "schedule.file") -> list[str]:
    """Read a CSV file of seconds: its one column, or the one called t_s."""
    try:
        text = path.read_text("utf-8-sig")  # Excel begins with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(key, f"{path} cannot be read: {error}") from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    rows = [row for row in rows if any(row)]
    header = rows[0] if rows else []
    column = header.index("t_s") if "t_s" in header else 0
    rows = rows["t_s" in header :]
    if not rows:
        raise ConfigError(key, f"{path} must have a time in it, has none")
    if len(header) > 1 and "t_s" not in header:
        found = ", ".join(header)
        raise ConfigError(key, f"{path} must have one column or a t_s, has {found}")
    return [row[column] if column < len(row) else "" for row in rows]


def listed(config: ScheduleConfig) -> tuple[str, Iterable[object] | None]:
    """Give the key of the configured times, and the times if there are any."""
    if config.intervals_s is not None:
        return "schedule.intervals_s", _sums(config.intervals_s)
    if config.file is not None:
        return "schedule.file", read_times(Path(config.file))
    return "schedule.times_s", config.times_s


def _sums(intervals: Iterable[float]) -> Iterator[Fraction]:
    """Give the start, and the end of each interval."""
    total = Fraction(0)
    yield total
    for interval in intervals:
        total += Fraction(str(interval))
        yield total


def run(target: str) -> Iterable[object]:
    """Give what the user's generator yields; a plain list will do."""
    found = load_object(target)
    seconds = found() if callable(found) else found
    if not isinstance(seconds, Iterable):
        problem = f"must give seconds one by one, {target} is {seconds!r}"
        raise ConfigError("schedule.generator", problem)
    return seconds


def _drawn(seconds: Iterable[object], key: str) -> Iterator[object]:
    """Draw from the user's code, which may raise anything."""
    try:
        yield from seconds
    except Exception as error:
        problem = f"raised {type(error).__name__}: {error}"
        raise ConfigError(key, problem) from error
