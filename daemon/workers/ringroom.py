"""How many frames a reader may hold in a ring without costing capture one."""

from imagemp.config.holding import most_held
from imagemp.ring.feed import Feed
from imagemp.ring.layout import GRABBED, PUBLISHED, PUBLISHED0, RING_USED

STALL_S = 0.05  # where no rate is known


class RingRoom:
    """Watches how full the ring is that a feed reads.

    Two things can run short: places, ring and overflow together; and slots in RAM,
    which all frames pass through on their way to overflow. If the spill thread is slow
    there, what is held in RAM has to give way.

    Args:
        feed: Its newest epoch is the one that capture fills.
        is_armed: Holds much; if not, half of the RAM slots have to be enough.
    """

    def __init__(self, feed: Feed, *, is_armed: bool) -> None:
        self._feed, self._is_armed = feed, is_armed
        self._grabbed = -1  # when it was looked at last
        self._lacking = 0  # RAM slots that are to come free
        self._last = (-1, 0.0)  # how many frames were grabbed, and since when

    @property
    def most(self) -> int:
        """How many frames may wait in the ring, taken or not."""
        if (segment := self._feed.newest) is None:
            return 0
        geometry = segment.geometry
        if not self._is_armed:
            return max(1, geometry.slots // 2)
        fps = self._feed.fps
        return max(1, most_held(geometry.slots, geometry.overflow, fps))

    def must_give(self, index: int) -> bool:
        """Whether this frame, the oldest that is held, has to go."""
        if (segment := self._feed.newest) is None:
            return False
        cells, geometry = segment.cells, segment.geometry
        oldest = max(index, cells[PUBLISHED0])
        if cells[PUBLISHED] - oldest > self.most:
            return True
        if geometry.overflow and cells[GRABBED] != self._grabbed:
            self._grabbed = cells[GRABBED]
            free = geometry.slots - cells[RING_USED]
            short = -(-geometry.slots // 4)
            self._lacking = short if free < short // 2 else 0
        if not self._lacking:
            return False
        is_in_ram = segment.order[oldest & geometry.mask] < geometry.slots
        self._lacking -= is_in_ram
        return True

    def patience_s(self, now: float) -> float | None:
        """How long to wait for the next frame where RAM may run short meanwhile.

        Frames are published once they are in overflow. If they are stuck on the way,
        nobody wakes who holds the slots that they need.
        """
        if (segment := self._feed.newest) is None:
            return None
        cells, geometry = segment.cells, segment.geometry
        short = -(-geometry.slots // 4)
        if not geometry.overflow or geometry.slots - cells[RING_USED] > short:
            return None
        if cells[GRABBED] != self._last[0]:
            self._last = int(cells[GRABBED]), now
        fps = self._feed.fps
        wait_s = max(1, short // 2) / fps if fps else STALL_S
        left_s = self._last[1] + wait_s - now
        return left_s if left_s > 0 else None  # none is grabbed: there is no hurry
