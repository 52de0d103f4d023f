"""A reader's counters, as the producer holds them."""

import os
from dataclasses import dataclass


@dataclass(slots=True)
class Seated:
    """The counters of one place, and its cell."""

    place: int
    cell: int
    ready: int
    done: int
    evicted: int  # -1: never evicted
    every: bool

    def close(self) -> None:
        """Close this end of the counters."""
        for fd in (self.ready, self.done, self.evicted):
            if fd >= 0:
                os.close(fd)
