"""Where log lines go: to the journal with their priority, or to a terminal.

A line says what happened, then whom it concerns, as `key=value`: first what all lines
of a worker bear, its pipeline and its name.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PLAIN = "%(levelname)s %(message)s"
FIELDS = "fields"  # of a record
QUIET_S = 10.0  # between two tracebacks that are the same
REMEMBERED = 32  # different ones


def log_to_stderr(**always: str) -> None:
    """Log as the journal wants it if stderr leads there, else as a reader does.

    Args:
        always: Fields of every line; those that are empty are left out.
    """
    handler = logging.StreamHandler()
    formatter = JournalFormatter() if leads_to_journal(2) else Lines(PLAIN)
    formatter.always = {name: value for name, value in always.items() if value}
    handler.setFormatter(formatter)
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def fields(**named: Any) -> dict[str, Any]:  # noqa: ANN401
    """Give what a logging call takes as `extra`, to end its line with these fields."""
    return {FIELDS: named}


def leads_to_journal(fd: int) -> bool:
    """Tell whether systemd reads this descriptor; a child's may lead elsewhere."""
    found = os.fstat(fd)
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class Lines(logging.Formatter):
    """Ends a record's first line with its fields: `died pipeline=cam0 code=-9`.

    Attributes:
        always: Fields of every line.
    """

    always: Mapping[str, str] = {}

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        own: Mapping[str, Any] = getattr(record, FIELDS, {})
        pairs = (f"{k}={_value(v)}" for k, v in {**self.always, **own}.items())
        return " ".join((super().formatMessage(record), *pairs))


class JournalFormatter(Lines):
    """Begins each line with the priority that systemd reads off it."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        return "\n".join(f"<{priority(record.levelno)}>{line}" for line in lines)


@dataclass(slots=True)
class Shown:
    """When a traceback was last shown, and how often it came since."""

    at: float
    left_out: int = 0


class Repeats(logging.Filter):
    """Shows the same traceback once in 10 s, and says how many were left out.

    User code that raises at each frame would else fill the journal, and a Pi's card.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[str, Shown] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.exc_info:
            return True
        if record.exc_text is None:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        return self._is_due(record, record.exc_text)

    def _is_due(self, record: logging.LogRecord, trace: str) -> bool:
        now, told = self._clock(), self._told.pop(trace, None)
        if told is None:
            told = Shown(now)
        elif now - told.at < QUIET_S:
            told.left_out += 1
            self._told[trace] = told
            return False
        if told.left_out:
            record.msg = f"{record.getMessage()} (and {told.left_out} times before)"
            record.args = None
        self._told[trace] = Shown(now)
        while len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        return True


def priority(level: int) -> int:
    """Give syslog's number: 3 error, 4 warning, 6 info, 7 debug."""
    steps = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((number for least, number in steps if level >= least), 7)


def _value(value: object) -> str:
    """Give a value as it stands, or quoted where that would be read as several."""
    if not isinstance(value, str):
        return json.dumps(value, default=str, separators=(",", ":"))
    is_plain = value and value.isprintable() and not set(value) & set(' "=')
    return value if is_plain else json.dumps(value)
