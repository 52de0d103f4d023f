"""How much a recording may still write: a floor of free space, and a quota. Pure.

The floor is of the file system and is left to others; the quota is of a pipeline's
folder, over all its sessions and encoders. Both are kept by stopping in time: what
is on its way to the disk counts as written.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import format_size
from ..errors import DiskError

DISK_LOW, QUOTA = "disk_low", "quota"  # reasons for which a session ends


class NoRoomError(DiskError):
    """A floor or a quota is reached. Nothing was lost by it.

    Attributes:
        reason: `disk_low` or `quota`.
        details: The numbers, for an event.
    """

    def __init__(
        self, message: str, hint: str, reason: str, details: dict[str, Any]
    ) -> None:
        super().__init__(message, hint)
        self.reason, self.details = reason, details


@dataclass(frozen=True, slots=True)
class Room:
    """What there is at one instant, in bytes.

    Attributes:
        free: On the file system, for those who are not root.
        used: By the pipeline's sessions; 0 where no quota asks for it.
        to_disk: On their way to the disk, whoever writes them.
        to_folder: On their way to those sessions.
    """

    free: int
    used: int = 0
    to_disk: int = 0
    to_folder: int = 0


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What a recording must leave; 0 is no limit.

    Attributes:
        keep_free: Bytes of the file system that stay free.
        quota: Bytes that all sessions of the pipeline may have together.
        delete_oldest: The oldest complete sessions go before the quota ends a
            recording.
    """

    keep_free: int = 0
    quota: int = 0
    delete_oldest: bool = False

    def left(self, room: Room) -> int:
        """Give the bytes that may still be written, what is on its way included."""
        lefts = [room.free - self.keep_free]
        if self.quota:
            lefts.append(self.quota - room.used)
        return max(0, min(lefts))

    def shortage(self, room: Room) -> str:
        """Say which limit is reached: `disk_low`, `quota`, or "" for none."""
        if self.keep_free and room.free - room.to_disk < self.keep_free:
            return DISK_LOW
        if self.quota and room.used + room.to_folder >= self.quota:
            return QUOTA
        return ""

    def refusal(self, reason: str, room: Room, folder: Path) -> NoRoomError:
        """Put a shortage into words."""
        if reason == DISK_LOW:
            return NoRoomError(
                f"encoder.keep_free: {format_size(room.free)} are free on {folder}, "
                f"{format_size(self.keep_free)} are to stay free"
                + _coming(room.to_disk),
                "make room there, or lower encoder.keep_free",
                reason,
                {
                    "free": room.free,
                    "keep_free": self.keep_free,
                    "ahead": room.to_disk,
                },
            )
        kept = "; no complete session is left to delete" if self.delete_oldest else ""
        return NoRoomError(
            f"encoder.quota: the sessions in {folder} have {format_size(room.used)}, "
            f"the quota is {format_size(self.quota)}{_coming(room.to_folder)}{kept}",
            "delete sessions, raise encoder.quota, or set "
            'encoder.quota_action = "delete-oldest"',
            reason,
            {"used": room.used, "quota": self.quota, "ahead": room.to_folder},
        )


class FillRate:
    """Bytes a second by which a disk or a folder fills up, as far as it can be told.

    Its own part is what was written, but no more than the source can give: what has
    piled up is counted by itself. What others write shows in the free space; as they
    may take a lot at once, of two looks in a row the smaller counts.
    """

    def __init__(self) -> None:
        self._at = self._others = 0.0
        self._written = self._free = 0

    def take(self, now: float, written: int, free: int, expected: float) -> float:
        """Give the rate since the last call.

        Args:
            now: A monotonic clock, seconds.
            written: Bytes of the recording so far.
            free: Of the file system, or of the quota.
            expected: What the source can give; 0 if that is not known.
        """
        is_first, passed = not self._at, now - self._at
        grown, fallen = written - self._written, self._free - free
        self._at, self._written, self._free = now, written, free
        if is_first or passed <= 0:
            return expected
        own, others = grown / passed, max(0.0, (fallen - grown) / passed)
        steady, self._others = min(others, self._others), others
        return (min(own, expected) if expected else own) + steady


def _coming(nbytes: int) -> str:
    return f" ({format_size(nbytes)} are on their way)" if nbytes else ""
