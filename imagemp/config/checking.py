"""What a configuration needs that this machine may not have."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from .dropins import lacking
from .holding import Room, lack_of_room, rate
from .machine import (
    Finding,
    Memory,
    Need,
    check_folder,
    check_paths,
    weigh_disk,
    weigh_memory,
)
from .rules import encoder_key
from .sections import Config, PipelineConfig, ScheduleConfig
from .sources import (
    ClassSource,
    FileSource,
    PiSource,
    SourceConfig,
    StereoSource,
    SyntheticSource,
)
from .values import format_size, itemsize
from .video import DEFAULT_CODEC, not_here, unfit

WORKER_NBYTES = 60 * 2**20
PAGE = 4096  # slots are whole pages
PLANE_START = 64  # and planes start on a cache line

Plane: TypeAlias = tuple[tuple[int, ...], str]
"""Its shape and its dtype."""


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
    needs += _floors(config)
    findings += lacking(config)
    if not config.pipelines:
        findings.append(Finding("warning", "pipelines", "there is none to start"))
    return [*findings, weigh_memory(needs, memory or Memory.here()), *weigh_disk(needs)]


def slot_nbytes(source: SourceConfig) -> int:
    """Give what a frame takes in the ring; 0 if only the open source knows."""
    end = 0
    for shape, dtype in planes_of(source):
        end = _round_up(end, PLANE_START) + math.prod(shape) * itemsize(dtype)
    return _round_up(end, PAGE)


def planes_of(source: SourceConfig) -> list[Plane]:
    """Give shape and dtype of each plane; none if only the open source knows."""
    if isinstance(source, PiSource | StereoSource):
        return _planes_of_camera(source)
    if not isinstance(source, SyntheticSource):
        return []
    shape = source.frame_shape
    if source.scale != 1:
        shape = (*(max(1, round(n * source.scale)) for n in shape[:2]), *shape[2:])
    depth = [(shape[:2], "u2")] if source.depth else []
    return [(shape, source.dtype), *depth]


def _planes_of_camera(source: PiSource | StereoSource) -> list[Plane]:
    """Give what a camera of libcamera's gives if it does the size asked for."""
    asked = (source.height, source.width)
    height, width = (max(2, round(n * source.scale) // 2 * 2) for n in asked)
    half, colours = (height // 2, width // 2), (3,) if source.format == "rgb" else ()
    if isinstance(source, StereoSource):
        if source.layout == "planes":
            return [((height, width, *colours), "u1")] * 2
        return [((height, 2 * width, *colours), "u1")]
    if source.format == "yuv420":
        return [((height, width), "u1"), (half, "u1"), (half, "u1")]
    if source.format == "raw":
        mode = source.mode
        return [((mode[1], mode[0]), "u2")] if mode else []
    return [((height, width, *colours), "u1")]


def _floors(config: Config) -> list[Need]:
    """Give what is to stay free on the disk of the recordings, once for all."""
    floors = [
        (encoder.keep_free, encoder_key(pipeline, f"pipelines.{name}", place))
        for name, pipeline in config.pipelines.items()
        for place, encoder in enumerate(pipeline.encoders)
    ]
    nbytes, key = max(floors, default=(0, ""))
    if not nbytes:
        return []
    return [Need(f"{key}.keep_free", "kept free", nbytes, config.daemon.data_dir)]


def _needs(pipeline: PipelineConfig, key: str, data_dir: str) -> list[Need]:
    ring, name = pipeline.ring, key.removeprefix("pipelines.")
    apart = [c for c in pipeline.callbacks if not c.inline]
    workers = 1 + len(apart) + len(pipeline.encoders)
    needs = [Need(key, f"{name} {workers} workers", workers * WORKER_NBYTES)]
    if nbytes := slot_nbytes(pipeline.source):
        size = ring.slots * nbytes
        needs.append(Need(f"{key}.ring.slots", f"{name} {ring.slots} slots", size))
    if ring.overflow != "none":
        folder = (ring.overflow_dir or data_dir) if ring.overflow == "disk" else ""
        full, what = f"{key}.ring.overflow_size", f"{name} overflow"
        needs.append(Need(full, what, ring.overflow_size, folder))
    return needs


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
    findings += [*_reader_findings(pipeline, key), *_video_findings(pipeline, key)]
    findings += _holding_findings(pipeline, key)
    return [*findings, *_size_findings(pipeline, key)]


def _reader_findings(pipeline: PipelineConfig, key: str) -> Iterator[Finding]:
    """Say which programs cannot open what will be written."""
    for place, encoder in enumerate(pipeline.encoders):
        if encoder.compression == "zstd":
            full = f"{encoder_key(pipeline, key, place)}.compression"
            readers = "tifffile, Pillow and libtiff read zstd; OpenCV from pip does not"
            yield Finding("note", full, f"{readers}: zlib is read by all of them")


def _video_findings(pipeline: PipelineConfig, key: str) -> Iterator[Finding]:
    """Find videos that cannot be made of these frames, or not here."""
    planes = planes_of(pipeline.source)
    for place, encoder in enumerate(pipeline.encoders):
        full = encoder_key(pipeline, key, place)
        yield from not_here(encoder, full)
        if encoder.format == "tiff" or encoder.input or not planes:
            continue
        if problem := unfit(encoder.codec or DEFAULT_CODEC, planes):
            yield Finding("error", f"{full}.format", problem)


def _holding_findings(pipeline: PipelineConfig, key: str) -> Iterator[Finding]:
    """Find what is to be held for a trigger, and has not the room."""
    source, ring = pipeline.source, pipeline.ring
    nbytes, is_free = slot_nbytes(source), pipeline.schedule == ScheduleConfig()
    if not nbytes:
        return
    schedule = None if is_free else msgspec.structs.asdict(pipeline.schedule)
    fps = rate(getattr(source, "fps", None) or 0.0, schedule)
    has_overflow = ring.overflow != "none" and ring.when_full == "drop"
    overflow = ring.overflow_size // nbytes if has_overflow else 0
    room = Room(ring.slots, overflow, nbytes, ring.when_full, ring.overflow)
    for place, encoder in enumerate(pipeline.encoders):
        if encoder.pre_s and (lack := lack_of_room(encoder.pre_s, fps, room)):
            full = f"{encoder_key(pipeline, key, place)}.pre_s"
            yield Finding("warning", full, "; ".join(lack))


def _size_findings(pipeline: PipelineConfig, key: str) -> Iterator[Finding]:
    slot, ring = slot_nbytes(pipeline.source), pipeline.ring
    if not slot:
        unknown = "its frame size is known only once it is open: its ring is not added"
        yield Finding("note", f"{key}.source", unknown)
    if ring.overflow != "none" and ring.overflow_size < max(slot, 1):
        small = f"{format_size(ring.overflow_size)}: not one frame fits in"
        yield Finding("warning", f"{key}.ring.overflow_size", small)


def _round_up(nbytes: int, to: int) -> int:
    return -(-nbytes // to) * to
