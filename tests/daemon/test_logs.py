"""What the journal is given."""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import pytest

from imagemp.daemon import diary
from imagemp.daemon.logs import (
    REMEMBERED,
    JournalFormatter,
    Lines,
    Repeats,
    fields,
    leads_to_journal,
)
from tests.running import running

from .test_recording import record

SOURCE = """
[pipelines.cam0.source]
kind = "synthetic"
shape = [48, 64]
fps = 200
[pipelines.cam0.encoder]
"""


def test_each_line_for_the_journal_begins_with_its_priority() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "one\ntwo", None, None)

    assert JournalFormatter().format(record) == "<3>one\n<3>two"


def line(text: str, always: dict[str, str], **own: object) -> str:
    """Give a line as it is logged."""
    formatter = Lines()
    formatter.always = always
    return formatter.format(logging.makeLogRecord({"msg": text, **fields(**own)}))


def test_a_line_ends_with_whom_it_concerns_a_worker_first() -> None:
    told = line("died", {"pipeline": "cam0", "worker": "main"}, code=-9, frames=[1, 2])

    assert told == "died pipeline=cam0 worker=main code=-9 frames=[1,2]"


@pytest.mark.parametrize("value", ["two words", "a=b", 'say "no"', "", "one\ntwo"])
def test_a_value_that_would_be_read_as_several_is_quoted(value: str) -> None:
    assert line("x", {}, why=value) == f"x why={json.dumps(value)}"


def test_the_fields_stand_before_the_traceback() -> None:
    formatter, record = Lines(), raised("not today")
    record.fields = {"worker": "main"}

    first, *trace = formatter.format(record).splitlines()

    assert first == "code 7 worker=main"
    assert trace[-1] == "RuntimeError: not today"


@pytest.mark.parametrize(
    ("name", "details", "level"),
    [
        ("gave_up", {}, logging.ERROR),
        ("evicted", {}, logging.WARNING),
        ("nobody knows", {}, logging.WARNING),
        ("over_budget", {"took_ms": 30.0}, logging.WARNING),
        ("capture_back", {"missed": 0}, logging.INFO),
        ("capture_back", {"missed": 3}, logging.WARNING),
        ("complete", {"dropped": {}, "missed": {}}, logging.INFO),
        ("complete", {"dropped": {"ring_full": 1}}, logging.WARNING),
        ("triggered", {}, logging.DEBUG),
    ],
)
def test_an_event_is_as_loud_as_what_it_means(
    name: str, details: dict[str, object], level: int
) -> None:
    assert diary.level(name, details) == level


def test_a_session_is_in_the_log_from_its_first_frame_to_what_became_of_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path, SOURCE) as daemon:
        told = record(daemon, frames=20)
        log = daemon.log.read_text().splitlines()

    whose = f"pipeline=cam0 session={told['session']}"
    *_, begun, ended = log
    assert begun == f"INFO running {whose}"
    assert f"complete {whose} reason=frames dir={told['dir']} captured=20" in ended
    assert " recorded.main=20" in ended


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
