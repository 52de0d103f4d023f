"""Pictures whose number outlives a lossy codec, and a program that films them.

`python -m tests.recording.filmer FOLDER FORMAT CODEC [LARGEST]` records until it is
killed: a line for each frame when `append` has returned; `error ERRNO RECORDED` when
the disk refuses, which it does as soon as a file is larger than LARGEST.
"""

import itertools
import os
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from imagemp.errors import DiskError
from imagemp.frames import AnyArray, Frame, FrameInfo
from imagemp.recording.plan import RecordingPlan, SegmentLimits, VideoPlan
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec

BITS, BAR = 16, 8
GREY, RGB = (32, BITS * BAR), (32, BITS * BAR, 3)
FPS, PERIOD_NS = 25.0, 40_000_000
BEGAN_NS = 5_000_000_000_123


def picture(index: int, shape: tuple[int, ...] = GREY, dtype: str = "u1") -> AnyArray:
    """Give a bar for each bit of `index`, dark or bright; read-only as in a ring."""
    bits = [index >> bit & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits) * 160 + 40, BAR)
    width, deep = shape[1], shape[2:]
    row = np.resize(row, width).reshape(1, width, *(1 for _ in deep))
    made = np.broadcast_to(row, shape).astype(dtype)
    if deep:
        made[..., 2] //= 2
    if dtype == "u2":
        made += np.arange(width, dtype="u2") * 256
    made.flags.writeable = False
    return made


def read_number(pixels: AnyArray) -> int:
    """Give the index that a picture tells; of a colour one, by its green."""
    grey = pixels if pixels.ndim == 2 else pixels[..., 1]
    middles = grey[8:24, BAR // 2 :: BAR].mean(axis=0)[:BITS]
    return sum(int(one > 120) << bit for bit, one in enumerate(middles))


def film(index: int, spec: FrameSpec, gap_ns: int = 0) -> Frame:
    """Give frame `index`; from the fifth on, `gap_ns` later than it should be."""
    t_sensor_ns = BEGAN_NS + index * PERIOD_NS + (gap_ns if index >= 5 else 0)
    info = FrameInfo(
        seq=2 * index,
        index=index,
        t_sensor_ns=t_sensor_ns,
        t_arrival_ns=t_sensor_ns + 5,
        t_unix_ns=t_sensor_ns + 1_800_000_000 * 10**9,
        missed_before=index % 3,
        ring_used=3,
        overflow_used=1,
        fields={field.name: index / 4 for field in spec.fields},
    )
    (plane,) = spec.planes
    return Frame({plane.name: picture(index, plane.shape, plane.dtype)}, info)


def plan_of(
    kind: str,
    codec: str,
    shape: tuple[int, ...] = GREY,
    dtype: str = "u1",
    **settings: Any,  # noqa: ANN401 - those of VideoPlan, and limits
) -> RecordingPlan:
    """Give a plan for a video."""
    limits = SegmentLimits(**settings.pop("limits", {}))
    spec = FrameSpec.image(shape, dtype, settings.pop("fields", ()))
    video = VideoPlan(kind, codec, **settings)  # type: ignore[arg-type]
    about = {"pipeline": "cam0"}
    return RecordingPlan(spec, FPS, about, limits, sync_ms=20, video=video)


def record(folder: Path, plan: RecordingPlan, frames: int, gap_ns: int = 0) -> Path:
    """Record so many frames; give the first file."""
    with Recording.create(folder, plan) as recording:
        for index in range(frames):
            recording.append(film(index, plan.spec, gap_ns))
    assert plan.video is not None
    return folder / f"frames-0000.{plan.video.format}"


def main() -> None:
    """Record for ever."""
    folder, kind, codec, *largest = sys.argv[1:]
    plan = plan_of(kind, codec, limits={"segment_pages": 60})
    recording = Recording.resume(Path(folder), plan)
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest[0]),) * 2)
    for index in itertools.count(recording.next_index):
        try:
            recording.append(film(index, plan.spec))
        except DiskError as error:
            os.write(1, f"error {error.errno} {recording.recorded}\n".encode())
            return
        os.write(1, f"{index}\n".encode())


if __name__ == "__main__":
    main()
