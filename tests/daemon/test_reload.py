"""A reload that changes a pipeline or takes it away: who reads it, who starts it.

The daemon, its configuration, the receivers and the orders are real.
"""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagemp.errors import ControlError
from imagemp.receiver import Receiver
from imagemp.wire import NoAnswerError
from tests.outside import finish, take_all
from tests.running import Daemon, running

from .test_recording import begin

SOON_S = 10.0
CAM0 = """
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
encoder = {}
"""
ALWAYS_ON = CAM0.replace("[pipelines.cam0]", "[pipelines.cam0]\nautostart = true")
SAME = """
[[pipelines.cam0.callbacks]]
name = "same"
target = "{folder}/same.py:same"
"""
OTHER = CAM0.replace("cam0", "cam1")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "same.py").write_text("def same(buffer, queue):\n    return buffer[-1]")
    with running(folder, CAM0) as daemon:
        yield daemon


@pytest.fixture
def daemon(started: Daemon) -> Daemon:
    """Give the daemon as it was configured at first, with no session."""
    for name, pipeline in started.call("status")["pipelines"].items():
        if pipeline["state"] not in ("idle", "complete", "incomplete"):
            started.call("session.stop", pipelines=[name])
    reload(started, CAM0)
    return started


def reload(daemon: Daemon, toml: str, timeout_s: float = SOON_S) -> None:
    """Have the daemon take another configuration."""
    head = f'[daemon]\ndata_dir = "{daemon.folder}/data"\n'
    daemon.config.write_text(head + toml.replace("{folder}", str(daemon.folder)))
    daemon.call("reload", timeout_s)


def test_who_waits_for_a_pipeline_that_is_taken_away_is_told(daemon: Daemon) -> None:
    with Receiver("cam0", runtime_dir=daemon.runtime) as frames:
        reload(daemon, OTHER)

        with pytest.raises(ControlError, match="no pipeline 'cam0'; there is cam1"):
            frames.receive(SOON_S)
        assert frames.is_over


@pytest.mark.parametrize("follow", [True, False])
def test_the_last_frames_of_a_pipeline_taken_away_are_still_read(
    daemon: Daemon, follow: bool
) -> None:
    with Receiver("cam0", "every", follow=follow, runtime_dir=daemon.runtime) as frames:
        finish(daemon, begin(daemon, frames=10))
        reload(daemon, OTHER)

        if not follow:
            assert take_all(frames) == list(range(10))
            return
        seqs = [frames.receive(SOON_S) is not None for _ in range(10)]
        with pytest.raises(ControlError, match="no pipeline"):
            frames.receive(SOON_S)
        assert all(seqs)


def test_who_reads_a_ring_that_is_taken_away_is_told(daemon: Daemon) -> None:
    reload(daemon, CAM0 + SAME)
    with Receiver("cam0", ring="callback:same", runtime_dir=daemon.runtime) as frames:
        reload(daemon, CAM0)

        with pytest.raises(ControlError, match="no ring 'callback:same'"):
            frames.receive(SOON_S)


def test_who_reads_a_pipeline_that_is_changed_misses_nothing(daemon: Daemon) -> None:
    with Receiver("cam0", "every", follow=True, runtime_dir=daemon.runtime) as frames:
        reload(daemon, ALWAYS_ON)

        seqs = [f.info.seq for _, f in zip(range(20), frames, strict=False)]

    assert seqs == list(range(20))


@pytest.fixture
def slow(daemon: Daemon) -> Daemon:
    """Give a daemon with two pipelines, the first of which takes its time to leave."""
    reload(daemon, CAM0 + OTHER)
    daemon.signal("capture", signal.SIGSTOP)
    return daemon


@pytest.mark.system
def test_a_reload_whose_client_has_gone_is_done_to_the_end(slow: Daemon) -> None:
    with pytest.raises((NoAnswerError, ControlError)):  # whoever is first
        reload(slow, ALWAYS_ON + OTHER, timeout_s=0.5)

    while slow.call("status")["pipelines"].keys() != {"cam0", "cam1"}:
        pass
    slow.call("session.wait", pipelines=["cam0"], until="first")


@pytest.mark.system
def test_a_session_begins_in_no_pipeline_that_a_reload_is_about_to_change(
    slow: Daemon,
) -> None:
    faster = (CAM0 + OTHER).replace("fps = 200", "fps = 100")
    reloading = threading.Thread(target=reload, args=(slow, faster))
    reloading.start()
    while slow.call("status")["pipelines"]:
        pass

    with pytest.raises(ControlError, match="no 'cam1'"):
        slow.call("session.start", pipelines=["cam1"])
    reloading.join()

    finish(slow, begin(slow, pipeline="cam1", frames=10))


@pytest.mark.system
def test_two_reloads_at_once_are_done_one_after_the_other(slow: Daemon) -> None:
    leaving = Path(f"/proc/{slow.pid('capture')}")
    first = threading.Thread(target=reload, args=(slow, ALWAYS_ON + OTHER))
    first.start()
    while "cam0" in slow.call("status")["pipelines"]:
        pass

    answer = slow.call("reload")
    first.join()

    assert answer == {"changed": [], "pipelines": ["cam0", "cam1"]}
    assert not leaving.exists()  # two would have shared a camera


@pytest.mark.system
def test_who_comes_while_its_pipeline_is_changed_is_let_in(daemon: Daemon) -> None:
    daemon.signal("capture", signal.SIGSTOP)  # it leaves late: the reload takes long
    pid = daemon.pid("capture")
    reloading = threading.Thread(target=reload, args=(daemon, ALWAYS_ON))
    reloading.start()
    while "cam0" in daemon.call("status")["pipelines"]:
        pass

    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        first = frames.receive(SOON_S)
    reloading.join()

    assert first is not None
    assert first.info.seq == 0
    assert pid != daemon.pid("capture")
