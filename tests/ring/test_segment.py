"""Who may touch a ring's memory: the kernel says no to everyone but the producer."""

import ctypes
import fcntl
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imagemp.errors import RingError
from imagemp.ring.layout import (
    DROP_CAUSES,
    DROPPED,
    HEADER,
    PAGE,
    PUBLISHED,
    Geometry,
)
from imagemp.ring.segment import Header, Segment

IN_MEMORY = Geometry(4, 2, 5000, 0, "memory")
ON_DISK = Geometry(4, 2, 5000, 0, "disk")

LIMITED = """
import resource, sys
from pathlib import Path
from imagemp.errors import RingError
from imagemp.ring.layout import Geometry
from imagemp.ring.segment import Segment

name, limit, kind, overflow = sys.argv[1], *sys.argv[2:]
resource.setrlimit(getattr(resource, name), (int(limit), -1))
try:
    Segment.create(Geometry(4, int(overflow), 1 << 20, 0, kind), Path("/var/tmp"))
except RingError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def ring() -> Iterator[Segment]:
    segment = Segment.create(IN_MEMORY)
    yield segment
    segment.close()


@pytest.fixture
def disk_ring(tmp_path: Path) -> Iterator[Segment]:
    segment = Segment.create(ON_DISK, tmp_path)
    yield segment
    segment.close()


def limited(*arguments: object) -> str:
    """Make a ring in a child with a resource limit; give how it complained."""
    command = [sys.executable, "-c", LIMITED, *map(str, arguments)]
    child = subprocess.run(  # noqa: S603 - ourselves
        command, capture_output=True, text=True, check=False
    )
    assert child.returncode == 1, f"{child.returncode}: {child.stderr}"
    return child.stderr


def descriptors() -> list[str]:
    """Give the descriptors that are open."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


# -- a reader cannot write


def test_a_reader_cannot_map_the_ring_for_writing(ring: Segment) -> None:
    with pytest.raises(PermissionError):
        mmap.mmap(ring.fd, HEADER, mmap.MAP_SHARED, mmap.PROT_WRITE)


def test_a_reader_cannot_write_to_the_descriptor(ring: Segment) -> None:
    with pytest.raises(PermissionError):
        os.pwrite(ring.fd, b"x", 0)


def test_a_reader_cannot_open_the_ring_anew_and_write(ring: Segment) -> None:
    fd = os.open(f"/proc/self/fd/{ring.fd}", os.O_RDWR)

    with pytest.raises(PermissionError):
        os.write(fd, b"x")
    with pytest.raises(PermissionError):
        mmap.mmap(fd, HEADER)
    os.close(fd)


def test_a_reader_cannot_make_its_own_mapping_writable(ring: Segment) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3]
    libc.mmap.argtypes += [ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    at = libc.mmap(None, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, ring.fd, 0)

    refused = libc.mprotect(at, PAGE, mmap.PROT_READ | mmap.PROT_WRITE)

    assert refused == -1
    assert libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(PAGE)) == 0


@pytest.mark.parametrize("size", [0, HEADER, IN_MEMORY.memory_nbytes + PAGE])
def test_nobody_can_change_the_length_of_a_ring(ring: Segment, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(ring.fd, size)


def test_nobody_can_punch_a_hole_into_a_ring(ring: Segment) -> None:
    keep_size, punch_hole = 1, 2
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]

    assert fallocate(ring.fd, keep_size | punch_hole, 0, PAGE) == -1


def test_the_seals_are_shrink_grow_and_future_write(ring: Segment) -> None:
    seals = fcntl.fcntl(ring.fd, fcntl.F_GET_SEALS)

    assert seals == fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | 0x10


