"""Exit codes of imagectl, and which error leaves with which."""

from enum import IntEnum
from errno import EACCES, EPERM

from imagemp.errors import ImagempError


class Exit(IntEnum):
    """What the shell is told."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_RUNNING = 3
    PERMISSION = 4
    CONFLICT = 5
    TIMEOUT = 6
    FAILED = 7  # accepted by the daemon, then it failed
    VERSION = 8
    INTERRUPTED = 130


class UsageError(ImagempError, ValueError):
    """The command line cannot be understood."""

    code = "E_USAGE"


class LostError(ImagempError, RuntimeError):
    """The daemon accepted an order, then failed or went away."""

    code = "E_LOST"


BY_CODE = {
    "E_USAGE": Exit.USAGE,
    "E_PARAMS": Exit.USAGE,
    "E_UNREACHABLE": Exit.NOT_RUNNING,
    "E_LOST": Exit.FAILED,
    "E_CAMERA": Exit.FAILED,
    "E_CAMERA_WEDGED": Exit.FAILED,
    "E_CLOCK": Exit.CONFLICT,
    "E_DISK": Exit.FAILED,
    "E_PERM": Exit.PERMISSION,
    "E_BUSY": Exit.CONFLICT,
    "E_ALREADY_RUNNING": Exit.CONFLICT,
    "E_NOT_RUNNING": Exit.CONFLICT,
    "E_SHUTTING_DOWN": Exit.CONFLICT,
    "E_RATE": Exit.CONFLICT,
    "E_TIMEOUT": Exit.TIMEOUT,
    "E_VERSION": Exit.VERSION,
    "E_METHOD": Exit.VERSION,  # a daemon older than this client
}


def exit_for(error: ImagempError) -> Exit:
    """Give the code that this error leaves with."""
    if getattr(error, "errno", None) in (EACCES, EPERM):
        return Exit.PERMISSION
    return BY_CODE.get(error.code, Exit.ERROR)
