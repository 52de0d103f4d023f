"""Small frames whose pixels tell which frame they are."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from imagemp.frames import AnyArray, Frame, FrameInfo, numpy_dtype
from imagemp.recording.reading import frames
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec, Plane

SMALL = FrameSpec.image((6, 8))
RGBD = FrameSpec((Plane("rgb", (6, 8, 3), "u1"), Plane("depth", (6, 8), "<f4")))
SECOND_NS = 10**9


def pixels(plane: Plane, index: int) -> AnyArray:
    """Give an array that no other index has, read-only as those of a ring are."""
    dtype = numpy_dtype(plane.dtype)
    nbytes = int(np.prod(plane.shape)) * dtype.itemsize
    noise = np.random.default_rng(index).integers(0, 100, nbytes).astype("u1")
    if dtype == np.bool_:
        noise %= 2
    made = noise.view(dtype).reshape(plane.shape)
    made.flags.writeable = False
    return made


def shot(spec: FrameSpec, index: int) -> Frame:
    """Give frame `index`; the source counted two for each, one a second."""
    info = FrameInfo(
        seq=2 * index,
        index=index,
        t_sensor_ns=index * SECOND_NS,
        t_arrival_ns=index * SECOND_NS + 5,
        t_unix_ns=index * SECOND_NS + 1_800_000_000 * SECOND_NS,
        missed_before=1,
        ring_used=3,
        overflow_used=1,
    )
    return Frame({p.name: pixels(p, index) for p in spec.planes}, info)


def record(recording: Recording, indexes: Iterable[int]) -> None:
    """Append these frames."""
    for index in indexes:
        recording.append(shot(recording.plan.spec, index))


def recorded_indexes(folder: Path) -> list[int]:
    """Give the index of each whole frame of a folder."""
    return [frame[0].index for _, frame in frames(folder)]


def log_column(folder: Path, name: str) -> list[str]:
    """Give a column of `frames.csv`."""
    header, *rows = (folder / "frames.csv").read_text().splitlines()
    at = header.split(",").index(name)
    return [row.split(",")[at] for row in rows]
