"""A reader in a process of its own, for `test_stress`.

    python -m tests.ring.stress_reader POLICY MEMORY READY DONE EVICTED LINK LOG

`every` is a recorder: it logs a frame, then releases it. Strangers (EVICTED is not
-1) copy. LINK tells where the stream ends, and hears what came of it.
"""

import os
import select
import socket
import struct
import sys
from collections.abc import Sequence

import numpy as np

from imagemp.errors import Evicted
from imagemp.frames import Frame
from imagemp.ring.reader import EveryReader, LatestReader, Reader
from imagemp.ring.segment import Segment
from imagemp.spec import FrameSpec

SPEC = FrameSpec.image((4096,), "<u8")  # 32 KiB, each word of it the seq
ENTRY = struct.Struct("<3Q")  # index, seq, torn


class Witness:
    """Takes frames until the end, and looks at each of them closely."""

    def __init__(self, policy: str, fds: Sequence[int], log: int) -> None:
        memory, ready, done, evicted, link = fds
        kind = EveryReader if policy == "every" else LatestReader
        self.reader: Reader = kind(Segment.attach(memory), SPEC, ready, done, evicted)
        self.link, self.log = socket.socket(fileno=link), log
        self.poll = select.poll()
        for fd in (ready, link, evicted):
            if fd >= 0:
                self.poll.register(fd, select.POLLIN)

    def run(self) -> bool:
        """Read to the end; False if evicted before."""
        try:
            while not self.reader.is_finished:
                self.poll.poll()
                self._hear()
                self._take()
        except Evicted:
            return False
        return True

    def _hear(self) -> None:
        if select.select([self.link], [], [], 0)[0]:
            told = self.link.recv(64)
            if not told:
                sys.exit("the supervisor is gone")
            self.reader.finish(int(told))

    def _take(self) -> None:
        while (frame := self.reader.take()) is not None:
            seen = self.reader.copy(frame) if self.reader.evicted >= 0 else frame
            torn = is_torn(seen) or is_torn(seen)  # nor does it change
            os.write(self.log, ENTRY.pack(frame.info.index, frame.info.seq, torn))
            self.reader.release(frame)


def is_torn(frame: Frame) -> bool:
    """Say whether a frame is not all of one piece."""
    return bool((frame.image != np.uint64(frame.info.seq)).any())


def main(arguments: Sequence[str]) -> None:
    """Run the command line."""
    policy, *numbers = arguments
    *fds, log = map(int, numbers)
    witness = Witness(policy, fds, log)
    witness.link.send(b"finished" if witness.run() else b"evicted")


if __name__ == "__main__":
    main(sys.argv[1:])
