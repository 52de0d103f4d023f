"""What keys may not say together, though each alone is fine.

What is refused is a `ConfigError` that names the key.
"""

from collections.abc import Iterator
from itertools import pairwise

from ..errors import ConfigError
from ..spec import is_picture
from .sections import CallbackConfig, Config, PipelineConfig, ScheduleConfig
from .sources import OpencvSource, PiSource, SourceConfig, StereoSource, SyntheticSource
from .values import format_size
from .video import misplaced

MODES = ("every_s", "times_s", "intervals_s", "file", "generator", "trigger")
CAPTURE = "capture"  # what the worker of every source is called
ZLIB_LEVELS = 12  # of libdeflate
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


def check_overlay(pipeline: PipelineConfig, key: str) -> None:
    """Refuse text in frames that are known to be no pictures of u1."""
    source, full = pipeline.source, f"{key}.overlay.show"
    if not pipeline.overlay.show or not isinstance(source, SyntheticSource):
        return
    if source.dtype.lstrip("<>=|") != "u1":
        problem = f"needs frames of u1, source.dtype is {source.dtype!r}"
        raise ConfigError(full, problem)
    if source.depth:
        raise ConfigError(full, "needs frames of u1, source.depth adds a plane of u2")
    if not is_picture(source.frame_shape):
        shape = source.frame_shape
        raise ConfigError(full, f"needs pictures, source gives shape {shape}")


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
    before: dict[str, bool] = {}
    for callback in pipeline.callbacks:
        if callback.input:
            full = f"{key}.callbacks.{callback.name}.input"
            _check_chained(callback, before, full)
        before[callback.name] = callback.inline


def check_compression(pipeline: PipelineConfig, key: str) -> None:
    """Refuse a level or predictor of nothing, and a level that there is not."""
    for place, encoder in enumerate(pipeline.encoders):
        full = encoder_key(pipeline, key, place)
        for name in ("level", "predictor"):
            value = getattr(encoder, name)
            if encoder.compression == "none" and value is not None:
                problem = f"needs compression zlib or zstd, is {value!r} beside none"
                raise ConfigError(f"{full}.{name}", problem)
        if encoder.compression == "zlib" and (encoder.level or 0) > ZLIB_LEVELS:
            problem = f"must be 1 to {ZLIB_LEVELS} for zlib, is {encoder.level}"
            raise ConfigError(f"{full}.level", problem)


def check_video(pipeline: PipelineConfig, key: str) -> None:
    """Refuse a key that is about another format or codec."""
    for place, encoder in enumerate(pipeline.encoders):
        name, problem = misplaced(encoder)
        if problem:
            raise ConfigError(f"{encoder_key(pipeline, key, place)}.{name}", problem)


def check_triggers(pipeline: PipelineConfig, key: str) -> None:
    """Refuse two meanings of a trigger, and what cannot be held for one."""
    inline = {f"callback:{c.name}" for c in pipeline.callbacks if c.inline}
    for place, encoder in enumerate(pipeline.encoders):
        if not encoder.is_armed:
            continue
        full = encoder_key(pipeline, key, place)
        name = "pre_s" if encoder.pre_s else "post_s"
        value = getattr(encoder, name)
        if pipeline.schedule.trigger:
            problem = "must be 0 beside schedule.trigger: a trigger means one thing"
            raise ConfigError(f"{full}.{name}", f"{problem}; is {value:g}")
        if encoder.record_at_start:
            problem = f"must be false beside {name}: triggers say what is recorded"
            raise ConfigError(f"{full}.record_at_start", f"{problem}; is true")
        if encoder.pre_s and encoder.input in inline:
            problem = f"must be 0: what {encoder.input} returns is in no ring"
            raise ConfigError(f"{full}.pre_s", f"{problem}; is {value:g}")


def check_quota(pipeline: PipelineConfig, key: str) -> None:
    """Refuse two quotas of one folder that differ; 0 is none, and may differ."""
    first = None
    for place, encoder in enumerate(pipeline.encoders):
        if not encoder.quota:
            continue
        full = encoder_key(pipeline, key, place)
        first = first or encoder
        if encoder.quota != first.quota:
            ours, theirs = format_size(encoder.quota), format_size(first.quota)
            problem = f"must be that of {first.name}, {theirs}: they share a folder"
            raise ConfigError(f"{full}.quota", f"{problem}; is {ours}")
        if encoder.quota_action != first.quota_action:
            problem = f"must be that of {first.name}, {first.quota_action!r}"
            raise ConfigError(
                f"{full}.quota_action", f"{problem}, is {encoder.quota_action!r}"
            )


def check_devices(config: Config) -> None:
    """Refuse two pipelines that would open one camera."""
    owners: dict[str, str] = {}
    for name, pipeline in config.pipelines.items():
        for key, device, opened in _opened(pipeline.source):
            full = f"pipelines.{name}.source.{key}"
            owner = owners.setdefault(opened, full)
            if owner != full:
                problem = f"must differ from {owner}, is {device!r}"
                raise ConfigError(full, problem)


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


def _check_chained(callback: CallbackConfig, before: dict[str, bool], key: str) -> None:
    """Refuse an input that is not there yet, or has no way here.

    Args:
        callback: Has an input.
        before: Whether each callback of the table above it is inline.
        key: What is wrong then.
    """
    wanted = str(callback.input)
    name = wanted.removeprefix("callback:")
    if name not in before:
        known = ", ".join(before) or "none"
        problem = f"must name a callback above it ({known}), is {wanted!r}"
        raise ConfigError(key, problem)
    if before[name] != callback.inline:
        if callback.inline:
            problem = "inline callbacks get what their encoder gets: set its input"
        else:
            problem = "must not be inline: what an inline one returns is in no ring"
        raise ConfigError(key, f"{problem}; is {wanted!r}")


def _refuse_taken(name: str, owners: dict[str, str], key: str) -> None:
    if name in owners:
        raise ConfigError(key, f"must differ from {owners[name]}, is {name!r}")


def _opened(source: SourceConfig) -> Iterator[tuple[str, int | str, str]]:
    """Give each camera that a source opens: its key, value and one name for it."""
    if isinstance(source, OpencvSource):
        yield "device", source.device, _device_name(source.device)
    elif isinstance(source, PiSource):
        yield "camera", source.camera, f"libcamera {source.camera}"
    elif isinstance(source, StereoSource):
        for place, camera in enumerate(source.cameras):
            yield f"cameras[{place}]", camera, f"libcamera {camera}"


def _device_name(device: int | str) -> str:
    """Give /dev/video2 for 2 and for "2" too."""
    text = str(device)
    return f"/dev/video{int(text)}" if text.isdecimal() else text
