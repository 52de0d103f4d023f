"""Threads that compress frames, several at a time, and give them back in order.

A frame is one task. The thread that puts frames in takes them out, oldest first; it
can wait for that in a poll, and is woken when the oldest is done, by no other.
"""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Self

from ...frames import Frame
from ..plan import RecordingPlan
from .pages import Pages, Strips

MOST_THREADS = 4  # beside capture and callbacks, which want their cores too
FOR_EACH_THREAD = 2  # one under way and one to go on with


class Press:
    """A pool of threads, made once for a recording.

    Attributes:
        most: So many frames in it keep all threads busy; more are of no use.
    """

    def __init__(self, pages: Pages, threads: int = 0) -> None:
        threads = threads or min(len(os.sched_getaffinity(0)), MOST_THREADS)
        self.most = FOR_EACH_THREAD * threads
        self._pages = pages
        self._pool = ThreadPoolExecutor(threads, "press")
        self._jobs: deque[tuple[Frame, Future[Strips]]] = deque()
        self._awaited: Future[Strips] | None = None
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    @classmethod
    def of(cls, plan: RecordingPlan) -> Self | None:
        """Give the press that a recording needs; None if it compresses nothing."""
        if plan.compression.kind == "none":
            return None
        return cls(Pages(plan.spec.planes, plan.spec.fields, plan.compression))

    def __len__(self) -> int:
        """Frames that were put in and not taken out."""
        return len(self._jobs)

    def fileno(self) -> int:
        """Readable when the oldest frame is done, once `take` said it was not."""
        return self._bell

    def put(self, frame: Frame) -> None:
        """Have a frame compressed; its pixels must stay until it is taken out.

        Raises:
            FrameShapeError: It has other planes than the recording.
        """
        self._pages.check(frame)
        job = self._pool.submit(self._pages.strips, frame)
        self._jobs.append((frame, job))
        job.add_done_callback(self._ring)

    def take(self, *, wait: bool) -> tuple[Frame, Strips] | None:
        """Give the oldest frame and its strips; None if there is none, or not yet.

        Args:
            wait: Until it is done.
        """
        if not self._jobs:
            return None
        frame, job = self._jobs[0]
        if not (wait or self._is_done(job)):
            return None
        self._jobs.popleft()
        return frame, job.result()

    def close(self) -> None:
        """Forget all that is in it, and end the threads. May be called twice."""
        self._pool.shutdown(cancel_futures=True)
        self._jobs.clear()
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1

    def _is_done(self, job: Future[Strips]) -> bool:
        # First it is awaited, then looked at: it cannot be done unseen in between.
        self._awaited = job
        if job.done():
            return True
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        return job.done()

    def _ring(self, job: Future[Strips]) -> None:
        """Wake whoever waits for this job; called by the thread that did it."""
        if job is self._awaited:
            os.eventfd_write(self._bell, 1)
