"""The desc record of a slot: a `FrameInfo` as bytes, and back.

Only the producer writes it, while the slot is being filled; so it may be packed.
"""

from typing import Any

import numpy as np

from imagemp.frames import FrameInfo, fields_dtype
from imagemp.spec import FrameSpec

from .layout import DESC, HEADER
from .segment import Segment

INDEX_AT = 8  # in the record: known only when the frame is published


class Descriptions:
    """All desc records of one ring."""

    def __init__(self, segment: Segment, spec: FrameSpec) -> None:
        self._stride = segment.geometry.desc_stride
        self._memory, self._view = segment.memory, segment.view
        self._fields = fields_dtype(spec.fields)
        self._has_fields = bool(spec.fields)

    def write(self, slot: int, info: FrameInfo, index: int) -> None:
        """Describe the frame in a slot."""
        at = HEADER + slot * self._stride
        DESC.pack_into(
            self._view,
            at,
            info.seq,
            index,
            info.t_sensor_ns,
            info.t_arrival_ns,
            info.t_unix_ns,
            info.missed_before,
            info.ring_used,
            info.overflow_used,
            info.exposure_us,
            info.gain,
        )
        if self._has_fields:
            start = at + DESC.size
            self._view[start : start + self._fields.itemsize] = self._pack(info.fields)

    def write_index(self, slot: int, index: int) -> None:
        """The frame in a slot was queued, and is about to be published."""
        at = HEADER + slot * self._stride + INDEX_AT
        self._view[at : at + 8] = index.to_bytes(8, "little")

    def move(self, slot: int, to: int) -> None:
        """The frame in a slot is now in another one."""
        size = self._stride
        source, target = HEADER + slot * size, HEADER + to * size
        self._view[target : target + size] = self._view[source : source + size]

    def read(self, slot: int) -> FrameInfo:
        """Give what `write` was given."""
        at = HEADER + slot * self._stride
        seq, index, sensor, arrival, unix, missed, ring, overflow, exposure, gain = (
            DESC.unpack_from(self._memory, at)
        )
        fields = self._unpack(at + DESC.size) if self._has_fields else {}
        return FrameInfo(
            seq,
            index,
            sensor,
            arrival,
            unix,
            exposure,
            gain,
            missed,
            ring,
            overflow,
            fields,
        )

    def _pack(self, values: dict[str, Any]) -> bytes:
        record = np.zeros((), self._fields)
        for name, value in values.items():
            record[name] = value
        return record.tobytes()

    def _unpack(self, at: int) -> dict[str, Any]:
        size = self._fields.itemsize
        record = np.frombuffer(self._memory[at : at + size], self._fields)[0]
        return {name: record[name] for name in self._fields.names or ()}
