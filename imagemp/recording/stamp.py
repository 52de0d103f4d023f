"""What each page and each packet bears: whose it is, and how to know it is whole."""

import struct
from typing import Any

import msgspec

# seq, index, t_sensor_ns, t_arrival_ns, t_unix_ns, CRC-32 of the pixels as they are in
# the file, missed_before, ring_used, overflow_used, plane, planes of the frame, CHECK;
# then the user's fields, packed as the spec has them
STAMP = struct.Struct("<QQqqqIIIIHHI")

# CRC-32 of all that stands before the pixels, itself counted as 0
CHECK = struct.Struct("<I")
CHECK_AT = STAMP.size - CHECK.size


class Stamped(msgspec.Struct, frozen=True, kw_only=True):
    """What a stamp says.

    Attributes:
        crc: CRC-32 of the pixels as they are stored, when they were written.
        plane: Which plane of the frame, from 0.
        planes: How many planes the frame has.
        fields: The user's, packed as the spec has them.
    """

    seq: int
    index: int
    t_sensor_ns: int
    t_arrival_ns: int
    t_unix_ns: int
    crc: int
    missed_before: int
    ring_used: int
    overflow_used: int
    plane: int
    planes: int
    fields: bytes


NAMES = [name for name in Stamped.__struct_fields__ if name != "fields"]


def read_stamp(text: bytes) -> dict[str, Any]:
    """Give what a stamp says, by the names of `Stamped`, but for the user's fields."""
    return dict(zip(NAMES, STAMP.unpack_from(text), strict=False))  # without CHECK
