"""The programs of README and docs are run: on recordings, beside a session, alone."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Daemon, running

from .test_docs import ROOT, blocks

pytestmark = pytest.mark.system
END_S = 60.0
SOURCE = 'source = { kind = "synthetic", width = 64, height = 48, fps = 100'
CONFIG = f"""
[pipelines.cam0]
{SOURCE}, depth = true }}
encoder = {{ keep_free = "0" }}
"""
FILMED = f"""
[pipelines.cam0]
{SOURCE} }}
[[pipelines.cam0.encoder]]
keep_free = "0"
[[pipelines.cam0.encoder]]
name = "small"
format = "mp4"
keep_free = "0"
"""

# A page, and words that are in the program that is meant.
OF_A_RECORDING = [
    ("README.md", "cv2.imreadmulti"),
    ("docs/tutorial.md", "film.shape"),
    ("docs/video.md", "av.open"),
]
OF_A_SESSION = [
    ("docs/how-to.md", 'Receiver("cam0")'),
    ("docs/receivers.md", "frame.image.mean()"),
    ("docs/receivers.md", "except Evicted"),
    ("docs/receivers.md", "selectors.DefaultSelector"),
    ("docs/receivers.md", 'Receiver("cam0", follow=True)'),
    ("README.md", "Telemetry(sys.argv"),
]
ENDLESS = ("follow=True", "Telemetry")
ALONE = [("docs/library.md", "duration_s=5"), ("docs/library.md", "frames=100")]


def program(page: str, words: str) -> str:
    """Give a program of a page, with what those before it on the page import."""
    code = next(b for b in blocks(ROOT / page, "python") if words in b)
    if "Receiver" in code and "imagemp import" not in code and "imagemp\n" not in code:
        code = f"from imagemp import Receiver\n{code}"
    if "async def watch" in code:
        code = f"import asyncio\n{code}\nasyncio.run(watch())"
    return code.replace("duration_s=5", "duration_s=0.3")


def begun(code: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-u", "-c", code],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(code: str, folder: Path) -> str:
    """Run a program to its end; it must be a good one."""
    process = begun(code, folder)
    told, _ = process.communicate(timeout=END_S)
    assert process.returncode == 0
    return told


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """Give a daemon that programs find without being told where."""
    with running(tmp_path, CONFIG) as started:
        monkeypatch.setenv("IMAGEMP_RUNTIME_DIR", str(started.runtime))
        yield started


def test_programs_that_open_a_recording_find_its_frames(tmp_path: Path) -> None:
    with running(tmp_path, FILMED) as daemon:
        daemon.call("session.start", frames=150, wait="done")
        folder = daemon.session()

    shown = [said(program(*which), folder) for which in OF_A_RECORDING]

    assert shown[1] == "(150, 48, 64)\n"
    assert shown[2].splitlines()[0] == "0.0 (48, 64, 3)"


def test_programs_that_look_at_a_session_end_with_it(daemon: Daemon) -> None:
    for which in OF_A_SESSION:
        code = program(*which)
        is_endless = any(word in code for word in ENDLESS)
        daemon.call("session.start")
        with begun(code, daemon.folder) as process:
            assert process.stdout is not None
            assert process.stdout.readline().strip(), which
            daemon.call("session.stop")
            if is_endless:
                process.terminate()
            process.stdout.read()
        assert process.wait(END_S) == (-signal.SIGTERM if is_endless else 0), which


def test_a_program_that_looks_through_a_camera_gets_its_images(daemon: Daemon) -> None:
    daemon.call("session.start")
    code = program("docs/receivers.md", "camera.get_rgb_image()")

    told = said(f"{code}\nprint(rgb.shape, depth.shape)", daemon.folder)

    assert told == "(64, 48) 100.0\n(48, 64, 3) (48, 64)\n"


def test_programs_with_a_daemon_of_their_own_need_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # recordings stay there
    recorded, looked = (said(program(*which), tmp_path) for which in ALONE)

    assert "'dropped': {}" in recorded
    assert looked.splitlines()
