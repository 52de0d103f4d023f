"""The memory of a ring: one memfd, and an overflow file where asked for.

Only the producer can write it: the memfd is sealed once the producer has its
mapping, and readers are given an overflow descriptor opened for reading.
"""

import errno
import fcntl
import mmap
import os
import tempfile
from pathlib import Path
from typing import Self

from imagemp.errors import RingError
from imagemp.link import close_all

from .layout import CELLS, FIRST_CELL, HEADER, PAGE, Geometry

_SEAL_FUTURE_WRITE = 0x10  # linux/fcntl.h; since 5.1
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, linux/mman.h; since 5.14


class Header:
    """The first page of a ring, mapped for reading: its sizes and cells.

    What the supervisor keeps of every ring; it needs no more to close the law.

    Args:
        fd: The memfd; stays the caller's.
    """

    def __init__(self, fd: int) -> None:
        _check_size(fd, HEADER)
        self._map = mmap.mmap(fd, HEADER, mmap.MAP_SHARED, mmap.PROT_READ)
        self.geometry = Geometry.read(self._map)
        self._view = memoryview(self._map)
        self.cells = self._view[FIRST_CELL : FIRST_CELL + 8 * CELLS].cast("Q")

    def counts(self, first: int, names: tuple[str, ...]) -> dict[str, int]:
        """Give the cells from `first` on by name, those that are not 0."""
        values = ((name, self.cells[first + i]) for i, name in enumerate(names))
        return {name: value for name, value in values if value}

    def close(self) -> None:
        """Unmap. May be called twice."""
        self.cells.release()
        self._view.release()
        self._map.close()


class Segment:
    """A ring's memory as the producer or a reader has it.

    Attributes:
        geometry: Its sizes.
        fd: The memfd.
        overflow_fd: The overflow file, -1 without one.
        memory: The whole memfd, mapped.
        cells: The header's cells, 8 bytes each.
        order: `order[index & mask]` is the slot of a published frame.
    """

    def __init__(
        self, geometry: Geometry, fd: int, overflow_fd: int, *, writable: bool
    ) -> None:
        self.geometry, self.fd, self.overflow_fd = geometry, fd, overflow_fd
        prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        size = geometry.memory_nbytes
        self.memory = mmap.mmap(fd, size, mmap.MAP_SHARED, prot)
        self._file: mmap.mmap | None = None
        if overflow_fd >= 0 and not writable:
            size = geometry.file_nbytes
            self._file = mmap.mmap(overflow_fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        self.view = memoryview(self.memory)
        self.cells = self.view[FIRST_CELL : FIRST_CELL + 8 * CELLS].cast("Q")
        start = geometry.order_offset
        self.order = self.view[start : start + 4 * (geometry.mask + 1)].cast("I")

    @classmethod
    def create(cls, geometry: Geometry, overflow_dir: Path | None = None) -> Self:
        """Make a ring's memory, populate its RAM slots, and seal it.

        Raises:
            RingError: There is no room for it, in memory or on disk.
        """
        fd = os.memfd_create("imagemp-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        overflow_fd = -1
        try:
            if geometry.overflow_kind == "disk":
                overflow_fd = _overflow_file(geometry, overflow_dir)
            segment = cls._in_memory(geometry, fd, overflow_fd)
        except BaseException:
            close_all((fd, overflow_fd))
            raise
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | _SEAL_FUTURE_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return segment

    @classmethod
    def attach(cls, fd: int, overflow_fd: int = -1) -> Self:
        """Map a ring for reading; the descriptors become the segment's if it is one.

        Raises:
            RingError: It is not a ring, or its file is shorter than it says.
        """
        header = Header(fd)
        geometry = header.geometry
        header.close()
        _check_size(fd, geometry.memory_nbytes)
        if geometry.file_nbytes:
            _check_size(overflow_fd, geometry.file_nbytes)
        return cls(geometry, fd, overflow_fd, writable=False)

    def populate(self) -> None:
        """Have every page of the RAM slots in memory before the first frame."""
        try:
            self.memory.madvise(_POPULATE_WRITE, 0, self.geometry.ram_end)
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: a kernel before 5.14
                raise
            for at in range(HEADER, self.geometry.ram_end, PAGE):
                self.memory[at] = 0

    def slot(self, slot: int) -> memoryview:
        """Give a slot's bytes, `slot_nbytes` long.

        The producer has no view of slots in the overflow file.
        """
        in_file, start = self.geometry.slot_at(slot)
        view = memoryview(self._file) if in_file and self._file else self.view
        return view[start : start + self.geometry.slot_nbytes]

    def overflow_for_reading(self) -> int:
        """Open the overflow file anew, for reading only; the caller closes it."""
        return os.open(f"/proc/self/fd/{self.overflow_fd}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the descriptors, and unmap what no array looks into any more."""
        if self.fd < 0:
            return
        close_all((self.fd, self.overflow_fd))
        self.fd = self.overflow_fd = -1
        self.cells.release()
        self.order.release()
        _unmap(self.view, self.memory)
        if self._file is not None:
            _unmap(None, self._file)

    @classmethod
    def _in_memory(cls, geometry: Geometry, fd: int, overflow_fd: int) -> Self:
        """Give the memfd its length, and every RAM slot its pages."""
        try:
            os.ftruncate(fd, geometry.memory_nbytes)
            segment = cls(geometry, fd, overflow_fd, writable=True)
            geometry.write(segment.memory)
            segment.populate()
        except OSError as error:
            raise RingError(
                f"ring.slots: {geometry.memory_nbytes >> 20} MiB: {error.strerror}",
                "fewer slots, or smaller frames",
            ) from error
        return segment


def _unmap(view: memoryview | None, memory: mmap.mmap) -> None:
    try:
        if view is not None:
            view.release()
        memory.close()
    except BufferError:
        pass  # an array still looks into it: unmapped when the last one is gone


def _overflow_file(geometry: Geometry, folder: Path | None) -> int:
    """Make a file without a name, all of it allocated: storing cannot fail later."""
    where = folder or Path("/var/tmp")  # noqa: S108 - nameless, mode 0600
    size = geometry.file_nbytes
    try:
        with tempfile.TemporaryFile(dir=where, buffering=0) as file:
            fd = os.dup(file.fileno())
    except OSError as error:
        raise RingError(
            f"ring.overflow_dir: {where}: {error.strerror}",
            'choose another, or set overflow = "memory" or "none"',
        ) from error
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        os.close(fd)
        raise RingError(
            f"ring.overflow_size: {size >> 20} MiB in {where}: {error.strerror}",
            'make room there, ask for less, or set overflow = "memory" or "none"',
        ) from error
    return fd


def _check_size(fd: int, expected: int) -> None:
    if fd < 0 or (size := os.fstat(fd).st_size) < expected:
        found = "no file" if fd < 0 else f"{size} bytes"
        raise RingError(f"ring: {found}, expected {expected} bytes")
