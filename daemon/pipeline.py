"""What a pipeline consists of: which workers, which rings, who reads which. Pure."""

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Struct

from imagemp.config import CallbackConfig, Config, EncoderConfig, PipelineConfig
from imagemp.errors import ConfigError

SOURCE = "source"  # the ring that capture makes
CAPTURE = "capture"


class ReaderPlan(Struct, frozen=True):
    """A place in a ring that one of our workers takes.

    Attributes:
        worker: Whose place it is.
        policy: `every` or `latest`.
        evictable: It gives way when it alone keeps a frame from its slot: a
            callback that is on nobody's way to a recording, or a program outside.
        allowance: How far it may lag once slots are few; 0: any number.
        is_outside: It is no worker of ours: evicted, it must ask again.
    """

    worker: str
    policy: str
    evictable: bool
    allowance: int = 0
    is_outside: bool = False


class RingPlan(Struct, frozen=True):
    """A ring, who fills it, and who reads it; the recording comes first."""

    name: str
    producer: str
    readers: tuple[ReaderPlan, ...]


class WorkerPlan(Struct, frozen=True):
    """A process of the pipeline.

    Attributes:
        kind: `capture`, `encoder` or `callback`.
        config: What its `OpenSession` carries.
        callbacks: Names of the callbacks that run in it.
    """

    name: str
    kind: str
    config: dict[str, Any] = {}
    callbacks: tuple[str, ...] = ()


class PipelinePlan(Struct, frozen=True):
    """A pipeline, ready to be put to work.

    Attributes:
        settings: For the source.
        ring: How large its rings are.
        schedule: None: free running.
        overlay: None: frames stay as the source gives them.
        target_fps: As far as the configuration tells.
        outside_allowance: How far a program outside may lag once slots are few.
        armed: A session has begun before its first frame: it waits for a trigger
            or a time.
    """

    name: str
    settings: dict[str, Any]
    ring: dict[str, Any]
    schedule: dict[str, Any] | None
    overlay: dict[str, Any] | None
    workers: tuple[WorkerPlan, ...]
    rings: tuple[RingPlan, ...]
    target_fps: float
    outside_allowance: int
    armed: bool
    autostart: bool

    @property
    def callbacks(self) -> list[str]:
        """The names of all callbacks, inline ones too."""
        return [name for worker in self.workers for name in worker.callbacks]

    def worker_of(self, callback: str) -> str | None:
        """Say which worker runs a callback."""
        for worker in self.workers:
            if callback in worker.callbacks:
                return worker.name
        return None


def plan_pipeline(config: Config, name: str) -> PipelinePlan:
    """Work out what a pipeline of the configuration consists of."""
    pipeline = config.pipelines[name]
    encoders = pipeline.encoders
    apart = [c for c in pipeline.callbacks if not c.inline]
    workers = [WorkerPlan(CAPTURE, "capture")]
    workers += [_encoder(config, name, place) for place in range(len(encoders))]
    workers += [WorkerPlan(c.name, "callback", _callback(c), (c.name,)) for c in apart]
    schedule = msgspec.to_builtins(pipeline.schedule)
    overlay = pipeline.overlay
    is_free = pipeline.schedule == type(pipeline.schedule)()
    return PipelinePlan(
        name=name,
        settings=pipeline.source.settings(),
        ring=_ring(config, pipeline),
        schedule=None if is_free else schedule,
        overlay=msgspec.to_builtins(overlay) if overlay.show else None,
        workers=tuple(workers),
        rings=tuple(_rings(pipeline, apart)),
        target_fps=float(getattr(pipeline.source, "fps", None) or 0.0),
        outside_allowance=pipeline.ring.outside_allowance,
        armed=not is_free,
        autostart=pipeline.autostart,
    )


def changed_pipelines(old: Config, new: Config, busy: Collection[str]) -> set[str]:
    """Name the pipelines of `old` whose workers `new` replaces.

    Args:
        old: In use.
        new: To be used from now on.
        busy: Those at work; they stay as they are.

    Raises:
        ConfigError: One of those has changed.
    """
    pipelines = old.pipelines.items()
    changed = {name for name, was in pipelines if new.pipelines.get(name) != was}
    if refused := sorted(changed.intersection(busy)):
        raise ConfigError(
            f"pipelines.{refused[0]}",
            "has changed, and a session is on",
            f"imagectl stop {refused[0]}, then reload again",
        )
    if new.daemon != old.daemon:
        changed.update(old.pipelines.keys() - set(busy))
    return changed


