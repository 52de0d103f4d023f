"""How to record: what an encoder is told, in numbers and names.

Knows no numpy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec import FrameSpec
from .folder import MAIN


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """What a segment may hold; 0 is no limit.

    A segment has one frame at least, be it larger than all limits.

    Attributes:
        segment_size: Bytes; FAT32 ends at 4 GiB - 1.
        segment_pages: OpenCV and Pillow are quadratic in pages.
        segment_s: Seconds of the sensor's clock from its first frame on.
    """

    segment_size: int = 4_187_593_113
    segment_pages: int = 10_000
    segment_s: float = 0.0

    def allow(self, nbytes: int, pages: int, age_ns: int) -> bool:
        """Whether a segment may become so large, long and old."""
        return not (
            0 < self.segment_size < nbytes
            or 0 < self.segment_pages < pages
            or 0 < self.segment_s * 1e9 <= age_ns
        )


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """All that a recording is told when it begins, or goes on.

    Attributes:
        spec: What each frame has.
        fps: For readers' information; 0 where it is not known.
        description: JSON values for the first page of each segment.
        limits: When a new segment begins.
        name: The encoder's; its files bear it, but for `main`.
        sync_ms: How long a frame may wait before it is made durable.
    """

    spec: FrameSpec
    fps: float = 0.0
    description: Mapping[str, Any] = field(default_factory=dict)
    limits: SegmentLimits = SegmentLimits()
    name: str = MAIN
    sync_ms: int = 200

    def text(self) -> str:
        """Give the description as the file has it."""
        own = {"encoder": self.name, "fps": self.fps, "spec": self.spec.to_plain()}
        # tifffile takes `"shape":` in a description for its own, hence the spaces.
        return json.dumps({**own, **self.description}, separators=(", ", " : "))
