"""Every key of the configuration: its type, its range and its default.

A table of the file is a Struct here, a key a field. What the keys mean to a user
is told in docs/configuration.md.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .section import Section
from .sources import Source
from .values import FilePath, Input, Interval, Name, Preset, Seconds, Size, Target


def default_data_dir() -> str:
    """Give systemd's state directory, or the user's own."""
    granted = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return granted or str(Path.home() / ".local/state/imagemp")


class DaemonConfig(Section, frozen=True, kw_only=True):
    """Where recordings go."""

    data_dir: FilePath = msgspec.field(default_factory=default_data_dir)
    require_mount: bool = False


class TelemetryConfig(Section, frozen=True, kw_only=True):
    """How often reports are published."""

    rate_hz: Annotated[float, Meta(ge=0.2, le=10)] = 2.0


class ScheduleConfig(Section, frozen=True, kw_only=True):
    """Which frames are wanted; all of them unless a key says otherwise."""

    every_s: Interval | None = None
    times_s: tuple[Seconds, ...] | None = None
    intervals_s: tuple[Interval, ...] | None = None
    file: FilePath | None = None
    generator: Target | None = None
    trigger: bool = False
    start_in_s: Seconds = 0.0
    frames_per_trigger: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    late: Literal["skip", "catch-up"] = "skip"


class OverlayConfig(Section, frozen=True, kw_only=True):
    """What is written into every frame at capture.

    Attributes:
        show: In this order, from top to bottom.
        size: Factor of the letters.
    """

    show: Annotated[
        tuple[Literal["time", "rate", "queues", "seq"], ...], Meta(min_length=0)
    ] = ()
    rate_frames: Annotated[int, Meta(ge=1, le=10_000)] = 10
    position: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = (
        "top-left"
    )
    size: Annotated[float, Meta(ge=0.1, le=10)] = 0.5


class RingConfig(Section, frozen=True, kw_only=True):
    """Room for frames between the source and its readers.

    Attributes:
        overflow_dir: Folder of the overflow file; None: the data_dir.
    """

    slots: Annotated[int, Meta(ge=2, le=65_535)] = 32
    overflow: Literal["none", "memory", "disk"] = "disk"
    overflow_size: Size = 2 * 2**30
    overflow_dir: FilePath | None = None
    when_full: Literal["drop", "wait"] = "drop"
    outside_allowance: Annotated[int, Meta(ge=1, le=65_535)] = 8


class EncoderConfig(Section, frozen=True, kw_only=True):
    """The recording; a limit of 0 is none.

    Attributes:
        level: None: 1.
        predictor: None: true.
        codec: None: libx264; a video's alone, as the four below.
        preset: None: veryfast.
        crf: None: 23.
        quality: None: 90.
        bitrate: None: 8 million bits a second.
        record_at_start: None: true, unless triggers say what is recorded.
        input: "callback:NAME", or None: the ring of the source.
    """

    name: Name = "main"
    format: Literal["tiff", "mkv", "mp4"] = "tiff"
    compression: Literal["none", "zlib", "zstd"] = "none"
    level: Annotated[int, Meta(ge=1, le=22)] | None = None
    predictor: bool | None = None
    codec: Literal["libx264", "ffv1", "mjpeg", "h264_v4l2m2m"] | None = None
    preset: Preset | None = None
    crf: Annotated[int, Meta(ge=0, le=51)] | None = None
    quality: Annotated[int, Meta(ge=1, le=100)] | None = None
    bitrate: Annotated[int, Meta(ge=10_000, le=1_000_000_000)] | None = None
    sync_ms: Annotated[int, Meta(ge=1, le=60_000)] = 200
    segment_size: Size = 39 * 2**30 // 10
    segment_pages: Annotated[int, Meta(ge=0, le=2**31)] = 10_000
    segment_s: Seconds = 0.0
    keep_free: Size = 2**30
    quota: Size = 0
    quota_action: Literal["stop", "delete-oldest"] = "stop"
    record_at_start: bool | None = None
    pre_s: Seconds = 0.0
    post_s: Seconds = 0.0
    input: Input | None = None

    @property
    def is_armed(self) -> bool:
        """Whether triggers say what is recorded."""
        return self.pre_s > 0 or self.post_s > 0

    @property
    def records_at_start(self) -> bool:
        """Whether all is recorded from the start."""
        return not self.is_armed and self.record_at_start is not False


class CallbackConfig(Section, frozen=True, kw_only=True):
    """The user's Python.

    Attributes:
        input: "callback:NAME", or None: the ring of the source.
        budget_ms: None: a call may take any time.
        settings: Handed to `set_up`.
    """

    name: Name
    target: Target
    policy: Literal["every", "latest"] = "latest"
    inline: bool = False
    input: Input | None = None
    buffer_length: Annotated[int, Meta(ge=1, le=10_000)] = 5
    full_buffer: bool = False
    budget_ms: Annotated[float, Meta(gt=0, le=3_600_000)] | None = None
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class PipelineConfig(Section, frozen=True, kw_only=True):
    """One source and what is around it.

    Attributes:
        encoders: None of them: nothing is written. The key is `encoder`, a table or
            an array of tables.
    """

    source: Source
    autostart: bool = False
    schedule: ScheduleConfig = ScheduleConfig()
    overlay: OverlayConfig = OverlayConfig()
    ring: RingConfig = RingConfig()
    encoders: tuple[EncoderConfig, ...] = msgspec.field(default=(), name="encoder")
    callbacks: tuple[CallbackConfig, ...] = ()


class Config(Section, frozen=True, kw_only=True):
    """All of it; pipelines by name."""

    daemon: DaemonConfig = msgspec.field(default_factory=DaemonConfig)
    telemetry: TelemetryConfig = TelemetryConfig()
    pipelines: dict[str, PipelineConfig] = msgspec.field(default_factory=dict)