def test_the_overflow_file_is_handed_out_for_reading_only(disk_ring: Segment) -> None:
    fd = disk_ring.overflow_for_reading()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(fd, b"x", 0)
    with pytest.raises(PermissionError):
        mmap.mmap(fd, PAGE, mmap.MAP_SHARED, mmap.PROT_WRITE)
    with pytest.raises(OSError, match="Invalid argument"):
        os.ftruncate(fd, 0)
    os.close(fd)


def test_what_a_reader_attaches_is_read_only(ring: Segment) -> None:
    reader = Segment.attach(os.dup(ring.fd))

    assert reader.view.readonly
    assert reader.slot(5).readonly
    with pytest.raises(TypeError):
        reader.cells[PUBLISHED] = 1
    reader.close()


# -- the producer writes, readers see it


@pytest.mark.parametrize("slot", range(IN_MEMORY.total))
def test_a_reader_sees_what_the_producer_writes(ring: Segment, slot: int) -> None:
    reader = Segment.attach(os.dup(ring.fd))

    ring.slot(slot)[:] = bytes([slot + 1]) * 5000

    assert bytes(reader.slot(slot)) == bytes([slot + 1]) * 5000
    assert sum(any(reader.slot(other)) for other in range(IN_MEMORY.total)) == 1
    reader.close()


@pytest.mark.parametrize("slot", [4, 5])
def test_a_reader_sees_what_is_stored_in_the_overflow_file(
    disk_ring: Segment, slot: int
) -> None:
    reader = Segment.attach(os.dup(disk_ring.fd), disk_ring.overflow_for_reading())
    in_file, at = ON_DISK.slot_at(slot)

    os.pwrite(disk_ring.overflow_fd, b"z" * 5000, at)

    assert in_file
    assert bytes(reader.slot(slot)) == b"z" * 5000
    reader.close()


def test_the_header_alone_tells_sizes_and_counts(ring: Segment) -> None:
    header = Header(ring.fd)

    ring.cells[DROPPED + DROP_CAUSES.index("ring_full")] = 5
    ring.cells[DROPPED + DROP_CAUSES.index("camera_error")] = 1

    assert header.geometry == IN_MEMORY
    assert header.counts(DROPPED, DROP_CAUSES) == {"ring_full": 5, "camera_error": 1}
    header.close()
    header.close()


def test_every_page_of_the_ram_slots_is_there_before_the_first_frame(
    ring: Segment,
) -> None:
    assert os.fstat(ring.fd).st_blocks * 512 >= IN_MEMORY.ram_end


def test_an_array_outlives_its_segment(ring: Segment) -> None:
    reader = Segment.attach(os.dup(ring.fd))
    ring.slot(0)[:3] = b"abc"
    array = np.frombuffer(reader.slot(0), np.uint8)

    reader.close()
    reader.close()

    assert bytes(array[:3]) == b"abc"


# -- what is not a ring


@pytest.mark.parametrize("size", [0, 1, 255, HEADER - 1, HEADER, 10 * HEADER])
def test_a_file_that_is_no_ring_is_refused(size: int) -> None:
    fd = os.memfd_create("no-ring")
    os.ftruncate(fd, size)

    with pytest.raises(RingError):
        Segment.attach(fd)
    os.close(fd)


def test_an_eventfd_is_no_ring() -> None:
    fd = os.eventfd(0)

    with pytest.raises(RingError):
        Segment.attach(fd)
    os.close(fd)


def test_no_descriptor_is_no_ring() -> None:
    with pytest.raises(RingError):
        Segment.attach(-1)


def test_a_ring_shorter_than_its_header_says_is_refused(ring: Segment) -> None:
    fd = os.memfd_create("short")
    os.write(fd, ring.memory[: IN_MEMORY.memory_nbytes - 1])

    with pytest.raises(RingError, match=f"expected {IN_MEMORY.memory_nbytes} bytes"):
        Segment.attach(fd)
    os.close(fd)


def test_a_ring_of_another_version_is_refused(ring: Segment) -> None:
    ring.memory[8] = 9

    with pytest.raises(RingError, match="ring of version 9, this is 1"):
        Segment.attach(ring.fd)


