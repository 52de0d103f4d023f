"""A camera that hangs, wherever it does, is started anew, and the gap is counted."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagemp.daemon.silence import limit_s
from imagemp.errors import ControlError
from tests.running import Daemon

from .test_faults import EVENTS, METRICS, captured, daemon_of, stop
from .test_recording import begin, check_agreement, listening, record, wait_for

HANGING = """
import signal
import time
from pathlib import Path

from imagemp.daemon.sources.pace import Pace
from imagemp.daemon.sources.synthetic import SyntheticSource


class Hanging(SyntheticSource):
    '''Slow to begin; falls silent once, at its frame 50, deaf to everything.'''

    def grab(self, wake):
        if self.grabbed == 0:
            time.sleep(0.2)
        if self.grabbed == 50 and not self.first_seq:
            signal.pause()
        return super().grab(wake)


class Slowed(SyntheticSource):
    '''Has a rate that may be set.'''

    def set_controls(self, controls):
        self.fps = controls["FrameRate"]
        self.pace = Pace(self.fps)


class Opening(SyntheticSource):
    '''Hangs when it is opened, as long as a file is there.'''

    def open(self):
        while Path("{folder}/hang").exists():
            signal.pause()
        return super().open()


class Closing(SyntheticSource):
    '''Hangs when it is closed.'''

    def close(self):
        if self.grabbed:
            signal.pause()
"""
CONFIG = """
[pipelines.cam0]
source = {{ kind = "{folder}/hanging.py:{kind}", width = 64, height = 48, fps = 200 }}
ring = {{ slots = 64, overflow_size = "64 MiB", when_full = "{when_full}" }}
encoder = {{}}
"""


@pytest.mark.parametrize(
    ("fps", "seen", "limit"), [(30, 1, 2.0), (1, 1, 10.0), (0, 1, 10.0), (30, 0, 10.0)]
)
def test_a_slow_camera_and_a_first_frame_may_take_longer(
    fps: float, seen: int, limit: float
) -> None:
    assert limit_s(fps, seen) == limit


@contextmanager
def daemon_with(tmp_path: Path, kind: str, when_full: str = "drop") -> Iterator[Daemon]:
    """Run a daemon whose source is of this kind."""
    (tmp_path / "hanging.py").write_text(HANGING.replace("{folder}", str(tmp_path)))
    toml = CONFIG.format(folder=tmp_path, when_full=when_full, kind=kind)
    with daemon_of(tmp_path, toml) as daemon:
        yield daemon


def test_a_silent_source_is_aborted_and_goes_on_after_a_gap(tmp_path: Path) -> None:
    with (
        daemon_with(tmp_path, "Hanging") as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        told = wait_for(telemetry, EVENTS, lambda m: m["name"] == "source_silent")
        died = wait_for(telemetry, EVENTS, lambda m: m["name"] == "worker_died")
        wait_for(telemetry, METRICS, captured(80))
        stop(daemon)
        left = check_agreement(daemon)
        log = daemon.log.read_text()

    assert told["details"] == {"seconds": 2.0}
    assert died["details"] == {"worker": "capture", "code": -signal.SIGABRT}
    assert "in grab" in log
    assert left.seqs == list(range(left.counts.captured))
    assert left.counts.missed["capture_restart"] > 2 * 200


@pytest.mark.system
def test_a_source_that_falls_silent_between_two_deadlines_is_aborted(
    tmp_path: Path,
) -> None:
    with (
        daemon_with(tmp_path, "Hanging") as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon, "schedule.times_s=[0, 3600]")  # it hangs at 0.25 s
        told = wait_for(telemetry, EVENTS, lambda m: m["name"] == "source_silent")
        wait_for(telemetry, EVENTS, lambda m: m["name"] == "worker_died")
        before = wait_for(telemetry, METRICS, gives_frames)["not_wanted"]
        wait_for(telemetry, METRICS, lambda m: m["not_wanted"] > before + 80)
        stop(daemon)

    assert told["details"] == {"seconds": 2.0}


@pytest.mark.system
def test_a_camera_whose_rate_was_set_to_a_frame_in_three_seconds_is_not_silent(
    tmp_path: Path,
) -> None:
    with (
        daemon_with(tmp_path, "Slowed") as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        daemon.call("camera.set", controls={"FrameRate": 0.33})
        report = wait_for(telemetry, METRICS, lambda m: m["target_fps"] == 0.33)
        before = report["counts"]["captured"]
        wait_for(telemetry, METRICS, captured(before + 2))
        stop(daemon)
        left = check_agreement(daemon)

    told = [event["name"] for event in left.manifest.events]
    assert not {"source_silent", "worker_died"} & set(told)


@pytest.mark.system
def test_a_source_that_waits_for_its_readers_is_not_silent(tmp_path: Path) -> None:
    with (
        daemon_with(tmp_path, "Hanging", "wait") as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        with pytest.raises(AssertionError, match="not within"):
            wait_for(telemetry, EVENTS, lambda m: m["name"] == "source_silent", 3.0)
        stop(daemon)


@pytest.mark.system
def test_a_source_that_hangs_when_it_is_closed_costs_the_next_session_nothing(
    tmp_path: Path,
) -> None:
    with daemon_with(tmp_path, "Closing") as daemon:
        first = record(daemon, frames=10)
        second = record(daemon, frames=10)  # waits for the first to be aborted
        log = daemon.log.read_text()

    assert first["state"] == second["state"] == "complete"
    assert first["counts"]["captured"] == second["counts"]["captured"] == 10
    assert "does not close its source: aborted" in log
    assert "in close" in log


@pytest.mark.system
@pytest.mark.parametrize("is_on", [False, True])
def test_a_source_that_hangs_when_it_is_opened_is_aborted(
    tmp_path: Path, is_on: bool
) -> None:
    hang = tmp_path / "hang"
    with (
        daemon_with(tmp_path, "Opening") as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        if is_on:
            begin(daemon)
            hang.touch()
            daemon.signal("capture", signal.SIGKILL)
            wait_for(telemetry, EVENTS, lambda m: m["name"] == "open_hangs", 40.0)
        else:
            hang.touch()
            with pytest.raises(ControlError, match="does not open within 30") as told:
                begin(daemon)
            assert told.value.code == "E_CAMERA"
        hang.unlink()
        if not is_on:
            begin(daemon)
        wait_for(telemetry, METRICS, captured(100))
        stop(daemon)
        left = check_agreement(daemon)

    assert left.manifest.state == "complete"
    assert ("capture_restart" in left.counts.missed) == is_on
    assert "in open" in daemon.log.read_text()


def gives_frames(report: dict[str, Any]) -> bool:
    """Tell whether a report is of a session whose camera is there."""
    return bool(report["fps"] > 0 or report["not_wanted"] > 0)
