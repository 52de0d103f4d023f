"""The ring that a worker produces: made anew each epoch, and its readers."""

import os
import select
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from imagemp.config.machine import Memory
from imagemp.errors import RingError
from imagemp.frames import FrameLayout, fields_dtype
from imagemp.link import close_all
from imagemp.ring.layout import Geometry, overflow_slots
from imagemp.ring.seated import Seated
from imagemp.ring.segment import Segment
from imagemp.ring.writer import Writer
from imagemp.spec import FrameSpec, Plane

from .base import Worker
from .orders import Adopted, Attach, Event, Gone, Successor, Told


class RingSettings(Struct, frozen=True):
    """How large a ring is to be, and what to do when it is full.

    Attributes:
        slots: In RAM.
        overflow: `none`, `memory` or `disk`.
        overflow_nbytes: Of overflow.
        overflow_dir: Where the overflow file goes.
        when_full: `drop` or `wait`; who waits needs no overflow.
    """

    slots: int = 32
    overflow: str = "none"
    overflow_nbytes: int = 0
    overflow_dir: str = ""
    when_full: str = "drop"


class Output:
    """A writer, and the orders that concern it."""

    def __init__(self, tell: Callable[[Told], bool]) -> None:
        self._tell = tell
        self.writer: Writer | None = None
        self.plan = RingSettings()
        self.planes: tuple[Plane, ...] = ()
        self._readers: dict[int, str] = {}

    def make(
        self, spec: FrameSpec, plan: RingSettings, first_seq: int, first_index: int
    ) -> tuple[Writer, tuple[int, ...]]:
        """Make the ring; give it and the descriptors that readers need.

        The overflow descriptor is the caller's to close.

        Raises:
            RingError: There is no room for it.
        """
        frames = FrameLayout.of(spec)
        self.planes, self.plan = spec.planes, plan
        overflow = 0
        if plan.when_full == "drop" and plan.overflow != "none":
            overflow = overflow_slots(plan.overflow_nbytes, frames.nbytes, plan.slots)
        geometry = Geometry(
            plan.slots,
            overflow,
            frames.nbytes,
            fields_dtype(spec.fields).itemsize,
            plan.overflow if overflow else "none",
        )
        folder = _made(plan.overflow_dir)
        _check_room(geometry, folder)
        segment = Segment.create(geometry, folder)
        self.writer = Writer(
            segment,
            frames,
            first_seq=first_seq,
            first_index=first_index,
            on_evicted=self._evicted,
            on_fault=self._fault,
        )
        on_disk = geometry.overflow_kind == "disk"
        fds = (segment.overflow_for_reading(),) if on_disk else ()
        return self.writer, (segment.fd, *fds)

    def slot(self, worker: Worker) -> int:
        """Get a slot, -1 if there is none.

        `when_full = "wait"` waits for one; -1 then means that the ring was let go,
        or that the worker is to leave.
        """
        writer = self.writer
        if writer is None:
            return -1
        slot = writer.acquire()
        while slot < 0 and self.plan.when_full == "wait":
            select.select([writer.fileno(), worker.outbox.fileno()], [], [])
            worker.serve_link()
            if worker.leaving or self.writer is not writer:
                return -1
            slot = writer.acquire()
        return slot

    def attach(self, order: Attach, fds: list[int]) -> None:
        """Seat a reader."""
        if self.writer is None:
            close_all(fds)
            return
        ready, done = fds[:2]
        evicted = fds[2] if order.evictable else -1
        every = order.policy == "every"
        self._readers[order.place] = order.reader
        seated = Seated(order.place, order.cell, ready, done, evicted, every)
        self.writer.attach(seated, evictable=order.evictable, allowance=order.allowance)

    def succeed(self, order: Successor, fds: list[int]) -> None:
        """Hand a place on."""
        if self.writer is None:
            close_all(fds)
            return
        self.writer.succeed(order.place, *fds)
        self._tell(Adopted(order.place))

    def forget(self, order: Gone) -> None:
        """A reader is gone."""
        if self.writer is not None:
            self.writer.forget(order.place)
        self._readers.pop(order.place, None)

    def queues(self) -> list[str]:
        """Say how full the ring is, and how far each `every` reader is behind."""
        if (writer := self.writer) is None:
            return []
        writer.reclaim()  # it may have looked some frames ago
        ledger = writer.ledger
        room = f"ring {ledger.used}/{ledger.slots}"
        if ledger.overflow:
            room += f" overflow {ledger.overflow_used}/{ledger.overflow}"
        lags = [
            f"{self._readers[place]} {ledger.next_index - seat.released}"
            for place, seat in ledger.seats.items()
            if seat.every
        ]
        return [room, " ".join(lags)] if lags else [room]

    def close(self) -> None:
        """Let go of the ring. May be called twice."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None
        self._readers.clear()

    def _fault(self, place: int) -> None:
        self._tell(Event("reader_fault", {"place": place}))

    def _evicted(self, place: int, behind: int) -> None:
        self._readers.pop(place, None)
        self._tell(Event("evicted", {"place": place, "behind": behind}))


def _made(folder: str) -> Path | None:
    """Make the overflow's folder: the encoder may not have made it yet."""
    if not folder:
        return None
    path = Path(folder)
    try:
        path.mkdir(0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise RingError(
            f"ring.overflow_dir: {folder}: {error.strerror}",
            'choose another, or set overflow = "memory"',
        ) from error
    return path


def _check_room(geometry: Geometry, folder: Path | None) -> None:
    """Refuse what the kernel would kill for, or fill the disk with, to find out."""
    free = Memory.granted().available
    if geometry.memory_nbytes > free:
        key = "slots" if geometry.ram_end > free else "overflow_size"
        raise RingError(
            f"ring.{key}: {geometry.memory_nbytes >> 20} MiB of memory, "
            f"{free >> 20} MiB are available",
            "ask for less, or for smaller frames",
        )
    if not geometry.file_nbytes or folder is None:
        return
    disk = os.statvfs(folder)
    if geometry.file_nbytes > (free := disk.f_bavail * disk.f_frsize):
        raise RingError(
            f"ring.overflow_size: {geometry.file_nbytes >> 20} MiB in {folder}, "
            f"{free >> 20} MiB are free",
            'make room there, ask for less, or set overflow = "memory" or "none"',
        )


def close_extra(fds: tuple[int, ...]) -> None:
    """Close what `make` gave besides the ring's own descriptor."""
    close_all(fds[1:])
