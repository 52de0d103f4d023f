"""The physical limit: a C program, and the same in bare Python.

    python -m benchmarks.limits bare|poll N CPU             one way, ns
    python -m benchmarks.limits publish N NBYTES CPU CPU    copy and wake, ns

`limits.c` is compiled when it is first asked for, into a folder that goes away.
"""

import mmap
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from imagemp.frames import AnyArray

SOURCE = Path(__file__).with_name("limits.c")
ROOT = SOURCE.parent.parent
TIMEOUT_S = 60
WINDOW = 16


def cores() -> tuple[int, int]:
    """Give the core of whoever publishes and that of all who read."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def c_wake_us(n: int) -> float:
    """One way between two processes on one core, in C."""
    return _run(program(), "wake", n, cores()[0]) / 1e3


def c_publish_us(n: int, nbytes: int) -> float:
    """Copy into shared memory and wake a reader on another core, in C."""
    return _run(program(), "publish", n, nbytes, *cores()) / 1e3


def python_publish_us(n: int, nbytes: int) -> float:
    """The same in Python: np.copyto and os.eventfd_write, and no ring."""
    this = [sys.executable, "-m", "benchmarks.limits"]
    return _run(this, "publish", n, nbytes, *cores()) / 1e3


def python_wake_us(n: int, how: str) -> float:
    """One way between two processes on one core: os.eventfd, `bare` or with `poll`."""
    this = [sys.executable, "-m", "benchmarks.limits"]
    return _run(this, how, n, cores()[0]) / 1e3


def steady(took: Sequence[float]) -> float:
    """Give the median over windows of 16: what is done now and then counts as well."""
    windows = range(0, len(took) - WINDOW + 1, WINDOW)
    means = [statistics.fmean(took[at : at + WINDOW]) for at in windows]
    return statistics.median(means or took)


def page_aligned(nbytes: int) -> AnyArray:
    """Give a buffer as a camera has one; what malloc gives begins 16 bytes later.

    A copy from there takes 7 % longer.
    """
    memory = mmap.mmap(-1, -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE)
    memory.madvise(mmap.MADV_HUGEPAGE)
    buffer: AnyArray = np.frombuffer(memory, np.uint8, nbytes)
    buffer[:] = 1
    return buffer


@cache
def program() -> list[str]:
    """Compile `limits.c`; give the command."""
    folder = tempfile.TemporaryDirectory(prefix="imagemp-limits-")
    _FOLDERS.append(folder)
    target = str(Path(folder.name) / "limits")
    command = ["cc", "-O2", "-Wall", "-Wextra", "-o", target, str(SOURCE)]
    subprocess.run(command, check=True, timeout=TIMEOUT_S)  # noqa: S603
    return [target]


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _run(command: list[str], *arguments: object) -> float:
    whole = [*command, *map(str, arguments)]
    done = subprocess.run(  # noqa: S603 - our own programs
        whole, check=True, timeout=TIMEOUT_S, capture_output=True, cwd=ROOT
    )
    return float(done.stdout)


def _bare(fd: int) -> Callable[[], int]:
    os.set_blocking(fd, True)
    return lambda: os.eventfd_read(fd)


def _polling(fd: int) -> Callable[[], int]:
    """What a worker does: it waits for several things, then reads."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)

    def take() -> int:
        poll.poll()
        return os.eventfd_read(fd)

    return take


def _publish(n: int, nbytes: int, reader_cpu: int) -> float:
    """What `publish` of limits.c does, line by line."""
    ready, done = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0)
    source, slot = page_aligned(nbytes), np.frombuffer(mmap.mmap(-1, nbytes), np.uint8)
    if (other := os.fork()) == 0:
        os.sched_setaffinity(0, {reader_cpu})
        take = _polling(ready)
        while True:
            take()
            os.eventfd_write(done, 1)
    took = []
    for i in range(n):
        start = perf_counter_ns()
        np.copyto(slot, source)
        os.eventfd_write(ready, 1)
        took.append(perf_counter_ns() - start)
        os.eventfd_read(done)
        source[i % nbytes] ^= 1
    _kill(other)
    return steady(took[n // 4 :])


def _ping_pong(n: int, waiting: Callable[[int], Callable[[], int]]) -> float:
    there, back = (os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2))
    if (other := os.fork()) == 0:
        take = waiting(there)
        while True:
            take()
            os.eventfd_write(back, 1)
    take, took = waiting(back), []
    for _ in range(n):
        start = perf_counter_ns()
        os.eventfd_write(there, 1)
        take()
        took.append((perf_counter_ns() - start) / 2)
    _kill(other)
    return statistics.median(took)


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main() -> None:
    """Run the command line."""
    how, n, *numbers = sys.argv[1], *map(int, sys.argv[2:])
    os.sched_setaffinity(0, {numbers[-2] if how == "publish" else numbers[0]})
    if how == "publish":
        took = _publish(n, numbers[0], numbers[2])
    else:
        took = _ping_pong(n, _bare if how == "bare" else _polling)
    sys.stdout.write(f"{took}\n")


if __name__ == "__main__":
    main()
