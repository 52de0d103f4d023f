"""Frames on their way to overflow: late, in order, and never lost."""

import errno
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from imagemp.errors import Evicted
from imagemp.ring.layout import DROP_CAUSES, OVERFLOW_HIGH, OVERFLOW_USED
from imagemp.ring.spill import Spill, Store, storing
from imagemp.spec import FrameSpec

from .rig import Rig, read_all, seqs, take_all

MakeRing = Callable[..., Rig]

OVERFLOW_SLOW = DROP_CAUSES.index("overflow_slow")
FAILSAFE_MS = 20_000  # for a test that would hang
KINDS = pytest.mark.parametrize("kind", ["memory", "disk"])

FULL_DISK = """
import resource, select
from tests.ring.rig import Rig, seqs, take_all

ring = Rig(slots=4, overflow=4, kind="disk")
reader = ring.every()
resource.setrlimit(resource.RLIMIT_FSIZE, (32, -1))  # half a frame
ring.publish(4)
while not ring.writer.is_drained:
    select.select([ring.writer.spill], [], [])
    ring.writer.publish_spilled()
assert seqs(take_all(reader)) == [0, 1, 2, 3], reader.next
assert ring.ledger.overflow_used == 0
"""


@dataclass
class Disk:
    """Stores as many frames as it is told to; then it stalls."""

    store: Store
    is_full: bool = False
    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, slot: int, overflow: int) -> None:
        self.permits.acquire()
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.store(slot, overflow)


@pytest.fixture
def make_slow(make_ring: MakeRing) -> Iterator[Callable[..., tuple[Rig, Disk]]]:
    """Give what makes a ring with a disk that stalls; takes Rig's arguments."""
    disks: list[Disk] = []

    def make(slots: int, overflow: int) -> tuple[Rig, Disk]:
        ring = make_ring(slots=slots, overflow=overflow)
        disks.append(Disk(storing(ring.writer.segment)))
        ring.use_store(disks[-1])
        return ring, disks[-1]

    yield make
    for disk in disks:
        disk.permits.release(1000)


MakeSlow = Callable[..., tuple[Rig, Disk]]


def is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def fail_if_odd(slot: int, _: int) -> None:
    if slot % 2:
        raise OSError(errno.EIO, "Input/output error")


def wait_for_spill(ring: Rig, left: int = 0) -> None:
    """Publish what the spill thread finishes until `left` frames are queued."""
    assert ring.writer.spill is not None
    poll = select.poll()
    poll.register(ring.writer.spill, select.POLLIN)
    while len(ring.ledger.staged) > left:
        assert poll.poll(FAILSAFE_MS), "the spill thread is silent"
        ring.writer.publish_spilled()


def publish(ring: Rig, n: int) -> int:
    """Grab `n` frames, none before the last one is published."""
    found = 0
    for _ in range(n):
        found += ring.publish()
        wait_for_spill(ring)
    return found


@KINDS
def test_overflow_takes_what_ram_has_no_room_for(
    make_ring: MakeRing, kind: str
) -> None:
    ring = make_ring(slots=4, overflow=8, kind=kind)
    reader = ring.every()

    assert publish(ring, 13) == 12

    assert ring.ledger.overflow_used == 8
    assert seqs(take_all(reader)) == list(range(12))
    assert ring.dropped(DROP_CAUSES.index("ring_full")) == 1


@KINDS
@pytest.mark.parametrize("shape", [(64,), (5000,), (1024, 1024, 3)], ids=str)
def test_frames_come_in_order_while_slots_go_round(
    make_ring: MakeRing, kind: str, shape: tuple[int, ...]
) -> None:
    ring = make_ring(FrameSpec.image(shape), slots=4, overflow=3, kind=kind)
    reader = ring.every()
    found = []

    for _ in range(10):
        publish(ring, 6)
        found += read_all(reader)

    assert found == list(range(60))
    ring.writer.reclaim()
    assert (ring.ledger.used, ring.ledger.overflow_used) == (0, 0)


@KINDS
def test_a_latest_reader_reads_overflow_in_place(
    make_ring: MakeRing, kind: str
) -> None:
    ring = make_ring(slots=4, overflow=4, kind=kind)
    ring.every()
    latest = ring.latest()

    publish(ring, 5)

    assert read_all(latest) == [4]


def test_a_frame_is_not_published_before_it_is_stored(make_slow: MakeSlow) -> None:
    ring, disk = make_slow(4, 4)
    reader = ring.every()

    ring.publish(4)
    assert seqs(take_all(reader)) == [0, 1, 2]
    assert not ring.writer.is_drained

    disk.permits.release()
    wait_for_spill(ring)
    assert seqs(take_all(reader)) == [3]
    assert ring.writer.is_drained


def test_a_spilled_frame_is_published_though_no_new_one_comes(
    make_slow: MakeSlow,
) -> None:
    ring, disk = make_slow(4, 4)
    reader = ring.every()
    ring.publish(4)
    take_all(reader)
    assert ring.writer.spill is not None
    assert not is_readable(ring.writer.spill.fileno())

    disk.permits.release()

    assert select.select([ring.writer.spill], [], [], FAILSAFE_MS)[0]
    assert not is_readable(reader.fileno())
    ring.writer.publish_spilled()
    assert is_readable(reader.fileno())
    assert not is_readable(ring.writer.spill.fileno())


def test_a_frame_that_finds_the_spill_thread_busy_is_overflow_slow(
    make_slow: MakeSlow,
) -> None:
    ring, disk = make_slow(4, 4)
    reader = ring.every()

    assert ring.publish(6) == 4
    disk.permits.release()
    wait_for_spill(ring)

    assert seqs(take_all(reader)) == [0, 1, 2, 3]
    assert ring.dropped(OVERFLOW_SLOW) == 2
    assert ring.publish() == 1


