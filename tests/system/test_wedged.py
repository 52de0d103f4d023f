"""A camera whose process cannot be killed: it hangs in a system call for good.

The driver is played by a disk whose write does not return. Not proven: a real driver.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from imagemp.errors import ControlError
from tests.daemon.test_faults import captured
from tests.daemon.test_recording import (
    METRICS,
    accounts,
    begin,
    listening,
    record,
    wait_for,
)
from tests.running import running

from .faulty_disk import faulty_disk

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts"),
]

EVENTS = "event.cam0"
HANGS_MS = 20_000  # 2 s of silence, 1 s to abort, 5 s to kill; the rest to look
DRIVER = """
import os

from imagemp.daemon.sources.synthetic import SyntheticSource


class Driven(SyntheticSource):
    '''Takes each frame by a system call that no signal interrupts.'''

    def open(self):
        self.driver = os.open("{place}/driver", os.O_CREAT | os.O_WRONLY)
        return super().open()

    def grab(self, wake):
        os.pwrite(self.driver, b"x", 0)
        return super().grab(wake)

    def close(self):
        os.close(self.driver)
"""
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = {{ kind = "{folder}/driver.py:Driven", width = 64, height = 48, fps = 200 }}
encoder = {{}}
"""


def test_a_camera_that_cannot_be_killed_is_told_and_serves_again_when_it_lets_go(
    tmp_path: Path,
) -> None:
    place = tmp_path / "place"
    (tmp_path / "driver.py").write_text(DRIVER.format(place=place))
    with (
        faulty_disk(place, tmp_path / "behind") as disk,
        running(tmp_path / "d", CONFIG.format(folder=tmp_path)) as daemon,
        listening(daemon, METRICS, EVENTS, "state") as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        disk.slow_down(HANGS_MS)
        told = wait_for(telemetry, EVENTS, lambda m: m["name"] == "worker_stuck", 20.0)
        state = daemon.pipeline()["workers"][0]["state"]
        ended = daemon.call("session.stop")["sessions"][0]
        with pytest.raises(ControlError, match="cannot be killed") as refused:
            begin(daemon)
        disk.slow_down(0)  # answered when the hanging call has returned
        wait_for(telemetry, "state", is_back, 40.0)
        again = record(daemon, frames=10)

    assert told["details"]["worker"] == "capture"
    assert state == "stuck"
    assert ended["state"] == "incomplete"
    assert ended["error"]["code"] == refused.value.code == "E_CAMERA_WEDGED"
    assert accounts(ended["counts"]).broken() == []
    assert again["state"] == "complete"


def is_back(status: dict[str, Any]) -> bool:
    """Tell whether there is a capture that works."""
    workers = status["pipelines"]["cam0"]["workers"]
    return any(w["name"] == "capture" and w["state"] == "running" for w in workers)
