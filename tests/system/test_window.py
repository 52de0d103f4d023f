"""`imagectl view` on a display: Xvfb shows what a person would see."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageGrab

from imagemp.ctl.window import HEAD, SIDE, SPARE
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.frames import AnyArray
from tests.ctl.conftest import COMMAND
from tests.daemon.test_recording import begin
from tests.running import Daemon, running

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not shutil.which("Xvfb"), reason="apt-get install xvfb"),
]
MOST = 256**4  # what is all of one grey reads as a seq too, above this
XVFB = ["Xvfb", "-screen", "0", "1280x800x24", "-dpi", "96", "-noreset"]
CONFIG = """
[pipelines.cam0]
source = { kind = "synthetic", width = 512, height = 512, fps = 30 }
encoder = {}
[pipelines.cam1]
source = { kind = "synthetic", width = 512, height = 512, fps = 30 }
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A display of 1280 x 800, at its upper left corner the only window."""
    ours, theirs = os.pipe()
    server = subprocess.Popen(  # noqa: S603 - no words of a stranger
        [*XVFB, "-displayfd", str(theirs)],
        pass_fds=[theirs],
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    yield f":{os.read(ours, 16).decode().strip()}"
    os.close(ours)
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("daemon"), CONFIG) as started:
        yield started


@contextmanager
def opened(
    daemon: Daemon, display: str, *words: str
) -> Iterator[subprocess.Popen[str]]:
    options = ["--runtime-dir", str(daemon.runtime), "--json"]
    with subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, "view", *words, *options],
        env=os.environ | {"DISPLAY": display},
        stdout=subprocess.PIPE,
        text=True,
    ) as viewer:
        try:
            yield viewer
        finally:
            viewer.kill()


def seen(display: str) -> AnyArray:
    """Give the screen, grey."""
    return np.asarray(ImageGrab.grab(xdisplay=display).convert("L"))


def wait_for_seq(display: str, above: int, beside: int = 0) -> int:
    """Look at the screen until a whole frame later than this one is there."""
    while True:
        screen = seen(display)
        for x in range(beside, beside + SPARE + 1):
            with suppress(ValueError):  # two frames on one screen, or not the place
                seq = read_seq(screen[HEAD : HEAD + SIDE, x : x + SIDE])
                if above < seq < MOST:
                    return seq


def left(viewer: subprocess.Popen[str]) -> dict[str, Any]:
    """Press Ctrl-C, and give what it says at the end."""
    viewer.send_signal(signal.SIGINT)
    told: dict[str, Any] = json.loads(viewer.communicate()[0])
    return told


def test_the_window_shows_every_pixel_of_new_frames(
    daemon: Daemon, display: str
) -> None:
    begin(daemon, pipeline="cam0")

    with opened(daemon, display, "cam0") as viewer:
        first = wait_for_seq(display, 0)
        assert wait_for_seq(display, first) > first
        assert (seen(display)[:HEAD, :SIDE] > 128).any()
        told = left(viewer)

    daemon.call("session.stop")
    assert viewer.returncode == 130
    assert told["cam0"]["shown"] >= 2


def test_two_pipelines_are_shown_at_once_into_the_next_session(
    daemon: Daemon, display: str
) -> None:
    with opened(daemon, display, "cam0", "cam1") as viewer:
        for _ in range(2):
            begin(daemon, pipeline="cam0")
            begin(daemon, pipeline="cam1")

            assert wait_for_seq(display, 0) > 0
            assert wait_for_seq(display, 0, beside=SIDE) > 0
            daemon.call("session.stop")
        told = left(viewer)

    assert min(one["shown"] for one in told.values()) > 0


def test_the_rate_and_the_time_are_as_asked_for(daemon: Daemon, display: str) -> None:
    begin(daemon, pipeline="cam0")

    shown = []
    for fps in ("2", "30"):
        words = "cam0", "--fps", fps, "--duration", "4"
        with opened(daemon, display, *words) as viewer:
            told, _ = viewer.communicate()
        assert viewer.returncode == 0
        shown.append(json.loads(told)["cam0"]["shown"])

    counts = daemon.call("session.stop")["sessions"][0]["counts"]
    assert shown[0] <= 9 < shown[1]
    assert counts["encoders"]["main"]["skipped"] == {}


def test_a_display_that_does_not_answer_is_told(daemon: Daemon, tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "WAYLAND_DISPLAY"}
    done = subprocess.run(  # noqa: S603 - our own program
        [*COMMAND, "view", "--runtime-dir", str(daemon.runtime)],
        env=env | {"DISPLAY": ":4711", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "--save" in done.stderr
