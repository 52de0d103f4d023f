"""What the tests of sources stand on: a clock to turn, a wake, a slot."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imagemp.daemon.sources.base import EndOfSource, Grab, Source
from imagemp.daemon.sources.pace import Clock
from imagemp.frames import AnyArray, Frame, FrameInfo, FrameLayout
from imagemp.spec import FrameSpec

SECOND_NS = 1_000_000_000
QUIET, _KEEP_OPEN = os.pipe()  # a wake that is never readable


class HandClock(Clock):
    """Stands still but for `wait`, and for whoever turns it."""

    def __init__(self, at_ns: int = 1_000 * SECOND_NS) -> None:
        self.at_ns = at_ns

    def now(self) -> int:
        return self.at_ns

    def wait(self, until_ns: int, wake: int) -> bool:
        self.at_ns = max(self.at_ns, until_ns)
        return super().wait(self.at_ns, wake)


def slot(spec: FrameSpec) -> Frame:
    """Give a frame to retrieve into, full of 170."""
    layout = FrameLayout.of(spec)
    memory = np.full(layout.nbytes, 170, np.uint8)
    return Frame(layout.views(memory), FrameInfo())


def grabs(source: Source, count: int) -> list[Grab]:
    """Grab this many times."""
    given = [source.grab(QUIET) for _ in range(count)]
    return [grab for grab in given if grab is not None]


def frames(source: Source, limit: int = 10_000) -> Iterator[Frame]:
    """Open a source and give copies of its frames until it ends; close it."""
    frame = slot(source.open())
    try:
        for _ in range(limit):
            source.grab(QUIET)
            source.retrieve(frame)
            yield frame.copy()
    except EndOfSource:
        return
    finally:
        source.close()


def images(source: Source, limit: int = 10_000) -> list[Any]:
    """Give the images of all its frames."""
    return [frame.image for frame in frames(source, limit)]


@contextmanager
def woken() -> Iterator[int]:
    """Give a wake that is readable."""
    wake = os.eventfd(1)
    try:
        yield wake
    finally:
        os.close(wake)


def write_video(path: Path, stack: AnyArray) -> None:
    """Write a lossless video."""
    grey = stack.ndim == 3
    options = [
        *(cv2.VIDEOWRITER_PROP_IS_COLOR, 0 if grey else 1),
        *(cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U if stack.itemsize == 2 else cv2.CV_8U),
    ]
    size = (stack.shape[2], stack.shape[1])
    code = cv2.VideoWriter.fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 20.0, size, options)
    for image in stack:
        writer.write(image if grey else np.ascontiguousarray(image[..., ::-1]))
    writer.release()
