"""What the journal is given."""

import logging
import os
import sys
import tempfile

import pytest

from imagemp.daemon.logs import (
    REMEMBERED,
    JournalFormatter,
    Repeats,
    leads_to_journal,
)


def test_each_line_for_the_journal_begins_with_its_priority() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "one\ntwo", None, None)

    assert JournalFormatter().format(record) == "<3>one\n<3>two"


def test_only_the_descriptor_that_systemd_reads_leads_to_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryFile() as journal, tempfile.TemporaryFile() as other:
        found = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")

        assert leads_to_journal(journal.fileno())
        assert not leads_to_journal(other.fileno())


def raised(what: str) -> logging.LogRecord:
    """Give a record with a traceback."""
    try:
        raise RuntimeError(what)
    except RuntimeError:
        return logging.LogRecord(
            "x", logging.ERROR, "", 0, "code %d", (7,), sys.exc_info()
        )


def test_a_traceback_is_shown_once_in_10_seconds_with_how_often_it_came() -> None:
    now = [0.0]
    repeats = Repeats(lambda: now[0])

    shown = []
    for at in (0.0, 0.1, 5.0, 9.9, 10.0, 15.0, 31.0, 50.0):
        now[0] = at
        if repeats.filter(record := raised("not today")):
            shown.append((at, record.getMessage()))

    assert shown == [
        (0.0, "code 7"),
        (10.0, "code 7 (and 3 times before)"),
        (31.0, "code 7 (and 1 times before)"),
        (50.0, "code 7"),
    ]


def test_other_tracebacks_and_plain_lines_are_all_shown() -> None:
    repeats = Repeats(lambda: 0.0)
    plain = logging.LogRecord("x", logging.ERROR, "", 0, "died", None, None)

    assert repeats.filter(raised("one"))
    assert repeats.filter(raised("two"))
    assert not repeats.filter(raised("one"))
    assert repeats.filter(plain)
    assert repeats.filter(plain)


def test_only_so_many_tracebacks_are_remembered() -> None:
    repeats = Repeats(lambda: 0.0)

    shown = [repeats.filter(raised(str(n))) for n in range(2 * REMEMBERED)]

    assert all(shown)
    assert repeats.filter(raised("0"))  # forgotten
    assert not repeats.filter(raised(str(2 * REMEMBERED - 1)))
