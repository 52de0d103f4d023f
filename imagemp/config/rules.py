"""What keys may not say together, though each alone is fine."""

from itertools import pairwise

from ..errors import ConfigError
from .sections import (
    Config,
    OpencvSource,
    PipelineConfig,
    ScheduleConfig,
    SourceConfig,
    SyntheticSource,
)

MODES = ("every_s", "times_s", "intervals_s", "file", "generator", "trigger")
CAPTURE = "capture"  # what the worker of every source is called
MAIN_FILES = "frames"  # what the files of the encoder `main` are called


def check_shape(source: SourceConfig, key: str) -> None:
    """Refuse a shape that cannot be scaled, or has no room for a depth."""
    if not isinstance(source, SyntheticSource):
        return
    axes = len(source.frame_shape)
    if source.depth and axes < 2:
        problem = "must be false for a shape of 1 axis, is true"
        raise ConfigError(f"{key}.depth", problem)
    if source.scale != 1 and axes not in (2, 3):
        problem = f"must be 1 for a shape of {axes} axes, is {source.scale}"
        raise ConfigError(f"{key}.scale", problem)


def check_schedule(schedule: ScheduleConfig, key: str) -> None:
    """Refuse two modes at once, and times that do not ascend."""
    first, *others = [m for m in MODES if getattr(schedule, m)] or [""]
    if others:
        raise ConfigError(f"{key}.{others[0]}", f"must stand alone, is beside {first}")
    times = schedule.times_s or ()
    for i, (before, after) in enumerate(pairwise(times), start=1):
        if after <= before:
            problem = f"must be more than {before}, the one before, is {after}"
            raise ConfigError(f"{key}.times_s[{i}]", problem)


def check_names(pipeline: PipelineConfig, key: str) -> None:
    """Refuse a name that two workers would have, or two sets of files."""
    owners = {CAPTURE: "the capture worker's"}
    files = {MAIN_FILES: "the main encoder's files"}
    for place, encoder in enumerate(pipeline.encoders):
        full = f"{encoder_key(pipeline, key, place)}.name"
        _refuse_taken(encoder.name, owners | files, full)
        owners[encoder.name] = "the encoder's"
    names = [callback.name for callback in pipeline.callbacks]
    for name in names:
        full = f"{key}.callbacks.{name}.name"
        if names.count(name) > 1:
            raise ConfigError(
                full, f"must be unique, is {names.count(name)} times there"
            )
        _refuse_taken(name, owners, full)


def check_callbacks(pipeline: PipelineConfig, key: str) -> None:
    """Refuse a callback without a place to run, and an input without a callback."""
    for callback in pipeline.callbacks:
        if callback.inline and not pipeline.encoders:
            full = f"{key}.callbacks.{callback.name}.inline"
            problem = "must be false without an encoder to run in, is true"
            raise ConfigError(full, problem)
    for place, encoder in enumerate(pipeline.encoders):
        full = f"{encoder_key(pipeline, key, place)}.input"
        _check_input(pipeline, encoder.input, full, is_first=place == 0)


def check_devices(config: Config) -> None:
    """Refuse two pipelines that would open one camera."""
    owners: dict[str, str] = {}
    for name, pipeline in config.pipelines.items():
        if isinstance(pipeline.source, OpencvSource):
            device = pipeline.source.device
            owner = owners.setdefault(_device_name(device), name)
            if owner != name:
                problem = f"must differ from that of pipelines.{owner}, is {device!r}"
                raise ConfigError(f"pipelines.{name}.source.device", problem)


def encoder_key(pipeline: PipelineConfig, key: str, place: int) -> str:
    """Give the key of an encoder: with its name if it is one of several."""
    if len(pipeline.encoders) == 1:
        return f"{key}.encoder"
    return f"{key}.encoder.{pipeline.encoders[place].name}"


def _check_input(
    pipeline: PipelineConfig, wanted: str | None, key: str, *, is_first: bool
) -> None:
    if not wanted:
        return
    inline = {callback.name: callback.inline for callback in pipeline.callbacks}
    name = wanted.removeprefix("callback:")
    if name not in inline:
        known = ", ".join(inline) or "none"
        problem = f"must name a callback of this pipeline ({known}), is {wanted!r}"
        raise ConfigError(key, problem)
    if inline[name] and not is_first:
        problem = "inline callbacks run in the first encoder, and feed no other"
        raise ConfigError(key, f"{problem}; is {wanted!r}")


def _refuse_taken(name: str, owners: dict[str, str], key: str) -> None:
    if name in owners:
        raise ConfigError(key, f"must differ from {owners[name]}, is {name!r}")


def _device_name(device: int | str) -> str:
    """Give /dev/video2 for 2 and for "2" too."""
    text = str(device)
    return f"/dev/video{int(text)}" if text.isdecimal() else text