def test_a_later_frame_waits_for_one_that_is_being_stored(make_slow: MakeSlow) -> None:
    ring, disk = make_slow(4, 4)
    reader = ring.every()
    ring.publish(4)
    assert read_all(reader) == [0, 1, 2]

    assert ring.publish(2) == 2
    assert take_all(reader) == []

    disk.permits.release()
    wait_for_spill(ring)
    assert seqs(take_all(reader)) == [3, 4, 5]
    assert ring.ledger.overflow_used == 1


def test_a_frame_that_cannot_be_stored_stays_in_ram(make_slow: MakeSlow) -> None:
    ring, disk = make_slow(4, 4)
    reader = ring.every()
    disk.is_full = True
    disk.permits.release(1000)

    assert publish(ring, 5) == 4

    assert seqs(take_all(reader)) == [0, 1, 2, 3]
    assert (ring.ledger.used, ring.ledger.overflow_used) == (4, 0)


def test_overflow_is_used_again_when_the_disk_has_room_again(
    make_slow: MakeSlow,
) -> None:
    ring, disk = make_slow(4, 4)
    reader = ring.every()
    disk.permits.release(1000)
    found = []

    for n in range(6):
        disk.is_full = n % 2 == 0
        publish(ring, 4)
        found += read_all(reader)

    assert found == list(range(24))
    assert ring.header.cells[OVERFLOW_HIGH] == 1


def test_a_full_disk_loses_no_frame() -> None:
    command = [sys.executable, "-c", FULL_DISK]

    child = subprocess.run(  # noqa: S603 - ourselves
        command, capture_output=True, text=True, check=False
    )

    assert child.returncode == 0, child.stderr
    assert child.stderr.count("overflow: frames kept in RAM: [Errno 27]") == 1


def test_a_reader_that_comes_while_frames_are_queued_gets_them(
    make_slow: MakeSlow,
) -> None:
    ring, disk = make_slow(4, 4)
    ring.every()
    ring.publish(4)

    late = ring.every()
    disk.permits.release()
    wait_for_spill(ring)

    assert read_all(late) == [3]


def test_a_successor_gets_what_is_in_overflow_and_what_is_queued(
    make_slow: MakeSlow,
) -> None:
    ring, disk = make_slow(4, 4)
    ring.every()
    disk.permits.release(2)
    publish(ring, 5)
    ring.publish()

    successor = ring.succeed(0)
    assert seqs(take_all(successor)) == [0, 1, 2, 3, 4]
    disk.permits.release()
    wait_for_spill(ring)

    assert seqs(take_all(successor)) == [5]


def test_a_reader_that_goes_leaves_what_is_queued_alone(make_slow: MakeSlow) -> None:
    ring, disk = make_slow(4, 4)
    ring.every()
    latest = ring.latest()
    ring.publish(4)

    ring.writer.forget(0)
    disk.permits.release()
    wait_for_spill(ring)

    assert read_all(latest) == [3]
    ring.writer.reclaim()
    assert (ring.ledger.used, ring.ledger.overflow_used) == (0, 0)


def test_a_stranger_that_keeps_overflow_from_the_recording_is_evicted(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=4, overflow=2)
    record, stranger = ring.every(), ring.every(evictable=True)
    publish(ring, 5)
    read_all(record)
    for frame in take_all(stranger)[:3]:
        stranger.release(frame)

    assert publish(ring, 6) == 6

    assert ring.evictions == [(1, 5)]
    assert seqs(take_all(record)) == list(range(5, 11))
    with pytest.raises(Evicted):
        stranger.check_evicted()


def test_an_offer_in_overflow_is_withdrawn_for_the_recording(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=4, overflow=1)
    record, latest = ring.every(), ring.latest()
    publish(ring, 4)
    read_all(record)
    assert ring.ledger.seats[1].grant == 4
    slots = [ring.writer.acquire() for _ in range(4)]

    assert ring.ledger.seats[1].grant == -1

    for slot in slots:
        ring.writer.give_back(slot)
    publish(ring, 1)
    assert read_all(latest) == [4]


def test_nobody_is_evicted_for_overflow_that_the_recording_fills(
    make_ring: MakeRing,
) -> None:
    ring = make_ring(slots=4, overflow=1)
    ring.every()
    stranger = ring.every(evictable=True)

    assert publish(ring, 7) == 5

    assert ring.evictions == []
    assert seqs(take_all(stranger)) == list(range(5))


def test_the_cells_tell_how_much_overflow_is_in_use(make_ring: MakeRing) -> None:
    ring = make_ring(slots=4, overflow=4)
    ring.every()

    publish(ring, 6)

    assert ring.header.cells[OVERFLOW_USED] == ring.header.cells[OVERFLOW_HIGH] == 3


def test_closing_stores_what_was_put_and_ends_the_thread() -> None:
    stored: list[tuple[int, int]] = []
    before = threading.active_count()
    spill = Spill(lambda *pair: stored.append(pair))

    for slot in range(5):
        spill.put(slot, slot + 10)
    spill.close()
    spill.close()

    assert stored == [(slot, slot + 10) for slot in range(5)]
    assert threading.active_count() == before


def test_finished_frames_are_told_once_and_in_order() -> None:
    spill = Spill(fail_if_odd)
    told: list[tuple[int, bool]] = []
    poll = select.poll()
    poll.register(spill, select.POLLIN)

    for slot in range(6):
        spill.put(slot, 10)
    while len(told) < 6:
        assert poll.poll(FAILSAFE_MS)
        told += spill.finished()

    assert told == [(slot, slot % 2 == 0) for slot in range(6)]
    assert spill.finished() == []
    spill.close()
