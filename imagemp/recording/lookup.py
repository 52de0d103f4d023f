"""Finds the rows of a frame log by time, without reading all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from .framelog import COLUMNS

CHUNK = 4096  # bytes: more than the longest row without the user's fields
SEQ, FILE, PAGE, ARRIVAL = (
    COLUMNS.index(name) for name in ("seq", "file", "page", "t_arrival_ns")
)


class Row(Struct, frozen=True):
    """What a row says of where a frame is."""

    seq: int
    file: str
    page: int
    t_arrival_ns: int


class Found(Struct):
    """The frames of a span: how many, the first and the last of them."""

    frames: int = 0
    first: Row | None = None
    last: Row | None = None

    def add(self, row: Row) -> None:
        """One more."""
        self.frames += 1
        self.first, self.last = self.first or row, row


def find(path: Path, from_ns: int, to_ns: int) -> Found:
    """Find the frames that arrived from one instant until before another.

    Raises:
        OSError: The log cannot be read.
    """
    found = Found()
    with path.open("rb") as log:
        for row in rows_from(log, from_ns):
            if row.t_arrival_ns >= to_ns:
                break
            found.add(row)
    return found


def rows_from(log: BinaryIO, from_ns: int) -> Iterator[Row]:
    """Give the rows from an instant on; they are in order of time."""
    header = len(log.readline())
    low, high = header, log.seek(0, 2)
    while low < high:  # a row that begins after `middle`, if any, says where to go
        middle = (low + high) // 2
        row = _row_after(log, middle, header)
        if row is not None and row.t_arrival_ns < from_ns:
            low = middle + 1
        else:
            high = middle
    _row_after(log, low, header, is_peek=True)
    for line in log:
        if (row := _parsed(line)) is not None and row.t_arrival_ns >= from_ns:
            yield row


def _row_after(
    log: BinaryIO, place: int, header: int, *, is_peek: bool = False
) -> Row | None:
    """Give the first row that begins at a place or after it."""
    log.seek(max(header, place) - 1)
    log.readline()  # the rest of the row before; a newline alone if there is none
    return None if is_peek else _parsed(log.readline())


def _parsed(line: bytes) -> Row | None:
    cells = line.split(b",", ARRIVAL + 1)
    if not line.endswith(b"\n") or len(cells) <= ARRIVAL:
        return None
    seq, page, arrival = (int(cells[n]) for n in (SEQ, PAGE, ARRIVAL))
    return Row(seq, cells[FILE].decode(), page, arrival)
