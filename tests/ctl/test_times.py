"""Times and reports, as people write and read them."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from imagemp.ctl.reports import done_part, left_s, metrics_line
from imagemp.ctl.times import length, moment

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("10:30", "2026-11-20T10:30:00+01:00"),
        ("10:14:59", "2026-11-21T10:14:59+01:00"),
        ("2026-11-20T10:30:00Z", "2026-11-20T10:30:00+00:00"),
        ("2026-11-20T10:30", "2026-11-20T10:30:00+01:00"),
    ],
)
def test_a_time_without_a_zone_is_local_and_a_time_of_day_is_the_next(
    text: str, when: str
) -> None:
    assert moment(text, NOW).isoformat() == when


@pytest.mark.parametrize("text", ["soon", "25:00", "", "2026-11-20T09:00:00+01:00"])
def test_a_time_that_is_none_or_has_passed_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"is no time|has passed"):
        moment(text, NOW)


def test_a_time_in_another_zone_may_still_come() -> None:
    assert moment("2026-11-20T09:30:00Z", NOW).astimezone(UTC).hour == 9


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0:00"), (65, "1:05"), (7200, "2:00:00")]
)
def test_lengths_read_like_a_clock(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("body", "part", "left"),
    [
        ({"duration_s": 100, "elapsed_s": 25.0}, 0.25, 75.0),
        ({"frames": 100, "counts": {"captured": 50}, "fps": 10.0}, 0.5, 5.0),
        ({"duration_s": 10, "elapsed_s": 11.0}, 1.0, 0.0),
        ({"elapsed_s": 5.0}, None, None),
        ({}, None, None),
    ],
)
def test_what_is_done_and_left_follows_time_or_frames_whichever_ends_first(
    body: dict[str, Any], part: float | None, left: float | None
) -> None:
    assert (done_part(body), left_s(body)) == (part, left)


def test_a_report_without_fields_is_still_a_line() -> None:
    assert metrics_line("metrics.cam0", {}) == "cam0: 0 frames, dropped 0, missed 0"
