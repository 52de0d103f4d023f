"""How much may happen in one search, and who takes part."""

from dataclasses import dataclass
from functools import cached_property

RECORD = "record"  # ours, `every`: links pages into a file that survives a crash
CALLBACK = "callback"  # ours, `every`, no memory of its own
LATEST = "latest"  # ours, `latest`
OUTSIDE = "outside"  # a stranger, `every`: may hang, may be evicted
OUTSIDE_LATEST = "outside_latest"  # a stranger, `latest`: may hang, may be evicted


@dataclass(frozen=True)
class Bounds:
    """One world to search, small enough to be searched whole.

    Attributes:
        slots: RAM slots.
        readers: One kind for each place in the ring.
        frames: How many the source gives.
        overflow: Overflow slots, numbered after the RAM slots.
        few: A frame is spilled when fewer RAM slots than this are left beside it.
        crashes: How often kill -9 strikes.
        producer_crashes: Whether it may strike the producer.
        hangs: How many outside readers may stop for good.
        waits: `when_full = "wait"` instead of `"drop"`.
        late: Places of readers that come at any time after the start.
        lazy: The producer may take a free slot without reclaiming first, and may
            reclaim while it waits for the camera.
        stalls: After its frames the source gives nothing more, and none stops it.
        mutant: The one rule that is broken, or "".
    """

    slots: int
    readers: tuple[str, ...]
    frames: int
    overflow: int = 0
    few: int = 0
    crashes: int = 0
    producer_crashes: bool = True
    hangs: int = 0
    waits: bool = False
    late: tuple[int, ...] = ()
    lazy: bool = True
    stalls: bool = False
    mutant: str = ""

    @cached_property
    def places(self) -> range:
        """The readers, by number."""
        return range(len(self.readers))

    @cached_property
    def ram_slots(self) -> range:
        """What the producer fills."""
        return range(self.slots)

    @cached_property
    def overflow_slots(self) -> range:
        """What the spill thread fills."""
        return range(self.slots, self.slots + self.overflow)

    @cached_property
    def order_length(self) -> int:
        """Entries of `order`: one for each slot is enough, one less is not."""
        if self.mutant == "order_too_small":
            return self.slots + self.overflow - 1
        if self.mutant == "order_without_overflow":
            return self.slots
        return self.slots + self.overflow

    @cached_property
    def every(self) -> tuple[int, ...]:
        """Places of readers that miss no frame."""
        return self._of(RECORD, CALLBACK, OUTSIDE)

    @cached_property
    def latest(self) -> tuple[int, ...]:
        """Places of readers that want the newest frame only."""
        return self._of(LATEST, OUTSIDE_LATEST)

    @cached_property
    def outside(self) -> tuple[int, ...]:
        """Places of strangers."""
        return self._of(OUTSIDE, OUTSIDE_LATEST)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Places that outlive their reader: a successor takes them over."""
        return self._of(RECORD, CALLBACK)

    @cached_property
    def told(self) -> tuple[int, ...]:
        """Places in the order in which they are told of a frame."""
        return self.every + self.latest

    def _of(self, *kinds: str) -> tuple[int, ...]:
        return tuple(j for j in self.places if self.readers[j] in kinds)
