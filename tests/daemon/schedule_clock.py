"""A schedule on a clock that the tests turn."""

from collections.abc import Iterable

import msgspec

from imagemp.config import ScheduleConfig
from imagemp.daemon.schedule import Schedule

MS = 1_000_000
SECOND = 1000 * MS
START = 7_000 * SECOND


def begun(plan: Iterable[object] | None = None, /, **keys: object) -> Schedule:
    """Give a schedule of these keys that has begun at `START`."""
    schedule = Schedule.from_config(msgspec.convert(keys, ScheduleConfig), plan)
    schedule.begin(START)
    return schedule


def taken(schedule: Schedule, times_ns: list[int]) -> list[int]:
    """Give those of the frames, in ns after `START`, that are wanted."""
    return [t for t in times_ns if schedule.due(START + t)]
