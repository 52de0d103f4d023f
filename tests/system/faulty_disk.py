"""A disk that does as it is told: a folder, mounted through FUSE, with faults.

A process of its own serves it (fuse_server.py). A thread of the test's process would
not do: a page fault on the disk holds the GIL that the thread needs to answer it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .fuse_server import Op

__all__ = ["FaultyDisk", "Op", "faulty_disk"]
SERVER = f"{__package__}.fuse_server"


class FaultyDisk:
    """A mounted disk, for whoever gives it orders.

    Attributes:
        place: Where it is mounted.
    """

    def __init__(self, place: Path, behind: Path) -> None:
        self.place = place
        self._server = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", SERVER, str(place), str(behind)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._told = self._read()
        assert self._told == "mounted"

    def break_down(self, error: int, *ops: Op) -> None:
        """Let all these operations fail from now on."""
        self._order("break", error, *ops)

    def repair(self) -> None:
        """Let everything work again."""
        self._order("repair")

    def slow_down(self, ms: int) -> None:
        """Let each write of 128 KiB or less take this long."""
        self._order("slow", ms)

    def stall(self) -> None:
        """Answer nothing until `go_on`."""
        self._order("stall")

    def wedge(self) -> None:
        """Take every request and answer none: who asks cannot be killed."""
        self._order("wedge")

    def go_on(self) -> None:
        """Answer again, what was asked meanwhile first."""
        self._order("go_on")

    def close(self) -> None:
        """Unmount; whoever waits for it gets an error."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(20)
        self._server.stdout.close()

    def _order(self, *words: object) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(" ".join(str(word) for word in words) + "\n")
        self._server.stdin.flush()
        assert self._read() == "done"

    def _read(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


@contextmanager
def faulty_disk(place: Path, behind: Path) -> Iterator[FaultyDisk]:
    """Mount a disk as long as the block lasts."""
    for folder in (place, behind):
        folder.mkdir()
    disk = FaultyDisk(place, behind)
    try:
        yield disk
    finally:
        disk.close()
