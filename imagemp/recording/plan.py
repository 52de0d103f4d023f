"""How to record: what an encoder is told, in numbers and names.

Knows no numpy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
class Compression:
    """How the pixels of a page are made smaller.

    Attributes:
        kind: `none` writes them as they are.
        level: Higher is smaller and slower; None: 1, which is best for both kinds.
        predictor: Store differences of neighbours where the numbers allow it.
    """

    kind: Literal["none", "zlib", "zstd"] = "none"
    level: int | None = None
    predictor: bool = True


UNCOMPRESSED = Compression()


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """How frames become a video.

    Attributes:
        format: Of the files.
        preset: Of libx264: slower makes smaller files.
        crf: Of libx264: 0 is lossless in its colours, 51 the worst.
        quality: Of mjpeg: as JPEG has it, 1 to 100.
        bitrate: Of h264_v4l2m2m: bits a second.
    """

    format: Literal["mkv", "mp4"] = "mp4"
    codec: Literal["libx264", "ffv1", "mjpeg", "h264_v4l2m2m"] = "libx264"
    preset: str = "veryfast"
    crf: int = 23
    quality: int = 90
    bitrate: int = 8_000_000


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
        compression: Of the pages.
        video: What to make instead of pages; None: pages.
    """

    spec: FrameSpec
    fps: float = 0.0
    description: Mapping[str, Any] = field(default_factory=dict)
    limits: SegmentLimits = SegmentLimits()
    name: str = MAIN
    sync_ms: int = 200
    compression: Compression = UNCOMPRESSED
    video: VideoPlan | None = None

    def text(self) -> str:
        """Give the description as the file has it."""
        own = {"encoder": self.name, "fps": self.fps, "spec": self.spec.to_plain()}
        # tifffile takes `"shape":` in a description for its own, hence the spaces.
        return json.dumps({**own, **self.description}, separators=(", ", " : "))
