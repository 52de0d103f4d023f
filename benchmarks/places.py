"""Where recordings go in a benchmark, and how fast bytes get there at best."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from time import perf_counter

import numpy as np

from imagemp.config.machine import Memory
from imagemp.recording.disk import write_all
from imagemp.recording.syncing import SyncThread

SYNC_S = 0.2  # as the recording does
SLOTS = 32
SHARE = 4  # a part of what is free is used, one in so many
SHARED = Path("/dev/shm")  # noqa: S108 - it is the usual tmpfs
IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")


@contextmanager
def place(kind: str) -> Iterator[Path | None]:
    """Give an empty folder on `tmpfs` or `disk`; None if there is none."""
    asked = [SHARED, Path(tempfile.gettempdir()), Path.cwd(), Path.home()]
    found = [p for p in asked if (kind_of(p) in IN_MEMORY) == (kind == "tmpfs")]
    usable = [p for p in found if os.access(p, os.W_OK)]
    if not usable:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="imagemp-", dir=usable[0]) as folder:
        yield Path(folder)


def kind_of(path: Path) -> str:
    """Give the name of the file system that a path is on; "" if it is not there."""
    if not path.exists():
        return ""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    kinds = {Path(line.split()[1]): line.split()[2] for line in mounts}
    real = path.resolve()
    return next((kinds[p] for p in (real, *real.parents) if p in kinds), "")


def room(folder: Path) -> int:
    """Give the bytes that one run may write."""
    free = disk_usage(folder).free
    if kind_of(folder) in IN_MEMORY:
        free = min(free, Memory.here().available)
    return free // SHARE


def copies_a_second(nbytes: int, seconds: float) -> float:
    """Copy one frame into the slots of a ring, in turn."""
    frame = np.ones(nbytes, np.uint8)
    with mmap.mmap(-1, nbytes * SLOTS) as memory:
        slots = np.frombuffer(memory, np.uint8).reshape(SLOTS, nbytes)
        slots[:] = 0  # the kernel gives the pages before the clock runs
        n, began = 0, perf_counter()
        while (passed := perf_counter() - began) < seconds:
            slots[n % SLOTS] = frame
            n += 1
        del slots
    return n / passed


def writes_a_second(nbytes: int, seconds: float, folder: Path) -> float:
    """Write as many bytes as a frame has, again and again, to one file.

    A thread asks for them to be durable, as a recording's does.
    """
    frame = np.ones(nbytes, np.uint8).data
    path, most = folder / "written", room(folder) // nbytes
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    syncing = SyncThread(lambda: os.fdatasync(fd), SYNC_S)
    try:
        n, began = 0, perf_counter()
        while perf_counter() - began < seconds and n < most:
            write_all(fd, [frame], n * nbytes)
            syncing.mark()
            n += 1
        passed = perf_counter() - began
    finally:
        syncing.close()
        os.close(fd)
        path.unlink()
    return n / passed
