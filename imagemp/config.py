"""The configuration: every key with its type, range and default, and its loading.

TOML becomes frozen Structs once, at the border; whoever holds a `Config` need
check nothing. They are plain data: JSON can carry them to a worker. What the
keys mean to a user is told in docs/configuration.md.
"""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .configcheck import (
    Part,
    Section,
    Table,
    Tables,
    as_table,
    join,
    patch_of,
    read_toml,
    refuse_later,
    show,
    suggest,
)
from .errors import ConfigError
from .sizes import (
    Device,
    DType,
    FilePath,
    Finding,
    FourCC,
    Fps,
    Input,
    Interval,
    Length,
    Memory,
    Name,
    Need,
    Pixels,
    Seconds,
    Size,
    SourceKind,
    Target,
    check_folder,
    check_paths,
    format_size,
    weigh_disk,
    weigh_memory,
)


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

    LATER: ClassVar = {"outside_allowance": ()}

    slots: Annotated[int, Meta(ge=2, le=65_535)] = 32
    overflow: Literal["none", "memory", "disk"] = "disk"
    overflow_size: Size = 2 * 2**30
    overflow_dir: FilePath | None = None
    when_full: Literal["drop", "wait"] = "drop"


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
        encoder: None: nothing is written.
    """

    LATER: ClassVar = {"overlay": ()}

    source: Source
    autostart: bool = False
    schedule: ScheduleConfig = ScheduleConfig()
    ring: RingConfig = RingConfig()
    encoder: EncoderConfig | None = None
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
WORKER_NBYTES = 60 * 2**20
PAGE = 4096
MODES = ("every_s", "times_s", "intervals_s", "file", "generator", "trigger")
FIXED = (
    *("kind", "target", "path", "file", "device"),
    *("data_dir", "overflow_dir", "generator", "autostart"),
)


def load(path: str | os.PathLike[str]) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: It cannot be read, or says something impossible.
    """
    try:
        text = Path(path).read_bytes().decode()
    except OSError as error:
        raise ConfigError("", f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError("", f"{path}: is not UTF-8 text: {error}") from error
    return parse(text, where=str(path), folder=Path(path).absolute().parent)


def parse(
    toml: str | Table, where: str = "the configuration", folder: Path | None = None
) -> Config:
    """Check a configuration that has been read.

    Args:
        toml: The text, or the tables in it.
        where: What messages call it.
        folder: Where relative paths start; None: the current folder.
    """
    table = read_toml(toml, where) if isinstance(toml, str) else toml
    reader = _ConfigTables(folder or Path.cwd())
    try:
        config = reader.config(table)
        _check_devices(config)
    except ConfigError as error:
        error.hint = error.hint or f"see {where}"
        raise
    return config


def with_overrides(
    config: Config, pipelines: Sequence[str], orders: Iterable[str]
) -> Config:
    """Give `config` with keys of some pipelines set, as `start -o` does.

    Args:
        config: Stays as it is.
        pipelines: Names; none: all.
        orders: "ring.slots=64", "callbacks.motion.policy=every": the key within
            the pipeline and a TOML value, or else text.
    """
    patch = patch_of(orders, FIXED)
    reader = _ConfigTables(Path("/"))  # an order can set no path
    changed = dict(config.pipelines)
    for name in pipelines or config.pipelines:
        if name not in config.pipelines:
            known = suggest(name, config.pipelines)
            raise ConfigError(f"pipelines.{name}", f"unknown pipeline; {known}")
        changed[name] = reader.pipeline(patch, f"pipelines.{name}", changed[name])
    return msgspec.structs.replace(config, pipelines=changed)


def check(config: Config, memory: Memory | None = None) -> list[Finding]:
    """Find what will not work, or may not, on this machine.

    Args:
        config: All its pipelines are taken to run at once.
        memory: What to weigh against; None: this machine's.
    """
    data_dir = config.daemon.data_dir
    needs = [Need("daemon", "gateway", WORKER_NBYTES)]
    findings = check_folder("daemon.data_dir", data_dir)
    if config.daemon.require_mount and not Path(data_dir).is_mount():
        problem = f"{data_dir} is no mount point: nothing can be recorded now"
        findings.append(Finding("warning", "daemon.require_mount", problem))
    for name, pipeline in config.pipelines.items():
        key = f"pipelines.{name}"
        needs += _needs(pipeline, key, data_dir)
        findings += _pipeline_findings(pipeline, key)
    if not config.pipelines:
        findings.append(Finding("warning", "pipelines", "there is none to start"))
    return [*findings, weigh_memory(needs, memory or Memory.here()), *weigh_disk(needs)]


def _needs(pipeline: PipelineConfig, key: str, data_dir: str) -> list[Need]:
    ring, name = pipeline.ring, key.removeprefix("pipelines.")
    apart = [c for c in pipeline.callbacks if not c.inline]
    workers = 1 + len(apart) + (pipeline.encoder is not None)
    needs = [Need(key, f"{name} {workers} workers", workers * WORKER_NBYTES)]
    if slot_nbytes := _slot_nbytes(pipeline.source):
        size = ring.slots * slot_nbytes
        needs.append(Need(f"{key}.ring.slots", f"{name} {ring.slots} slots", size))
    if ring.overflow != "none":
        folder = (ring.overflow_dir or data_dir) if ring.overflow == "disk" else ""
        full, what = f"{key}.ring.overflow_size", f"{name} overflow"
        needs.append(Need(full, what, ring.overflow_size, folder))
    return needs


def _slot_nbytes(source: SourceConfig) -> int:
    """Give what a frame takes in the ring; 0 if only the open source knows."""
    if not isinstance(source, SyntheticSource):
        return 0
    rows, *others = source.frame_shape
    if others and source.scale != 1:
        rows, others[0] = round(rows * source.scale), round(others[0] * source.scale)
    image = math.prod((rows, *others)) * int(source.dtype[-1])
    depth = 2 * rows * others[0] if source.depth else 0
    return -(-(image + depth) // PAGE) * PAGE


def _pipeline_findings(pipeline: PipelineConfig, key: str) -> list[Finding]:
    source, ring = pipeline.source, pipeline.ring
    paths = {f"{key}.schedule.file": pipeline.schedule.file or ""}
    paths[f"{key}.schedule.generator"] = pipeline.schedule.generator or ""
    for callback in pipeline.callbacks:
        paths[f"{key}.callbacks.{callback.name}.target"] = callback.target
    if isinstance(source, FileSource):
        paths[f"{key}.source.path"] = source.path
    if isinstance(source, ClassSource):
        paths[f"{key}.source.kind"] = source.target
    findings = check_paths(paths)
    if ring.overflow == "disk" and ring.overflow_dir:
        findings += check_folder(f"{key}.ring.overflow_dir", ring.overflow_dir)
    return [*findings, *_size_findings(pipeline, key)]


def _size_findings(pipeline: PipelineConfig, key: str) -> Iterator[Finding]:
    slot, ring = _slot_nbytes(pipeline.source), pipeline.ring
    if not slot:
        unknown = "its frame size is known only once it is open: its ring is not added"
        yield Finding("note", f"{key}.source", unknown)
    if ring.overflow != "none" and ring.overflow_size < max(slot, 1):
        small = f"{format_size(ring.overflow_size)}: not one frame fits in"
        yield Finding("warning", f"{key}.ring.overflow_size", small)


class _ConfigTables(Tables):
    """Knows which table is which section."""

    def config(self, table: object) -> Config:
        return self.read(Config, table, "", None, {"pipelines": self.pipelines})

    def pipelines(
        self, found: object, key: str, _: object
    ) -> dict[str, PipelineConfig]:
        table = as_table(found, key)
        for name in table:
            self.value(Name, name, join(key, name))
        return {n: self.pipeline(t, join(key, n), None) for n, t in table.items()}

    def pipeline(
        self, found: object, key: str, base: PipelineConfig | None
    ) -> PipelineConfig:
        parts: dict[str, Part] = {
            "source": self.source,
            "encoder": self.encoder,
            "callbacks": self.callbacks,
        }
        pipeline = self.read(PipelineConfig, found, key, base, parts)
        _check_shape(pipeline.source, f"{key}.source")
        _check_schedule(pipeline.schedule, f"{key}.schedule")
        _check_callbacks(pipeline, key)
        return pipeline

    def source(
        self, found: object, key: str, base: SourceConfig | None
    ) -> SourceConfig:
        table = dict(as_table(found, key))
        kind = base.kind if base else table.pop("kind", None)
        refuse_later(SourceConfig, "kind", kind, f"{key}.kind")
        for name, section in KINDS.items():
            if kind == name:
                return self.read(section, table, key, base)
        if kind is None:
            raise ConfigError(f"{key}.kind", "must be given, is missing")
        own: Table = {"target": self.value(SourceKind, kind, f"{key}.kind")}
        if "scale" in table:
            own["scale"] = table.pop("scale")
        return self.read(ClassSource, {**own, "options": table}, key, base)

    def encoder(
        self, found: object, key: str, base: EncoderConfig | None
    ) -> EncoderConfig | None:
        if not isinstance(found, list):
            return self.read(EncoderConfig, found, key, base)
        if len(found) > 1:
            several = f"several encoders on one pipeline, is an array of {len(found)}"
            raise ConfigError(key, f"not yet: {several}")
        return self.read(EncoderConfig, found[0], key) if found else None

    def callbacks(
        self, found: object, key: str, base: tuple[CallbackConfig, ...] | None
    ) -> tuple[CallbackConfig, ...]:
        if isinstance(found, dict) and base is not None:
            return self.some_callbacks(found, key, base)
        if not isinstance(found, list):
            raise ConfigError(key, f"must be an array of tables, is {show(found)}")
        return tuple(
            self.read(CallbackConfig, table, _callback_key(key, i, table))
            for i, table in enumerate(found)
        )

    def some_callbacks(
        self, found: Table, key: str, base: tuple[CallbackConfig, ...]
    ) -> tuple[CallbackConfig, ...]:
        by_name = {callback.name: callback for callback in base}
        for name, table in found.items():
            full = join(key, name)
            if name not in by_name:
                known = suggest(name, by_name)
                raise ConfigError(full, f"unknown callback; {known}")
            by_name[name] = self.read(CallbackConfig, table, full, by_name[name])
        return tuple(by_name.values())


def _callback_key(key: str, place: int, table: object) -> str:
    """Give the key of a callback, by its name if it has one."""
    name = table.get("name") if isinstance(table, dict) else None
    return join(key, name) if isinstance(name, str) and name else f"{key}[{place}]"


def _check_shape(source: SourceConfig, key: str) -> None:
    if not isinstance(source, SyntheticSource):
        return
    axes = len(source.frame_shape)
    if source.depth and axes < 2:
        raise ConfigError(
            f"{key}.depth", "must be false for a shape of 1 axis, is true"
        )
    if source.scale != 1 and axes not in (2, 3):
        problem = f"must be 1 for a shape of {axes} axes, is {source.scale}"
        raise ConfigError(f"{key}.scale", problem)


def _check_schedule(schedule: ScheduleConfig, key: str) -> None:
    first, *others = [m for m in MODES if getattr(schedule, m)] or [""]
    if others:
        raise ConfigError(f"{key}.{others[0]}", f"must stand alone, is beside {first}")
    times = schedule.times_s or ()
    for i, (before, after) in enumerate(pairwise(times), start=1):
        if after <= before:
            problem = f"must be more than {before}, the one before, is {after}"
            raise ConfigError(f"{key}.times_s[{i}]", problem)


def _check_callbacks(pipeline: PipelineConfig, key: str) -> None:
    names = [callback.name for callback in pipeline.callbacks]
    for callback in pipeline.callbacks:
        full = f"{key}.callbacks.{callback.name}"
        if names.count(callback.name) > 1:
            raise ConfigError(
                f"{full}.name",
                f"must be unique, is {names.count(callback.name)} times there",
            )
        if callback.inline and pipeline.encoder is None:
            raise ConfigError(
                f"{full}.inline", "must be false without an encoder to run in, is true"
            )
    wanted = (pipeline.encoder and pipeline.encoder.input) or ""
    if wanted and wanted.removeprefix("callback:") not in names:
        known = ", ".join(names) or "none"
        raise ConfigError(
            f"{key}.encoder.input",
            f"must name a callback of this pipeline ({known}), is {wanted!r}",
        )


def _check_devices(config: Config) -> None:
    owners: dict[str, str] = {}
    for name, pipeline in config.pipelines.items():
        if isinstance(pipeline.source, OpencvSource):
            device = pipeline.source.device
            owner = owners.setdefault(_device_name(device), name)
            if owner != name:
                problem = f"must differ from that of pipelines.{owner}, is {device!r}"
                raise ConfigError(f"pipelines.{name}.source.device", problem)


def _device_name(device: int | str) -> str:
    """Give /dev/video2 for 2 and for "2" too."""
    text = str(device)
    return f"/dev/video{int(text)}" if text.isdecimal() else text
