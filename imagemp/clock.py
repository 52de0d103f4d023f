"""The clock that frames bear, and whether the wall clock beside it is right."""

import ctypes
import os
import struct
import time

TIMESYNCD = "/run/systemd/timesync/synchronized"  # there since its first answer
# struct timex up to its maxerror: modes, offset, freq, maxerror, of a 64-bit machine
TIMEX = struct.Struct("@I3l")
TIMEX_NBYTES = 256  # it has 208
LIBC = ctypes.CDLL(None, use_errno=True)
LOST_US = 16_000_000  # the kernel gives up at an error of 16 s, as timedatectl has it


def boottime_ns() -> int:
    """Give CLOCK_BOOTTIME, of which all stamps are; it counts suspended time."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def is_synchronised() -> bool:
    """Whether something keeps the wall clock right."""
    return is_right(max_error_us())


def is_right(error_us: int | None, mark: str = TIMESYNCD) -> bool:
    """Whether a clock is right whose error is at most this: the kernel knows.

    A hardened unit may not ask the kernel (ProtectClock); then it is right if
    timesyncd has left its mark.
    """
    if error_us is not None:
        return error_us < LOST_US
    return os.path.exists(mark)  # noqa: PTH110


def max_error_us() -> int | None:
    """Give how wrong the wall clock may be, in us; None if we may not know."""
    timex = ctypes.create_string_buffer(TIMEX_NBYTES)  # modes 0: nothing is set
    if LIBC.adjtimex(timex) < 0:
        return None
    return int(TIMEX.unpack_from(timex)[3])
