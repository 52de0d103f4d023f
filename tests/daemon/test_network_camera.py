"""A camera that is unplugged and comes back: events, a counted gap, no crash.

The camera is a real server of JPEG frames, each with its number. Not proven: a USB
camera that is pulled out; its driver is played in sources/test_opencv.py.
"""

import csv
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from imagemp.errors import ControlError
from imagemp.recording.manifest import read_manifest
from imagemp.recording.reading import frames, read_pixels
from tests.running import running

from .mjpeg import NetworkCamera, read_number
from .test_faults import LONG_S, captured, stop
from .test_recording import (
    METRICS,
    accounts,
    begin,
    listening,
    newest,
    record,
    wait_for,
)

EVENTS = "event.cam0"
FPS = 50
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = {{ kind = "opencv", device = "{url}", fps = 50 }}
encoder = {{}}
"""


def called(name: str) -> Callable[[dict[str, Any]], bool]:
    """Make a predicate of an event."""
    return lambda event: bool(event["name"] == name)


def numbers_of(folder: Path) -> list[int]:
    """Read the number in each page."""
    return [read_number(read_pixels(file, page[0])) for file, page in frames(folder)]


def check_gaps(folder: Path, rows: list[dict[str, str]]) -> int:
    """Compare pixels and rows; give how many frames are missed by the rows.

    Within an epoch the numbers are without a gap; where the rows say that frames
    were missed, there are as many as the clock says.
    """
    numbers, told = numbers_of(folder), 0
    assert [int(row["seq"]) for row in rows] == list(range(len(numbers)))
    for (a, b), (before, row) in zip(pairwise(numbers), pairwise(rows), strict=True):
        missed = int(row["missed_before"])
        passed = int(row["t_sensor_ns"]) - int(before["t_sensor_ns"])
        assert missed == (round(passed * FPS / 1e9) - 1 if b - a > 1 else 0)
        told += missed
    return told


@pytest.mark.parametrize(
    "is_silent", [False, pytest.param(True, marks=pytest.mark.system)]
)
def test_a_camera_that_goes_away_and_comes_back_costs_the_gap_alone(
    tmp_path: Path, is_silent: bool
) -> None:
    with (
        NetworkCamera(FPS) as camera,
        running(tmp_path / "d", CONFIG.format(url=camera.url)) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(20), LONG_S)
        if is_silent:
            camera.fall_silent()
            wait_for(telemetry, EVENTS, called("source_silent"), LONG_S)
        else:
            camera.unplug()
            wait_for(telemetry, EVENTS, called("source_failed"), LONG_S)
            wait_for(telemetry, EVENTS, called("failed"), LONG_S)  # it is not there
            camera.plug_in()
        wait_for(telemetry, EVENTS, called("capture_back"), LONG_S)
        wait_for(telemetry, METRICS, captured(60), LONG_S)
        ended = stop(daemon)
        path = newest(daemon)

    manifest, rows = read_manifest(path), rows_of(path)
    missed = manifest.counts["missed"]["capture_restart"]
    assert ended["state"] == "complete"
    assert accounts(manifest.counts).broken() == []
    back = [e for e in manifest.events if e["name"] == "capture_back"]
    assert sum(e["missed"]["capture_restart"] for e in back) == missed
    assert check_gaps(path, rows) == missed > 0
    assert "no stream there" in str(manifest.events) or is_silent


@pytest.mark.system
def test_a_camera_that_is_not_there_at_the_start_is_refused_and_may_come_later(
    tmp_path: Path,
) -> None:
    with (
        NetworkCamera(FPS) as camera,
        running(tmp_path / "d", CONFIG.format(url=camera.url)) as daemon,
    ):
        camera.unplug()
        with pytest.raises(ControlError, match="no stream there") as refused:
            begin(daemon)
        camera.plug_in()
        ended = record(daemon, frames=10)
        path = newest(daemon)

    assert refused.value.code == "E_CAMERA"
    assert ended["counts"]["captured"] == 10
    numbers = numbers_of(path)
    assert numbers == list(range(numbers[0], numbers[0] + 10))


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Read frames.csv."""
    with (folder / "frames.csv").open(newline="") as log:
        return list(csv.DictReader(log))