def test_an_overflow_file_that_is_missing_or_short_is_refused(
    disk_ring: Segment, tmp_path: Path
) -> None:
    short = os.open(tmp_path / "short", os.O_RDWR | os.O_CREAT)

    for overflow in (-1, short):
        with pytest.raises(RingError):
            Segment.attach(disk_ring.fd, overflow)
    os.close(short)


# -- no room


def test_an_overflow_is_allocated_when_the_ring_is_made(disk_ring: Segment) -> None:
    stat = os.fstat(disk_ring.overflow_fd)

    assert stat.st_size == ON_DISK.file_nbytes
    assert stat.st_blocks * 512 >= ON_DISK.file_nbytes
    assert stat.st_nlink == 0


def test_a_missing_overflow_folder_is_told_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(RingError, match=r"ring\.overflow_dir: .*/none: No such file"):
        Segment.create(ON_DISK, tmp_path / "none")


@pytest.mark.parametrize("where", ["/proc", "/dev/null"])
def test_an_overflow_folder_that_takes_no_file_is_told_by_its_key(where: str) -> None:
    with pytest.raises(RingError, match=rf"ring\.overflow_dir: {where}: (Not|No such)"):
        Segment.create(ON_DISK, Path(where))


def test_an_overflow_larger_than_its_file_system_is_told_by_its_key() -> None:
    shm = os.statvfs("/dev/shm")  # noqa: S108 - a tmpfs, whoever runs this
    n = shm.f_blocks * shm.f_frsize // (1 << 30) + 1

    with pytest.raises(RingError, match=r"ring\.overflow_size.*No space") as caught:
        Segment.create(Geometry(1, n, 1 << 30, 0, "disk"), Path("/dev/shm"))  # noqa: S108

    assert "make room there" in caught.value.hint


def test_an_overflow_above_the_file_size_limit_is_told_by_its_key() -> None:
    complaint = limited("RLIMIT_FSIZE", 16 << 20, "disk", 64)

    assert complaint.startswith("ring.overflow_size: 64 MiB in /var/tmp: File too")


@pytest.mark.parametrize("name", ["RLIMIT_FSIZE", "RLIMIT_AS"])
def test_slots_that_memory_has_no_room_for_are_told_by_their_key(name: str) -> None:
    complaint = limited(name, 4 << 30, "memory", 65000)

    assert complaint.startswith("ring.slots: 65012 MiB: ")  # desc and order too


def test_a_ring_that_cannot_be_made_leaves_no_descriptor(tmp_path: Path) -> None:
    before = descriptors()

    with pytest.raises(RingError):
        Segment.create(ON_DISK, tmp_path / "none")

    assert descriptors() == before


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 64 KiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    subprocess.run(mount, check=True)  # noqa: S603
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S603, S607


@pytest.mark.system
def test_a_full_disk_is_found_when_the_ring_is_made(tiny_disk: Path) -> None:
    (tiny_disk / "full").write_bytes(b"x" * 60_000)

    with pytest.raises(RingError, match=r"ring\.overflow_size: 0 MiB in .* No space"):
        Segment.create(ON_DISK, tiny_disk)


@pytest.mark.system
def test_a_disk_that_fills_up_later_does_no_harm_to_a_ring(tiny_disk: Path) -> None:
    ring = Segment.create(ON_DISK, tiny_disk)
    with pytest.raises(OSError, match="No space"):
        (tiny_disk / "full").write_bytes(b"x" * 100_000)

    for slot in (4, 5):
        os.pwrite(ring.overflow_fd, b"y" * 5000, ON_DISK.slot_at(slot)[1])

    reader = Segment.attach(os.dup(ring.fd), ring.overflow_for_reading())
    assert bytes(reader.slot(4)) + bytes(reader.slot(5)) == b"y" * 10_000
    reader.close()
    ring.close()