def _ring(config: Config, pipeline: PipelineConfig) -> dict[str, Any]:
    ring = pipeline.ring
    return {
        "slots": ring.slots,
        "overflow": ring.overflow,
        "overflow_nbytes": ring.overflow_size,
        "overflow_dir": ring.overflow_dir or config.daemon.data_dir,
        "when_full": ring.when_full,
    }


def _rings(pipeline: PipelineConfig, apart: list[CallbackConfig]) -> list[RingPlan]:
    """One ring of the source, and one of what each callback returns."""
    fed_by = {encoder.name: feeder(pipeline, encoder) for encoder in pipeline.encoders}
    recorded = set(fed_by.values())
    for callback in reversed(apart):  # who feeds another stands above it
        if callback.name in recorded:
            recorded.add(_input(callback))

    def readers(ring: str) -> tuple[ReaderPlan, ...]:
        encoders = [name for name, feeding in fed_by.items() if feeding == ring]
        return (
            *(ReaderPlan(name, "every", evictable=False) for name in encoders),
            *(_place(c, recorded) for c in apart if _input(c) == ring),
        )

    return [
        RingPlan(SOURCE, CAPTURE, readers("")),
        *(RingPlan(f"callback:{c.name}", c.name, readers(c.name)) for c in apart),
    ]


def _place(callback: CallbackConfig, recorded: set[str]) -> ReaderPlan:
    """Give a callback's place; it gives way unless a recording is made of it."""
    policy = callback.policy
    evictable = policy == "every" and callback.name not in recorded
    return ReaderPlan(callback.name, policy, evictable=evictable)


def _input(callback: CallbackConfig) -> str:
    """Name the callback whose frames it gets; "" for the source."""
    return (callback.input or "").removeprefix("callback:")


def feeder(pipeline: PipelineConfig, encoder: EncoderConfig) -> str:
    """Name the callback, in a process of its own, that feeds an encoder; or ""."""
    name = (encoder.input or "").removeprefix("callback:")
    inline = {c.name for c in pipeline.callbacks if c.inline}
    return "" if name in inline else name


def quota_keeper(pipeline: PipelineConfig) -> int:
    """Give the place of the encoder that keeps the quota: the first that has one.

    Two would each delete a session for the same lack of room.
    """
    having = (n for n, encoder in enumerate(pipeline.encoders) if encoder.quota)
    return next(having, 0)


def _video(encoder: EncoderConfig) -> dict[str, Any] | None:
    """Give what a video is told; what is not set it knows itself."""
    if encoder.format == "tiff":
        return None
    keys = ("format", "codec", "preset", "crf", "quality", "bitrate")
    values = {key: getattr(encoder, key) for key in keys}
    return {key: value for key, value in values.items() if value is not None}


def _callback(callback: CallbackConfig) -> dict[str, Any]:
    return {
        "name": callback.name,
        "target": callback.target,
        "policy": callback.policy,
        "input": _input(callback),
        "buffer_length": callback.buffer_length,
        "full_buffer": callback.full_buffer,
        "budget_ms": callback.budget_ms or 0.0,
        "settings": dict(callback.settings),
    }


def _encoder(config: Config, name: str, place: int) -> WorkerPlan:
    """Give what an encoder is told; the first keeps the papers, and runs the inline."""
    pipeline = config.pipelines[name]
    encoder, is_first = pipeline.encoders[place], place == 0
    inline = [c for c in pipeline.callbacks if c.inline and is_first]
    fed_by = (encoder.input or "").removeprefix("callback:")
    plan = {
        "name": encoder.name,
        "pipeline": name,
        "is_keeper": is_first,
        "is_alone": len(pipeline.encoders) == 1,
        "data_dir": config.daemon.data_dir,
        "require_mount": config.daemon.require_mount,
        "room": {
            "keep_free": encoder.keep_free,
            "quota": encoder.quota if place == quota_keeper(pipeline) else 0,
            "delete_oldest": encoder.quota_action == "delete-oldest",
        },
        "limits": {
            "segment_size": encoder.segment_size,
            "segment_pages": encoder.segment_pages,
            "segment_s": encoder.segment_s,
        },
        "sync_ms": encoder.sync_ms,
        "compression": {
            "kind": encoder.compression,
            "level": encoder.level,
            "predictor": encoder.predictor is not False,
        },
        "is_armed": encoder.is_armed,
        "pre_s": encoder.pre_s,
        "post_s": encoder.post_s,
        "record_at_start": encoder.records_at_start,
        "video": _video(encoder),
        "input": fed_by if fed_by in {c.name for c in inline} else "",
        "callbacks": [_callback(c) for c in inline],
        "config": msgspec.to_builtins(pipeline),
    }
    return WorkerPlan(encoder.name, "encoder", plan, tuple(c.name for c in inline))
