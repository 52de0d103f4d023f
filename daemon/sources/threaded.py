"""Makes a source that blocks in C answer to `wake`.

Its `grab` runs in a thread that does nothing else; the capture thread waits on
an eventfd and on `wake`. A grab under way when `wake` came is kept.
"""

import logging
import os
import select
import threading
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any

from imagemp.frames import Frame
from imagemp.spec import FrameSpec

from .base import Grab, Source

log = logging.getLogger(__name__)
CLOSE_S = 2.0  # what a grab under way gets to return
_NEVER = -1  # a wake that is never readable


class Threaded(Source):
    """A source whose `grab` can be interrupted, over one whose cannot."""

    def __init__(self, inner: Source) -> None:
        super().__init__(inner.settings)
        self._inner = inner
        self.is_live = inner.is_live
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._given: SimpleQueue[Grab | Exception | None] = SimpleQueue()
        self._is_given = os.eventfd(0, os.EFD_CLOEXEC)
        self._under_way = self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="grab", daemon=True)

    def open(self) -> FrameSpec:
        self._inner.first_seq = self.first_seq
        spec = self._inner.open()
        self.fps, self.notes = self._inner.fps, self._inner.notes
        self._thread.start()
        return spec

    def grab(self, wake: int) -> Grab | None:
        if not self._under_way:
            self._asked.put(True)
            self._under_way = True
        poll = select.poll()
        poll.register(self._is_given, select.POLLIN)
        poll.register(wake, select.POLLIN)
        if all(fd != self._is_given for fd, _ in poll.poll()):
            return None
        os.eventfd_read(self._is_given)
        self._under_way = False
        given = self._given.get()
        if isinstance(given, Exception):
            raise given
        return given

    def retrieve(self, frame: Frame) -> None:
        self._inner.retrieve(frame)

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        self._inner.set_controls(controls)
        self.fps = self._inner.fps

    def close(self) -> None:
        """Close the inner source; one that hangs in `grab` is left behind.

        OpenCV does not survive being closed by one thread while another grabs.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._asked.put(False)
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            log.warning("source: hangs in grab, not closed")
            return
        self._inner.close()
        os.close(self._is_given)

    def _run(self) -> None:
        while self._asked.get():
            try:
                given: Grab | Exception | None = self._inner.grab(_NEVER)
            except Exception as error:  # noqa: BLE001 - raised in the other thread
                given = error
            self._given.put(given)
            os.eventfd_write(self._is_given, 1)
