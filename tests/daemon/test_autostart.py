"""A session that begins with the daemon, when at first it cannot, and what is told."""

import json
import signal
from pathlib import Path

import pytest

from imagemp.client import Telemetry
from imagemp.errors import ControlError
from tests.running import Daemon, running

from .test_recording import wait_for

EVENTS, METRICS = "event.cam0", "metrics.cam0"
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
autostart = true
source = {{ kind = "file", path = "{clip}", fps = 50, loop = true }}
encoder = {{}}
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Give the place of a folder of pictures that is not there yet."""
    return tmp_path / "clip"


def plug_in(clip: Path) -> None:
    """Have the source there, all at once."""
    import cv2
    import numpy as np

    new = clip.with_name("new")
    new.mkdir()
    for n in range(4):
        cv2.imwrite(str(new / f"{n}.png"), np.full((48, 64, 3), n, np.uint8))
    new.rename(clip)


def tried_again(telemetry: Telemetry) -> float:
    """Wait until the daemon says that it will try again; give in how many seconds."""
    told = wait_for(telemetry, EVENTS, lambda m: m["name"] == "autostart_again")
    return float(told["details"]["seconds"])


def test_a_session_that_cannot_begin_by_itself_is_tried_until_it_can(
    tmp_path: Path, clip: Path
) -> None:
    with (
        running(tmp_path / "d", CONFIG.format(clip=clip)) as daemon,
        Telemetry([EVENTS, METRICS], daemon.runtime) as telemetry,
    ):
        tried_again(telemetry)
        plug_in(clip)
        wait_for(telemetry, METRICS, lambda m: m["counts"]["captured"] >= 5)
        daemon.call("session.stop")

        assert daemon.manifest().state == "complete"


def test_who_stops_it_is_obeyed_while_it_waits_for_its_next_try(
    tmp_path: Path, clip: Path
) -> None:
    with (
        running(tmp_path / "d", CONFIG.format(clip=clip)) as daemon,
        Telemetry([EVENTS], daemon.runtime) as telemetry,
    ):
        while tried_again(telemetry) < 0.4:  # then there is time to be heard
            pass
        daemon.call("session.stop")

        with pytest.raises(ControlError) as refused:
            daemon.call("session.stop")
    assert refused.value.code == "E_NOT_RUNNING"


def test_what_cannot_begin_leaves_no_folder_behind(tmp_path: Path, clip: Path) -> None:
    with (
        running(tmp_path / "d", CONFIG.format(clip=clip)) as daemon,
        Telemetry([EVENTS], daemon.runtime) as telemetry,
    ):
        for _ in range(3):
            tried_again(telemetry)

        folders = list((daemon.folder / "data").glob("cam0/*"))
    assert len(folders) <= 1  # of a try that was just under way


def test_sigusr1_leaves_the_status_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path / "d", "") as daemon:
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.call("ping")
        dumped = dump_of(daemon)
        status = daemon.call("status")

    assert dumped["instance"] == status["instance"]
    assert dumped["pid"] == status["pid"]


def dump_of(daemon: Daemon) -> dict[str, object]:
    """Give what the log says of the status."""
    _, _, text = daemon.log.read_text().partition("status: ")
    found: dict[str, object] = json.loads(text.splitlines()[0])
    return found
