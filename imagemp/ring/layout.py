"""Where everything lies in a ring's memory. Pure numbers, no I/O.

    header (4 KiB) | desc[slot] | order[index & mask] | slots, page by page

The header's first 256 bytes say how large the rest is; its cells are 8-byte
words that the producer alone writes, each by one aligned store.
"""

import mmap
import struct
from dataclasses import dataclass
from typing import Self

from imagemp.errors import RingError

Buffer = bytes | bytearray | memoryview | mmap.mmap
WritableBuffer = bytearray | memoryview | mmap.mmap

PAGE = 4096
HEADER = 4096
MAGIC = b"imagemp\0"
VERSION = 1
MAX_SLOTS = 65535  # a `latest` grant carries the slot in 16 bits

FIRST_CELL = 256  # bytes before the cells
GRABBED, PUBLISHED, GRABBED0, PUBLISHED0 = range(4)
RING_USED, RING_HIGH, OVERFLOW_USED, OVERFLOW_HIGH = range(4, 8)
T_LAST_NS = 8  # sensor time of the frame grabbed last
NOT_WANTED = 9  # frames of the camera that the timetable did not ask for
LATE = 10  # deadlines of the timetable that had passed when a frame came
DROPPED = 16  # + the cause's place in DROP_CAUSES
MISSED = 24  # + the cause's place in MISS_CAUSES
RELEASED = 64  # + the reader's cell
READER_CELLS = 256
CELLS = RELEASED + READER_CELLS

DROP_CAUSES = ("ring_full", "overflow_slow", "camera_error", "capture_restart")
MISS_CAUSES = ("sensor_gap", "capture_restart")

# seq, index, t_sensor, t_arrival, t_unix, missed_before, ring_used,
# overflow_used, exposure, gain; the user's fields follow
DESC = struct.Struct("<8Q2d")

_STATIC = struct.Struct("<8s7Q")
_OVERFLOW_KINDS = ("none", "memory", "disk")


@dataclass(frozen=True, slots=True)
class Geometry:
    """The sizes of one ring; all offsets follow from them.

    Attributes:
        slots: Places for a frame in RAM.
        overflow: Further places, in memory or in a file.
        slot_nbytes: What a frame needs.
        fields_nbytes: What the user's fields need, in each desc record.
        overflow_kind: `none`, `memory` or `disk`.
    """

    slots: int
    overflow: int
    slot_nbytes: int
    fields_nbytes: int = 0
    overflow_kind: str = "none"

    def __post_init__(self) -> None:
        if not (self.slots >= 1 and self.total <= MAX_SLOTS):
            raise RingError(
                f"ring.slots: {self.slots} and {self.overflow} in overflow, "
                f"expected 1 to {MAX_SLOTS} in all"
            )

    @classmethod
    def read(cls, header: Buffer) -> Self:
        """Read the sizes from a ring's header.

        Raises:
            RingError: It is not a ring, or not of this version.
        """
        magic, version, slots, overflow, nbytes, fields, kind, _ = _STATIC.unpack_from(
            header
        )
        if magic != MAGIC:
            raise RingError(f"not a ring: begins with {magic!r}")
        if version != VERSION:
            raise RingError(f"ring of version {version}, this is {VERSION}")
        return cls(slots, overflow, nbytes, fields, _OVERFLOW_KINDS[kind])

    def write(self, header: WritableBuffer) -> None:
        """Write the sizes into a new ring's header."""
        kind = _OVERFLOW_KINDS.index(self.overflow_kind)
        values = (self.slots, self.overflow, self.slot_nbytes, self.fields_nbytes)
        _STATIC.pack_into(header, 0, MAGIC, VERSION, *values, kind, 0)

    @property
    def total(self) -> int:
        """Slots in RAM and in overflow."""
        return self.slots + self.overflow

    @property
    def mask(self) -> int:
        """`order` has mask + 1 entries, a power of two, no fewer than slots."""
        return (1 << max(self.total - 1, 1).bit_length()) - 1

    @property
    def desc_stride(self) -> int:
        """Bytes from one desc record to the next; whole cache lines."""
        return round_up(DESC.size + self.fields_nbytes, 64)

    @property
    def order_offset(self) -> int:
        """Where `order` begins."""
        return HEADER + self.total * self.desc_stride

    @property
    def slots_offset(self) -> int:
        """Where the first slot begins."""
        return round_up(self.order_offset + 4 * (self.mask + 1), PAGE)

    @property
    def stride(self) -> int:
        """Bytes from one slot to the next; whole pages."""
        return round_up(max(self.slot_nbytes, 1), PAGE)

    @property
    def ram_end(self) -> int:
        """Where the RAM slots end: up to here memory is populated."""
        return self.slots_offset + self.slots * self.stride

    @property
    def memory_nbytes(self) -> int:
        """The length of the memfd."""
        extra = self.overflow if self.overflow_kind == "memory" else 0
        return self.ram_end + extra * self.stride

    @property
    def file_nbytes(self) -> int:
        """The length of the overflow file."""
        return self.overflow * self.stride if self.overflow_kind == "disk" else 0

    def desc_at(self, slot: int) -> int:
        """Where the desc record of a slot begins."""
        return HEADER + slot * self.desc_stride

    def slot_at(self, slot: int) -> tuple[bool, int]:
        """Where a slot begins: in the overflow file or not, and its offset."""
        if slot < self.slots or self.overflow_kind == "memory":
            return False, self.slots_offset + slot * self.stride
        return True, (slot - self.slots) * self.stride


def round_up(n: int, to: int) -> int:
    """Give the smallest multiple of `to` that is not below `n`."""
    return -(-n // to) * to


def overflow_slots(size: int, slot_nbytes: int, slots: int) -> int:
    """How many frames an overflow of `size` bytes has room for."""
    stride = round_up(max(slot_nbytes, 1), PAGE)
    return min(size // stride, MAX_SLOTS - slots)
