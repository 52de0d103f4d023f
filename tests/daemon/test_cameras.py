"""What a client asks of cameras, on a real daemon."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagemp.errors import ControlError
from imagemp.receiver import Receiver
from imagemp.wire import NoAnswerError
from tests.running import Daemon, running

SOURCE = f"{Path(__file__).with_name('odd_source.py')}:Lamp"
CONFIG = f"""
[pipelines.cam0.source]
kind = "{SOURCE}"
planes = [["image", [48, 64], "u1"]]
controls = {{ Level = 10 }}
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path / "d", CONFIG) as found:
        yield found


def wait_for_level(daemon: Daemon, level: int) -> None:
    """Take frames until one shows this level in all of its pixels."""
    with Receiver("cam0", runtime_dir=daemon.runtime) as receiver:
        for frame in receiver:
            if (frame.image == level).all():
                return


def test_a_control_that_is_set_changes_the_frames_that_follow(daemon: Daemon) -> None:
    daemon.call("session.start")
    wait_for_level(daemon, 10)

    answer = daemon.call("camera.set", controls={"Level": 77})

    assert answer == {"pipeline": "cam0", "controls": {"Level": 77}}
    wait_for_level(daemon, 77)
    daemon.call("session.stop")


def test_what_a_camera_does_otherwise_than_asked_is_told_at_the_start(
    daemon: Daemon,
) -> None:
    note = "frames are 64x48: the camera does not do 65x49"

    answer = daemon.call("session.start", overrides=[f'source.notes=["{note}"]'])

    assert [session["notes"] for session in answer["sessions"]] == [[note]]
    daemon.call("session.stop")
    answer = daemon.call("session.start")
    assert [session["notes"] for session in answer["sessions"]] == [[]]
    daemon.call("session.stop")


def test_controls_outlive_a_capture_that_dies(daemon: Daemon) -> None:
    daemon.call("session.start")
    daemon.call("camera.set", controls={"Level": 78})

    daemon.signal("capture", signal.SIGKILL)

    wait_for_level(daemon, 78)
    daemon.call("session.stop")
    daemon.call("session.start")
    wait_for_level(daemon, 10)  # they were that session's
    daemon.call("session.stop")


@pytest.mark.parametrize(
    ("controls", "problem"),
    [
        ({"Level": 201}, "controls.Level: must be 0 to 200, is 201"),
        ({"Gain": 1}, "controls.Gain: there is no such control"),
    ],
)
def test_a_control_that_cannot_be_is_refused_by_name_and_changes_nothing(
    daemon: Daemon, controls: dict[str, int], problem: str
) -> None:
    daemon.call("session.start")

    with pytest.raises(ControlError, match=problem) as refused:
        daemon.call("camera.set", controls=controls)

    assert refused.value.code == "E_CAMERA"
    wait_for_level(daemon, 10)
    daemon.call("session.stop")


def test_a_source_without_controls_says_so(tmp_path: Path) -> None:
    synthetic = '[pipelines.cam0.source]\nkind = "synthetic"\n'
    with running(tmp_path / "d", synthetic) as daemon:
        daemon.call("session.start")

        with pytest.raises(ControlError, match="this kind of source has none"):
            daemon.call("camera.set", controls={"Level": 1})
        daemon.call("session.stop")


def test_without_a_session_nothing_can_be_set(daemon: Daemon) -> None:
    with pytest.raises(ControlError, match="set: no session is on") as refused:
        daemon.call("camera.set", controls={"Level": 1})

    assert refused.value.code == "E_NOT_RUNNING"


def test_a_daemon_without_picamera2_says_which_package_it_lacks(
    daemon: Daemon,
) -> None:
    with pytest.raises(ControlError, match="picamera2 cannot be imported") as refused:
        daemon.call("camera.list")

    assert "apt install python3-picamera2" in refused.value.hint


def test_a_camera_that_hangs_does_not_hold_up_the_supervisor(daemon: Daemon) -> None:
    daemon.call("session.start")
    stopped = daemon.pid("capture")
    os.kill(stopped, signal.SIGSTOP)

    with pytest.raises((NoAnswerError, ControlError)):  # whoever is first
        daemon.call("camera.set", timeout_s=0.2, controls={"Level": 1})

    assert daemon.call("ping")["uptime_s"] > 0
    os.kill(stopped, signal.SIGCONT)
    daemon.call("session.stop")
