"""What a configuration needs that this machine may not have."""

import math
from collections.abc import Iterator
from pathlib import Path

from .machine import (
    Finding,
    Memory,
    Need,
    check_folder,
    check_paths,
    weigh_disk,
    weigh_memory,
)
from .sections import (
    ClassSource,
    Config,
    FileSource,
    PipelineConfig,
    SourceConfig,
    SyntheticSource,
)
from .values import format_size, itemsize

WORKER_NBYTES = 60 * 2**20
PAGE = 4096  # slots are whole pages
PLANE_START = 64  # and planes start on a cache line


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


def slot_nbytes(source: SourceConfig) -> int:
    """Give what a frame takes in the ring; 0 if only the open source knows."""
    if not isinstance(source, SyntheticSource):
        return 0
    shape = source.frame_shape
    if source.scale != 1:
        shape = (*(max(1, round(n * source.scale)) for n in shape[:2]), *shape[2:])
    image = math.prod(shape) * itemsize(source.dtype)
    depth = 2 * math.prod(shape[:2]) if source.depth else 0
    return _round_up(_round_up(image, PLANE_START) + depth, PAGE)


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
    return [*findings, *_size_findings(pipeline, key)]


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
