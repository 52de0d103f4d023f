"""A camera process that not even SIGKILL ends: it hangs in the kernel.

It is a real one: it waits for a file system that took its request and never answers.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_faults import METRICS, captured, config, ring
from tests.daemon.test_recording import (
    begin,
    check_agreement,
    listening,
    record,
    wait_for,
)
from tests.running import Daemon, running

from .faulty_disk import FaultyDisk

pytestmark = pytest.mark.system

EVENTS = "event.cam0"
LONG_S = 60.0
CAMERA = """
from pathlib import Path

from imagemp.daemon.sources.synthetic import SyntheticSource

HERE = Path(__file__).parent


class Camera(SyntheticSource):
    def grab(self, wake):
        if (HERE / "hang").exists():
            (HERE / "spill/camera").exists()
        return super().grab(wake)
"""


def config_of(folder: Path) -> str:
    toml = config(ring(overflow="memory"))
    return toml.replace('"synthetic"', f'"{folder}/camera.py:Camera"')


def state_of(daemon: Daemon, worker: str) -> str:
    """Give the state of a worker."""
    workers = daemon.pipeline()["workers"]
    return str(next(w["state"] for w in workers if w["name"] == worker))


def is_stuck(message: dict[str, Any]) -> bool:
    return bool(message["name"] == "worker_stuck")


def test_it_is_called_stuck_and_the_rest_is_released(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    folder = tmp_path / "d"
    (folder / "camera.py").write_text(CAMERA)
    toml = config(ring(overflow="memory")).replace(
        '"synthetic"', '"{folder}/camera.py:Camera"'
    )
    with running(folder, toml.replace("{folder}", str(folder))) as daemon:
        with listening(daemon, METRICS, EVENTS) as telemetry:
            begin(daemon)
            wait_for(telemetry, METRICS, captured(50))
            pid = daemon.pid("capture")
            disk.wedge()
            (folder / "hang").touch()
            wait_for(telemetry, EVENTS, is_stuck, LONG_S)
        kernel_says = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        assert state_of(daemon, "capture") == "stuck"
        daemon.call("session.stop")
        left = check_agreement(daemon)
        (folder / "hang").unlink()
        disk.go_on()
        while state_of(daemon, "capture") != "running":
            pass
        again = record(daemon, frames=20)

    assert kernel_says == "D"
    assert "reboot needed" in daemon.log.read_text()
    lost = sum(left.counts.dropped.values())
    assert left.counts.captured - len(left.seqs) == lost
    assert len(left.seqs) >= 40
    assert again["state"] == "complete"


def test_a_daemon_stops_all_the_same(tmp_path: Path, disk: FaultyDisk) -> None:
    folder = tmp_path / "d"
    (folder / "camera.py").write_text(CAMERA)
    toml = config(ring(overflow="memory")).replace(
        '"synthetic"', '"{folder}/camera.py:Camera"'
    )
    with running(folder, toml.replace("{folder}", str(folder))) as daemon:
        with listening(daemon, METRICS) as telemetry:
            begin(daemon)
            wait_for(telemetry, METRICS, captured(50))
        disk.wedge()
        (folder / "hang").touch()
        code = daemon.stop()  # it waits for nobody for ever
    disk.go_on()

    manifest = daemon.manifest()
    assert code == 0
    assert manifest.state in ("complete", "incomplete")
    assert sum(file.pages for file in manifest.files) >= 40
