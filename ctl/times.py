"""Times as people write them: `60`, `90s`, `5m`, `1h`; `10:30`, `2026-11-20T10:30Z`."""

import math
import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)", re.ASCII)


def duration_s(text: str) -> float:
    """Read a duration, more than nothing, and give its seconds.

    Raises:
        ArgumentTypeError: It is none.
    """
    match = DURATION.fullmatch(text)
    seconds = float(match[1]) * UNITS_S[match[2]] if match else 0.0
    if seconds <= 0 or not math.isfinite(seconds):
        raise ArgumentTypeError(f"{text!r} is no duration, expected 60, 90s, 5m or 1h")
    return seconds


def moment(text: str, now: "datetime") -> "datetime":
    """Read a time of day, the next one after `now`, or a date and time.

    Args:
        text: ISO 8601; without a zone it is local time.
        now: With a zone.

    Raises:
        ArgumentTypeError: It is no time, or it has passed.
    """
    from datetime import datetime, timedelta  # 3 ms that `status` does not need

    is_time_of_day = re.fullmatch(r"\d\d:\d\d(:\d\d)?", text) is not None
    full = f"{now.date().isoformat()}T{text}" if is_time_of_day else text
    try:
        when = datetime.fromisoformat(full)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is no time, expected 10:30 or 2026-11-20T10:30:00Z"
        ) from None
    when = when if when.tzinfo else when.replace(tzinfo=now.tzinfo)
    if is_time_of_day and when <= now:
        when += timedelta(days=1)
    if when <= now:
        raise ArgumentTypeError(f"{text!r} has passed")
    return when


def length(seconds: float) -> str:
    """Give a length of time for people, `1:05`, `2:00:00`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
