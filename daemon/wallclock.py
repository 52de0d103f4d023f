"""The wall clock beside the one that frames bear: what time it is, and is it right.

Frames and timetables live on CLOCK_BOOTTIME, which nobody sets. The wall clock is
for names, and for a start at a time of day.
"""

import asyncio
import contextlib
import ctypes
import os
import struct
import time
from collections.abc import Callable

from imagemp.clock import boottime_ns
from imagemp.errors import ControlError
from imagemp.link import close_all

SECOND_NS = 10**9
ITIMERSPEC = struct.Struct("@4l")  # the interval, and when: seconds, ns
TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET = 1, 2
NEVER_S = 2**40  # by no clock that anybody sets
LIBC = ctypes.CDLL(None, use_errno=True)


def clock_pair() -> tuple[int, int]:
    """Give boottime and wall clock of one instant, ns."""
    return boottime_ns(), time.time_ns()


def instant_of(at_unix: float) -> int:
    """Give a time of day on the clock of frames, as the two stand now."""
    boot_ns, unix_ns = clock_pair()
    return boot_ns + round(at_unix * SECOND_NS) - unix_ns


def check_clock(*, is_right: bool) -> None:
    """Refuse a time of day by a clock that may show any.

    Raises:
        ControlError: It is not right.
    """
    if not is_right:
        raise ControlError(
            "E_CLOCK",
            "at: the system clock is not synchronised",
            "see timedatectl; --force starts by the clock as it is",
        )


class Alarm:
    """Calls once the wall clock shows a time, however it is set meanwhile.

    The loop's own timers count seconds: on a machine that learns the time after it
    has booted they would ring years too late.

    Args:
        unix_s: Rings at once if it has passed.
        call: Called by the running loop.
    """

    def __init__(self, unix_s: float, call: Callable[[], None]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        when = max(1, round(unix_s * SECOND_NS))
        self._fd: int | None = _timer(when, TFD_TIMER_ABSTIME)
        self._loop.add_reader(self._fd, self._ring)

    def cancel(self) -> None:
        """Never call. May be called twice."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _ring(self) -> None:
        self.cancel()
        self._call()


class Steps:
    """Calls each time the wall clock is set; a clock that is slewed is not.

    Args:
        call: Called by the running loop, after the step.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        how = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
        self._fd: int | None = _timer(NEVER_S * SECOND_NS, how)
        self._loop.add_reader(self._fd, self._step)

    def close(self) -> None:
        """Never call again. May be called twice."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _step(self) -> None:
        assert self._fd is not None
        with contextlib.suppress(OSError):  # ECANCELED is how it tells
            os.read(self._fd, 8)
        self._call()


def _timer(when_ns: int, how: int) -> int:
    """Make a timerfd on the wall clock; Python has them from 3.13 on."""
    fd = int(LIBC.timerfd_create(time.CLOCK_REALTIME, os.O_CLOEXEC | os.O_NONBLOCK))
    spec = ITIMERSPEC.pack(0, 0, *divmod(when_ns, SECOND_NS))
    if fd < 0 or LIBC.timerfd_settime(fd, how, spec, None):
        error = ctypes.get_errno()
        close_all([fd])
        raise OSError(error, f"timerfd: {os.strerror(error)}")
    return fd
