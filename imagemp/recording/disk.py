"""Writing to a disk that may be full, or failing.

What does not fit is an error with the kernel's number on it, never a short write
that goes unseen.
"""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import DiskError

IOV_MAX = 1024  # Linux: more buffers than that in one writev are EINVAL
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
FILE_MODE = 0o640


def disk_error(path: Path, error: OSError) -> DiskError:
    """Give the `DiskError` that says the same, with the same `errno`."""
    told = DiskError(f"{path}: {error.strerror}")
    told.errno = error.errno
    return told


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Let every OSError within leave as a `DiskError` about `path`."""
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        raise disk_error(path, error) from error


def is_full(error: OSError) -> bool:
    """Whether the disk, a quota or a limit is full: `disk_full`, not `disk_error`."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cause_of(error: OSError) -> str:
    """Say what frames are skipped under that the disk did not take."""
    return "disk_full" if is_full(error) else "disk_error"


class Reserve:
    """Room on the disk that is kept until `free`, in a file without a name.

    What must still be written when the disk is full goes where this was. On a disk
    that is full from the start there is none to keep.
    """

    def __init__(self, folder: Path, nbytes: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - free closes it
        with suppress(OSError):
            os.posix_fallocate(self._file.fileno(), 0, nbytes)

    def free(self) -> None:
        """Give the room back. May be called twice."""
        self._file.close()


def write_all(fd: int, chunks: Sequence[Any], offset: int) -> None:
    """Write these bytes at `offset`, in one writev if the kernel can.

    Args:
        fd: Where to.
        chunks: Buffers of bytes; `len` of each must be its size.
        offset: Where the first goes.

    Raises:
        OSError: Not all of it could be written; some may have been.
    """
    while chunks:
        written = os.pwritev(fd, chunks[:IOV_MAX], offset)
        if not written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        offset += written
        chunks = rest_of(chunks, written)


def rest_of(chunks: Sequence[Any], written: int) -> Sequence[Any]:
    """Give what is left of `chunks` after so many bytes.

    A disk that fills up takes a part of a write and says why to the next one.
    """
    for number, chunk in enumerate(chunks):
        if written < len(chunk):
            return [chunk[written:], *chunks[number + 1 :]]
        written -= len(chunk)
    return []


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
