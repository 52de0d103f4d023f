"""How many frames a ring can hold back for a trigger. Pure numbers.

An encoder with `pre_s` keeps the last seconds in the ring and its overflow. What it
keeps there is room that capture has not: so some is left, always.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SLACK_S = 0.5  # held beyond `pre_s`: a callback's trigger is heard so much later
LATE_S = 0.5  # of frames that find room though the encoder is late


def frames_needed(pre_s: float, fps: float) -> int:
    """Give how many frames a ring must have room for to hold so many seconds."""
    return math.ceil((pre_s + SLACK_S) * fps)


def most_held(slots: int, overflow: int, fps: float) -> int:
    """Give how many frames may be held without a loss.

    Args:
        slots: Of the ring in RAM.
        overflow: Further ones.
        fps: 0: not known.
    """
    return max(0, slots + overflow - spare(slots, overflow, fps))


def spare(slots: int, overflow: int, fps: float) -> int:
    """Give how many slots are left to capture: a quarter, or what comes in LATE_S."""
    if not fps:
        return math.ceil((slots + overflow) / 4)
    return max(math.ceil(slots / 4), math.ceil(LATE_S * fps))


def rate(fps: float, schedule: Mapping[str, Any] | None) -> float:
    """Give how many frames a second are taken; 0 if that is not known.

    Args:
        fps: Of the source; 0: not known.
        schedule: None: all of them are.
    """
    if schedule is None:
        return fps
    every_s = schedule.get("every_s")
    return min(fps or 1 / every_s, 1 / every_s) if every_s else 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """What there is of a ring, in frames, and what was asked for.

    Attributes:
        stride: Bytes from one slot to the next.
    """

    slots: int
    overflow: int
    stride: int
    when_full: str
    kind: str


def lack_of_room(pre_s: float, fps: float, room: Room) -> tuple[str, str] | None:
    """Say why so many seconds cannot be held, and what would help.

    Where the rate is not known, as much is held as fits.
    """
    needed, most = frames_needed(pre_s, fps), most_held(room.slots, room.overflow, fps)
    if not fps or needed <= most:
        return None
    more = needed + spare(room.slots, 0, fps) - room.slots
    size = f'overflow_size = "{-(-more * room.stride // 2**20)} MiB"'
    hint = f"set ring.{size}"
    if room.when_full == "wait":
        slots = max(-(-needed * 4 // 3), needed + spare(0, 0, fps))
        hint = f"set ring.slots = {slots}"
    elif room.kind == "none":
        hint = f'set ring.overflow = "memory" and ring.{size}'
    problem = f"{pre_s:g} s at {fps:g} fps are {needed} frames to hold, {most} fit"
    return problem, f"{hint}, or a smaller pre_s"
