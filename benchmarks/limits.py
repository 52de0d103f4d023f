"""The physical limit: a C program, and the same wake in bare Python.

    python -m benchmarks.limits bare|poll N CPU     one way, ns

`limits.c` is compiled when it is first asked for, into a folder that goes away.
"""

import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import perf_counter_ns

SOURCE = Path(__file__).with_name("limits.c")
ROOT = SOURCE.parent.parent
TIMEOUT_S = 60


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


def python_wake_us(n: int, how: str) -> float:
    """One way between two processes on one core: os.eventfd, `bare` or with `poll`."""
    this = [sys.executable, "-m", "benchmarks.limits"]
    return _run(this, how, n, cores()[0]) / 1e3


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
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)
    return statistics.median(took)


def main() -> None:
    """Run the command line."""
    how, n, cpu = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.sched_setaffinity(0, {cpu})
    sys.stdout.write(f"{_ping_pong(n, _bare if how == 'bare' else _polling)}\n")


if __name__ == "__main__":
    main()
