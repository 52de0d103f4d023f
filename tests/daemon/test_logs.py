"""What the journal is given."""

import logging
import os
import tempfile

import pytest

from imagemp.daemon.logs import JournalFormatter, leads_to_journal


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
