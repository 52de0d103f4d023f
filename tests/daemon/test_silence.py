"""A camera that gives no more frames is started anew, and the gap is counted."""

import signal
from pathlib import Path

import pytest

from imagemp.daemon.silence import limit_s

from .test_faults import EVENTS, METRICS, captured, daemon_of, stop
from .test_recording import begin, check_agreement, listening, wait_for

HANGING = """
import signal
import time

from imagemp.daemon.sources.synthetic import SyntheticSource


class Hanging(SyntheticSource):
    '''Slow to begin; falls silent once, at its frame 50, deaf to everything.'''

    def grab(self, wake):
        if self.grabbed == 0:
            time.sleep(0.2)
        if self.grabbed == 50 and not self.first_seq:
            signal.pause()
        return super().grab(wake)
"""
CONFIG = """
[pipelines.cam0]
source = {{ kind = "{folder}/hanging.py:Hanging", width = 64, height = 48, fps = 200 }}
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


def test_a_silent_source_is_aborted_and_goes_on_after_a_gap(tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    toml = CONFIG.format(folder=tmp_path, when_full="drop")
    with (
        daemon_of(tmp_path, toml) as daemon,
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
