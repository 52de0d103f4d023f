"""The same job without imagemp: `multiprocessing.Queue` and tifffile.

As ProcessedPiRecorder does it: one array is filled again and again and put into a
queue, whose thread pickles it when it comes to that; another process writes what
it gets. Afterwards the seqs drawn in the pages tell which frames those are.
"""

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import tifffile

from imagemp.daemon.sources.pace import Pace
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.daemon.sources.synthetic import Pattern
from imagemp.frames import AnyArray

BUFFERS = 4  # as drivers of cameras have them, 4 to 8
DRAIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the frames.

    Attributes:
        made: Frames that the source gave, or should have given.
        written: Pages in the file.
        torn: Of these, pages of two frames.
        different: Of these, frames that are no repetition of another.
        seconds: From the first frame to the last page.
    """

    made: int
    written: int
    torn: int
    different: int
    seconds: float

    @property
    def repeated(self) -> int:
        """Pages that show a frame again."""
        return self.written - self.torn - self.different

    @property
    def lost(self) -> int:
        """Frames that are in no page."""
        return self.made - self.different


def record(shape: tuple[int, ...], fps: float, frames: int, folder: Path) -> Outcome:
    """Record so many frames at this rate; the queue has no bound."""
    path = folder / "queued.tif"
    context = multiprocessing.get_context("spawn")
    queue: Queue[AnyArray | None] = context.Queue()
    ready = context.Event()
    writer = context.Process(target=write_all, args=(queue, path, ready))
    writer.start()
    try:
        ready.wait(DRAIN_S)
        began = time.perf_counter()
        made = produce(queue, shape, fps, frames)
        queue.put(None)
        writer.join(DRAIN_S)
        seconds = time.perf_counter() - began
    finally:
        writer.kill()
        writer.join()
        queue.cancel_join_thread()
        queue.close()
    outcome = Outcome(made, *counted(path, shape), seconds)
    path.unlink()
    return outcome


def produce(
    queue: "Queue[AnyArray | None]", shape: tuple[int, ...], fps: float, frames: int
) -> int:
    """Fill one array at the pace of a camera, and put it into the queue each time."""
    array = np.zeros(shape, np.uint8)
    pattern, pace, seq = Pattern(shape, array.dtype), Pace(fps), 0
    never = os.eventfd(0)
    while seq < frames:
        pace.wait(never)
        seq += pace.take_kept(BUFFERS)[1]
        pattern.draw(seq, array)
        queue.put(array)
        seq += 1
    os.close(never)
    return seq


def write_all(queue: "Queue[AnyArray | None]", path: Path, ready: Event) -> None:
    """Write what comes; runs in the other process."""
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        ready.set()
        while (frame := queue.get()) is not None:
            tiff.write(frame, contiguous=True)


def counted(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Give the pages, those that are torn, and the different frames in the rest."""
    pages, torn, seqs = 0, 0, set()
    for page in tifffile.memmap(path, mode="r").reshape(-1, *shape):
        pages += 1
        try:
            seqs.add(read_seq(page))
        except ValueError:
            torn += 1
    return pages, torn, len(seqs)
