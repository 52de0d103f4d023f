"""The frame log: one row of text for each recorded frame.

Rows gather in memory and are written when the pages are synced, so after a kill -9
the log may be behind the pages. `resume` cuts rows that have no page, and rows that
are missing are made again from the tags of the pages, which say as much.
"""

import csv
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from ..frames import FrameInfo
from ..spec import Field
from .disk import FILE_MODE, NEW_FILE, Reserve, disk_errors, write_all
from .tiff.pagerecord import PageRecord
from .tiff.pages import UserFields
from .video.records import VideoRecord

COLUMNS = (
    "seq",
    "index",
    "file",
    "page",
    "t_sensor_ns",
    "t_arrival_ns",
    "t_unix_ns",
    "missed_before",
    "ring_used",
    "overflow_used",
)

RESERVE = 1 << 17  # a thousand rows: more than gather between two syncs


@dataclass(slots=True)
class LoggedRows:
    """What a log says, as far as it can be believed.

    Attributes:
        end: Where the last row on disk ends; 0 if not even the header is there.
        frames: How many rows each file has.
        last_index: `index` of the last row; -1 if there is none.
        last_file: Name of the file that row is about.
    """

    end: int = 0
    frames: dict[str, int] = field(default_factory=dict)
    last_index: int = -1
    last_file: str = ""

    def add(self, index: int, file: str) -> None:
        """Count one more row."""
        self.frames[file] = self.frames.get(file, 0) + 1
        self.last_index, self.last_file = index, file


class FrameLog:
    """Appends to `frames.csv`; made by `create` or `resume`.

    `add` and `flush` may run in two threads, one each.

    Attributes:
        rows: What has been added, written or not.
    """

    def __init__(
        self, path: Path, fd: int, fields: tuple[Field, ...], rows: LoggedRows
    ) -> None:
        self.path = path
        self.rows = rows
        self._fd = fd
        self._fields = [one.name for one in fields]
        self._packed = UserFields(fields)
        self._waiting = RowQueue()
        self._table = csv.writer(self._waiting, lineterminator="\n")
        self._unwritten = b""
        with disk_errors(path):
            self._reserve = Reserve(path.parent, RESERVE)
        if not rows.end:
            self._table.writerow([*COLUMNS, *self._fields])

    @classmethod
    def create(cls, path: Path, fields: tuple[Field, ...]) -> Self:
        """Make a new log.

        Raises:
            DiskError: It is there already, or cannot be made.
        """
        with disk_errors(path):
            fd = os.open(path, NEW_FILE, FILE_MODE)
        return cls(path, fd, fields, LoggedRows())

    @classmethod
    def resume(cls, path: Path, fields: tuple[Field, ...], next_index: int) -> Self:
        """Go on in a log, without its rows from `next_index` on.

        Rows that no page vouches for, and all after a row that is broken, are cut.

        Raises:
            DiskError: It cannot be opened or cut.
        """
        with disk_errors(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            rows = kept_rows(
                path, [*COLUMNS, *(one.name for one in fields)], next_index
            )
            os.ftruncate(fd, rows.end)
        return cls(path, fd, fields, rows)

    def add(self, info: FrameInfo, file: str, page: int) -> None:
        """Add the row of a frame whose first page is `page` of `file`."""
        self._table.writerow(row_of(info, file, page, self._fields))
        self.rows.add(info.index, file)

    def rebuild(self, file: str, page: PageRecord | VideoRecord) -> None:
        """Add the row of a frame of which only the page is left."""
        self.add(info_of(page, self._packed), file, page.page)

    def flush(self) -> None:
        """Give the kernel what was added; what it does not take, it gets next time.

        Raises:
            OSError: The disk is full or failing; the file ends with a whole row.
        """
        self._unwritten += self._waiting.take().encode()
        if not self._unwritten:
            return
        try:
            write_all(self._fd, [self._unwritten], self.rows.end)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self.rows.end)
            raise
        self.rows.end += len(self._unwritten)
        self._unwritten = b""

    def flush_last(self) -> None:
        """Flush into the room that was kept for it; a full disk loses no row.

        Raises:
            OSError: The disk is failing, or there was no such room.
        """
        self._reserve.free()
        self.flush()

    def sync(self) -> None:
        """Return when all that was flushed is on the disk; raises OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file, without flushing. May be called twice."""
        self._reserve.free()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def row_of(
    info: FrameInfo, file: str, page: int, fields: Sequence[str]
) -> list[object]:
    """Give the cells of a row; `fields` are the names of the user's."""
    return [
        info.seq,
        info.index,
        file,
        page,
        info.t_sensor_ns,
        info.t_arrival_ns,
        info.t_unix_ns,
        info.missed_before,
        info.ring_used,
        info.overflow_used,
        *(cell(info.fields.get(name, "")) for name in fields),
    ]


def info_of(page: PageRecord | VideoRecord, fields: UserFields) -> FrameInfo:
    """Give all that a page knows of its frame."""
    return FrameInfo(
        seq=page.seq,
        index=page.index,
        t_sensor_ns=page.t_sensor_ns,
        t_arrival_ns=page.t_arrival_ns,
        t_unix_ns=page.t_unix_ns,
        missed_before=page.missed_before,
        ring_used=page.ring_used,
        overflow_used=page.overflow_used,
        fields=fields.unpack(page.fields),
    )


class RowQueue:
    """Rows on their way from the thread that adds to the one that flushes."""

    def __init__(self) -> None:
        self._rows: deque[str] = deque()
        self.write = self._rows.append  # what csv.writer calls, once a row

    def take(self) -> str:
        """Give all rows so far."""
        return "".join([self._rows.popleft() for _ in range(len(self._rows))])


def kept_rows(path: Path, columns: list[str], next_index: int) -> LoggedRows:
    """Read a log up to the first row that is broken or at least `next_index`."""
    kept = LoggedRows()
    with path.open("rb") as lines:
        header = lines.readline()
        if header.decode(errors="replace").rstrip("\n").split(",") != columns:
            return kept
        kept.end = len(header)
        for length, index, file in parsed_rows(lines):
            if not kept.last_index < index < next_index:
                break
            kept.end += length
            kept.add(index, file)
    return kept


def parsed_rows(lines: Iterator[bytes]) -> Iterator[tuple[int, int, str]]:
    """Give length, index and file of each row, up to the first that is broken.

    User text may hold commas, but stands in the last columns.
    """
    for line in lines:
        cells = line.split(b",", 4)
        whole = line.endswith(b"\n") and b"\0" not in line and len(cells) == 5
        if not whole or not cells[1].isdigit():
            return
        yield len(line), int(cells[1]), cells[2].decode(errors="replace")


def cell(value: object) -> object:
    """Give a user's value as one line of text; arrays with blanks in between."""
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(plain, bytes):
        plain = plain.decode("ascii", "backslashreplace")
    if isinstance(plain, str):
        return plain.encode("unicode_escape").decode()
    if isinstance(value, np.ndarray) and value.ndim:
        return " ".join(str(cell(one)) for one in value.reshape(-1))
    return plain
