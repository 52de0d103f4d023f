"""The frame log against the pages, which know all that stands in its rows."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from ...spec import Field
from ..disk import FILE_MODE, disk_errors, sync_folder, write_all
from ..framelog import COLUMNS, RowQueue, info_of, row_of
from ..records import Record
from ..tiff.pages import UserFields
from .recorded import good_frames

CHUNK = 1 << 20


class LogCheck:
    """Compares a log with pages, in their order.

    Attributes:
        is_right: As far as it was compared.
        rows: It should have so many.
        fields: The user's, which are its last columns.
    """

    def __init__(self, path: Path, fields: tuple[Field, ...]) -> None:
        self.is_right, self.rows, self.fields = True, 0, fields
        self._table = RowTexts(fields)
        self._lines: IO[bytes] | None = None
        with suppress(FileNotFoundError):
            self._lines = path.open("rb")
            self._expect(self._table.header())

    def compare(self, file: str, pages: Iterable[Record]) -> None:
        """Go on with the first page of each of these frames."""
        for page in pages:
            self.rows += 1
            if self.is_right:
                self._expect(self._table.row(file, page))

    def close(self) -> None:
        """There are no more frames, and should be no more rows. To be called once."""
        if self.is_right:
            self._expect(b"")

    def _expect(self, text: bytes) -> None:
        found = self._lines.readline() if self._lines is not None else b""
        self.is_right = found == text
        if self._lines is not None and not (self.is_right and text):
            self._lines.close()


class RowTexts:
    """Rows as the log has them."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._names = [one.name for one in fields]
        self._packed = UserFields(fields)
        self._queue = RowQueue()
        self._table = csv.writer(self._queue, lineterminator="\n")

    def header(self) -> bytes:
        """Give the first line."""
        self._table.writerow([*COLUMNS, *self._names])
        return self._queue.take().encode()

    def row(self, file: str, page: Record) -> bytes:
        """Give the line of a frame."""
        info = info_of(page, self._packed)
        self._table.writerow(row_of(info, file, page.page, self._names))
        return self._queue.take().encode()


def rewrite_log(
    path: Path, fields: tuple[Field, ...], segments: Iterable[Path]
) -> None:
    """Replace a log at once by one that says just what the files hold.

    Raises:
        DiskError: It could not be replaced; the old one is as it was.
    """
    new = path.with_name(f"{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with disk_errors(path):
        fd, end = os.open(new, flags, FILE_MODE), 0
        try:
            for text in chunks(log_text(fields, segments)):
                write_all(fd, [text], end)
                end += len(text)
            os.fsync(fd)
        finally:
            os.close(fd)
        new.replace(path)
        sync_folder(path.parent)


def log_text(fields: tuple[Field, ...], segments: Iterable[Path]) -> Iterator[bytes]:
    """Give the lines of a log about these files."""
    table = RowTexts(fields)
    yield table.header()
    for path in segments:
        for frame in good_frames(path):
            yield table.row(path.name, frame[0])


def chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines to what is worth a write."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
