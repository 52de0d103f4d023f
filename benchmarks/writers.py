"""Frames to a file, by imagemp and by others, all in this process.

Each writes the same frames, and tells how long it took and what CPU time all
threads of this process used. What it wrote goes away with it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import tifffile

from imagemp.frames import AnyArray, Frame, FrameInfo, spec_of
from imagemp.recording.plan import Compression, RecordingPlan, SegmentLimits
from imagemp.recording.syncing import SyncThread
from imagemp.recording.tiff.codec import Codec
from imagemp.recording.writer import Recording

TMPFS, DISK = Path("/dev/shm"), Path("/var/tmp")  # noqa: S108 - folders of their own
SYNC_MS = 200  # the default of `encoder.sync_ms`
RING = 32  # different frames, used in turn: as many as a ring has slots
ONE_FILE = SegmentLimits(0, 0, 0)


@dataclass
class Took:
    """What writing a number of frames took.

    Attributes:
        frames: How many.
        wall_s: Until the last was written; on the disk: until it was there.
        cpu_s: Of all threads.
        nbytes: What was written.
    """

    frames: int
    wall_s: float = 0.0
    cpu_s: float = 0.0
    nbytes: int = 0

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / self.wall_s

    @property
    def cpu_us(self) -> float:
        """CPU time of a frame, microseconds."""
        return self.cpu_s / self.frames * 1e6

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take the time of what is within."""
        wall, cpu = perf_counter(), process_time()
        yield
        self.wall_s, self.cpu_s = perf_counter() - wall, process_time() - cpu


def scenes(shape: tuple[int, ...], n: int, sigma: float = 2.0) -> list[Frame]:
    """Give n frames, structure plus noise; after RING of them they come again."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    smooth = (120 + 60 * np.sin(x / 40) + 50 * np.cos(y / 55)).reshape(
        (*shape[:2], *(1 for _ in shape[2:]))
    )
    pictures = [
        (smooth + random.normal(0, sigma, shape)).clip(0, 255).astype("u1")
        for _ in range(min(RING, n))
    ]
    return [frame(pictures[index % RING], index) for index in range(n)]


def frame(picture: AnyArray, index: int) -> Frame:
    """Give a frame as a ring does: read-only, and with its numbers."""
    picture.flags.writeable = False
    at = index * 1_000_000
    info = FrameInfo(seq=index, index=index, t_sensor_ns=at, t_unix_ns=at)
    return Frame({"image": picture}, info)


@contextmanager
def folder_in(parent: Path) -> Iterator[Path]:
    """Give a folder that goes away."""
    made = tempfile.mkdtemp(prefix="imagemp-", dir=parent)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made)


def ours(
    frames: Sequence[Frame], parent: Path = TMPFS, compression: str = "none"
) -> Took:
    """Record: pages, frame log and sync thread, as an encoder does."""
    chosen = Compression(compression)  # type: ignore[arg-type]
    spec, took = spec_of(frames[0].planes), Took(len(frames))
    plan = RecordingPlan(spec, limits=ONE_FILE, sync_ms=SYNC_MS, compression=chosen)
    with folder_in(parent) as folder:
        recording = Recording.create(folder, plan)
        with took.timed():
            record(recording, frames)
            if parent is DISK:
                recording.close()
        recording.close()
        took.nbytes = recording.bytes_written
    return took


def record(recording: Recording, frames: Sequence[Frame]) -> None:
    """Record frames, as many in flight as keep all threads busy."""
    most = recording.most_in_flight
    for one in frames:
        while 0 < most <= recording.in_flight:
            recording.settle(wait=True)
        recording.submit(one)
    while recording.settle(wait=True) is not None:
        pass


def written(frames: Sequence[Frame], parent: Path = TMPFS) -> Took:
    """The limit: `os.write` of the pixels; on the disk `fdatasync` now and then."""
    took = Took(len(frames))
    with folder_in(parent) as folder:
        fd = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY)
        syncing = SyncThread(partial(os.fdatasync, fd), SYNC_MS / 1000)
        with took.timed():
            for one in frames:
                took.nbytes += os.write(fd, one.image.data)
                syncing.mark()
            if parent is DISK:
                syncing.close()
                os.fdatasync(fd)
        syncing.close()
        os.close(fd)
    return took


def coded(
    frames: Sequence[Frame], compression: str, parent: Path | None = None
) -> Took:
    """The bare codec, in one thread; with a parent its bytes are written as well."""
    (plane,) = spec_of(frames[0].planes).planes
    codec = Codec(plane, Compression(compression))  # type: ignore[arg-type]
    took = Took(len(frames))
    with folder_in(parent or TMPFS) as folder:
        fd = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY)
        with took.timed():
            for one in frames:
                strip = codec.strip(one.image.reshape(-1))
                took.nbytes += len(strip)
                if parent is not None:
                    os.writev(fd, [strip])  # type: ignore[list-item]
        os.close(fd)
    return took


def by_tifffile(
    frames: Sequence[Frame], compression: str | None = None, *, contiguous: bool = False
) -> Took:
    """What tifffile writes; contiguous: no frame is in the file until the end."""
    took = Took(len(frames))
    with folder_in(TMPFS) as folder:
        path = folder / "frames.tif"
        colour = "rgb" if frames[0].image.ndim == 3 else "minisblack"
        with took.timed(), tifffile.TiffWriter(path, bigtiff=True) as tiff:
            for one in frames:
                tiff.write(
                    one.image,
                    photometric=colour,
                    compression=compression,
                    contiguous=contiguous,
                    metadata=None,
                )
        took.nbytes = path.stat().st_size
    return took
