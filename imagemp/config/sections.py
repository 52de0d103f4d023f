"""Every key of the configuration: its type, its range and its default.

A table of the file is a Struct here, a key a field. What the keys mean to a user
is told in docs/configuration.md.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .values import (
    Device,
    DType,
    FilePath,
    FourCC,
    Fps,
    Input,
    Interval,
    Length,
    Name,
    Pixels,
    Seconds,
    Size,
    Target,
)


def default_data_dir() -> str:
    """Give systemd's state directory, or the user's own."""
    granted = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return granted or str(Path.home() / ".local/state/imagemp")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration.

    Attributes:
        LATER: Keys that are still to come, or values of theirs, if any stand there.
    """

    LATER: ClassVar[Mapping[str, tuple[str, ...]]] = {}


class DaemonConfig(Section, frozen=True, kw_only=True):
    """Where recordings go."""

    data_dir: FilePath = msgspec.field(default_factory=default_data_dir)
    require_mount: bool = False


class TelemetryConfig(Section, frozen=True, kw_only=True):
    """How often reports are published."""

    rate_hz: Annotated[float, Meta(ge=0.2, le=10)] = 2.0


class SourceConfig(Section, frozen=True, kw_only=True, tag_field="kind"):
    """What every source has; its children are the kinds.

    Attributes:
        scale: Obeyed for a source that does not obey it itself.
    """

    LATER: ClassVar = {"kind": ("picamera2", "stereo")}

    scale: Annotated[float, Meta(gt=0, le=4)] = 1.0

    @property
    def kind(self) -> str:
        """The name of the kind, or the target of a user's class."""
        return str(self.__struct_config__.tag)

    def settings(self) -> dict[str, Any]:
        """Give the table with its defaults; an absent key without one is left out."""
        values = {"kind": self.kind, **msgspec.structs.asdict(self)}
        return {key: value for key, value in values.items() if value is not None}


class SyntheticSource(SourceConfig, frozen=True, kw_only=True, tag="synthetic"):
    """Frames that are computed."""

    width: Pixels = 640
    height: Pixels = 480
    channels: Annotated[int, Meta(ge=1, le=16)] = 1
    shape: Annotated[tuple[Length, ...], Meta(max_length=4)] | None = None
    dtype: DType = "u1"
    fps: Fps = 30.0
    depth: bool = False

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of the plane `image` before scaling, as numpy has it."""
        deep = () if self.channels == 1 else (self.channels,)
        return self.shape or (self.height, self.width, *deep)


class FileSource(SourceConfig, frozen=True, kw_only=True, tag="file"):
    """A video, or a folder of images."""

    path: FilePath
    fps: Fps | None = None
    loop: bool = False


class OpencvSource(SourceConfig, frozen=True, kw_only=True, tag="opencv"):
    """A camera or a stream that OpenCV opens."""

    device: Device = 0
    fourcc: FourCC | None = None
    width: Pixels | None = None
    height: Pixels | None = None
    fps: Fps | None = None
    exposure: Annotated[float, Meta(ge=-1_000_000, le=1_000_000)] | None = None


class ClassSource(SourceConfig, frozen=True, kw_only=True, tag="class"):
    """A class of the user's: in TOML its `target` is the kind.

    Attributes:
        options: All keys but `kind` and `scale`, as they stand in the table.
    """

    target: Target
    options: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.target

    def settings(self) -> dict[str, Any]:
        return {**self.options, "kind": self.target, "scale": self.scale}


Source: TypeAlias = SyntheticSource | FileSource | OpencvSource | ClassSource


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
        input: "callback:NAME", or None: the ring of the source.
    """

    LATER: ClassVar = {
        "format": ("mkv", "mp4"),
        "compression": ("zlib", "zstd"),
        **dict.fromkeys(("level", "predictor", "keep_free", "quota"), ()),
        **dict.fromkeys(("quota_action", "pre_s", "post_s"), ()),
    }

    name: Name = "main"
    format: Literal["tiff"] = "tiff"
    compression: Literal["none"] = "none"
    sync_ms: Annotated[int, Meta(ge=1, le=60_000)] = 200
    segment_size: Size = 39 * 2**30 // 10
    segment_pages: Annotated[int, Meta(ge=0, le=2**31)] = 10_000
    segment_s: Seconds = 0.0
    input: Input | None = None


class CallbackConfig(Section, frozen=True, kw_only=True):
    """The user's Python.

    Attributes:
        settings: Handed to `set_up`.
    """

    name: Name
    target: Target
    policy: Literal["every", "latest"] = "latest"
    inline: bool = False
    buffer_length: Annotated[int, Meta(ge=1, le=10_000)] = 5
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class PipelineConfig(Section, frozen=True, kw_only=True):
    """One source and what is around it.

    Attributes:
        encoders: None of them: nothing is written. The key is `encoder`, a table or
            an array of tables.
    """

    LATER: ClassVar = {"overlay": ()}

    source: Source
    autostart: bool = False
    schedule: ScheduleConfig = ScheduleConfig()
    ring: RingConfig = RingConfig()
    encoders: tuple[EncoderConfig, ...] = msgspec.field(default=(), name="encoder")
    callbacks: tuple[CallbackConfig, ...] = ()


class Config(Section, frozen=True, kw_only=True):
    """All of it; pipelines by name."""

    daemon: DaemonConfig = msgspec.field(default_factory=DaemonConfig)
    telemetry: TelemetryConfig = TelemetryConfig()
    pipelines: dict[str, PipelineConfig] = msgspec.field(default_factory=dict)


KINDS: dict[str, type[SourceConfig]] = {
    "synthetic": SyntheticSource,
    "file": FileSource,
    "opencv": OpencvSource,
}
