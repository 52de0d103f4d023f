"""The ring that a worker makes: its sizes, its readers, and what it tells of them."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from imagemp.daemon.workers.orders import (
    Adopted,
    Attach,
    Event,
    Gone,
    Successor,
    Told,
)
from imagemp.daemon.workers.output import Output, RingSettings, close_extra
from imagemp.errors import RingError
from imagemp.frames import FrameInfo
from imagemp.link import close_all
from imagemp.ring.segment import Header
from imagemp.spec import Field, FrameSpec

from ..keeper import open_fds

SPEC = FrameSpec.image((1000,))


@pytest.fixture
def told() -> list[Told]:
    return []


@pytest.fixture
def output(told: list[Told]) -> Iterator[Output]:
    def tell(message: Told) -> bool:
        told.append(message)
        return True

    with closing(Output(tell)) as made:
        yield made


def counters(n: int = 2) -> list[int]:
    return [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(n)]


def publish(output: Output, n: int = 1) -> None:
    writer = output.writer
    assert writer is not None
    for _ in range(n):
        seq, slot = writer.count_grab(), writer.acquire()
        if slot >= 0:
            writer.commit(slot, FrameInfo(seq=seq))


# -- making it


def test_a_ring_goes_on_where_the_one_before_ended(output: Output) -> None:
    _, fds = output.make(SPEC, RingSettings(slots=4), 17, 12)

    with closing(Header(fds[0])) as header:
        assert (header.cells[0], header.cells[1]) == (17, 12)
        assert header.geometry.slots == 4
        assert header.geometry.slot_nbytes == 1000


def test_the_users_fields_have_room_beside_each_frame(output: Output) -> None:
    spec = FrameSpec.image((8,), fields=(Field("pose", "f8", (3,)),))

    writer, _ = output.make(spec, RingSettings(slots=2), 0, 0)

    assert writer.segment.geometry.fields_nbytes == 24


@pytest.mark.parametrize(
    ("overflow", "when_full", "slots"),
    [("none", "drop", 0), ("memory", "drop", 4), ("memory", "wait", 0)],
)
def test_overflow_is_for_those_who_would_drop(
    output: Output, overflow: str, when_full: str, slots: int
) -> None:
    plan = RingSettings(2, overflow, 4 * 4096, when_full=when_full)

    writer, fds = output.make(SPEC, plan, 0, 0)

    assert writer.segment.geometry.overflow == slots
    assert len(fds) == 1


def test_overflow_on_disk_comes_with_a_descriptor_for_reading(
    output: Output, tmp_path: Path
) -> None:
    folder = tmp_path / "not" / "there yet"
    plan = RingSettings(2, "disk", 4 * 4096, str(folder))

    _, (_, overflow) = output.make(SPEC, plan, 0, 0)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(overflow, b"x")
    assert list(folder.iterdir()) == []  # it has no name
    close_extra((0, overflow))


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (
            RingSettings(2, overflow_dir="/proc/nothing"),
            "ring.overflow_dir: /proc/nothing",
        ),
        (RingSettings(0), "ring.slots: 0"),
        (RingSettings(60_000), "ring.slots: .* MiB of memory"),
        (RingSettings(2, "disk", 1 << 55, "/tmp"), "expected 1 to|overflow_size"),  # noqa: S108
    ],
)
def test_a_ring_that_has_no_room_is_refused_by_its_key_and_leaves_nothing(
    output: Output, plan: RingSettings, said: str
) -> None:
    before = open_fds()

    with pytest.raises(RingError, match=said):
        output.make(FrameSpec.image((1 << 24,)), plan, 0, 0)

    assert output.writer is None
    assert open_fds() == before


# -- its readers


def test_orders_about_readers_without_a_ring_leak_nothing(
    output: Output, told: list[Told]
) -> None:
    before = open_fds()

    output.attach(Attach(0, 0, "every"), counters())
    output.succeed(Successor(0), counters())
    output.forget(Gone(0))

    assert open_fds() == before
    assert told == []


def test_a_reader_is_told_of_frames_by_its_own_counter(output: Output) -> None:
    output.make(SPEC, RingSettings(slots=4), 0, 5)
    ready, done = counters()
    copies = [os.dup(ready), os.dup(done)]

    output.attach(Attach(0, 0, "every"), [ready, done])
    publish(output, 2)

    assert os.eventfd_read(copies[0]) == (6 << 16) + 2
    close_all(copies)


def test_a_successor_is_taken_over_and_that_is_told(
    output: Output, told: list[Told]
) -> None:
    output.make(SPEC, RingSettings(slots=4), 0, 0)
    output.attach(Attach(3, 0, "every"), counters())
    publish(output, 2)
    ready, done = counters()
    copy = os.dup(ready)

    output.succeed(Successor(3), [ready, done])

    assert os.eventfd_read(copy) == (1 << 16) + 2
    assert told == [Adopted(3)]
    os.close(copy)


def test_an_eviction_is_told_with_how_far_it_was_behind(
    output: Output, told: list[Told]
) -> None:
    output.make(SPEC, RingSettings(slots=2), 0, 0)
    output.attach(Attach(4, 0, "every", evictable=True), counters(3))

    publish(output, 3)

    assert told == [Event("evicted", {"place": 4, "behind": 2})]


def test_a_reader_of_ours_that_gives_back_too_much_is_told_and_not_evicted(
    output: Output, told: list[Told]
) -> None:
    output.make(SPEC, RingSettings(slots=2), 0, 0)
    ready, done = counters()
    copy = os.dup(done)
    output.attach(Attach(4, 0, "every"), [ready, done])
    publish(output)

    os.eventfd_write(copy, 5)
    publish(output)

    assert told == [Event("reader_fault", {"place": 4})]
    os.close(copy)


def test_a_ring_that_is_closed_leaves_nothing_open(output: Output) -> None:
    before = open_fds()
    output.make(SPEC, RingSettings(2, "memory", 1 << 16), 0, 0)
    output.attach(Attach(0, 0, "every"), counters())
    publish(output, 2)

    output.close()
    output.close()

    assert open_fds() == before
