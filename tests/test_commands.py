"""Every `imagectl` command of README and docs is run, in the state that it needs."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from imagemp.ctl.exits import Exit
from imagemp.ctl.main import main
from imagemp.spec import FrameSpec, Plane
from tests.ctl.conftest import Terminal
from tests.recording.sessions import leave, note
from tests.running import Daemon, running

from .test_docs import ROOT, blocks, commands

PAGES = [
    ROOT / "README.md",
    *(
        ROOT / f"docs/{name}.md"
        for name in ("how-to", "tutorial", "imagectl", "install", "callbacks")
    ),
]
SOURCE = 'source = { kind = "synthetic", width = 64, height = 48, fps = 100 }'
CONFIG = f"""
[pipelines.cam0]
{SOURCE}
[[pipelines.cam0.encoder]]
keep_free = "0"
[[pipelines.cam0.encoder]]
name = "small"
keep_free = "0"
[[pipelines.cam0.callbacks]]
name = "motion"
target = "motion.py:Motion"
[pipelines.cam1]
{SOURCE}
encoder = {{ keep_free = "0" }}
"""
TWO = {"encoder": [{"name": "main"}, {"name": "small"}], "callbacks": []}
DEEP = FrameSpec((Plane("image", (16, 18, 3), "u1"), Plane("depth", (16, 18), "<f4")))

# What a page says and what is run instead: other lengths, names and places.
SHORTER = {
    r"--duration \S+": "--duration 0.3",
    r"--frames 1000\b": "--frames 30",
    r"recorded=1000": "recorded=30",
    r"100:200": "2:5",
    r"left right": "cam0 cam1",
    r"/(mnt/usb)": "recordings",
    r"/(srv/lab|home/me|etc/imagemp)/": "",
    r"doctor": "doctor --no-disk",
    r"VERB": "start",
}

# Each with the exit code that the pages tell, in the order in which they are run.
OFFLINE = {
    "imagectl VERB --help": 0,
    "imagectl completion fish": 0,
    "imagectl callback check motion.py": 0,
    "imagectl callback check motion.py -o width=1280 -o depth=true --budget-ms 10": 0,
    "imagectl callback check my_lab.motion:Motion --settings '{\"threshold\": 5}'": 0,
    "imagectl callback check /home/me/mine.py": 0,
    "imagectl callback check /srv/lab/glow.py": 0,
}
ON_DISK = {
    "imagectl recordings": 0,
    "imagectl recordings show latest": 0,
    "imagectl recordings show latest --config my.toml": 0,
    "imagectl recordings show 20261120T10 --data-dir /mnt/usb": 0,
    "imagectl recordings show /mnt/usb/cam0/20261120T101500Z-cam0-7f3a": 0,
    "imagectl recordings verify latest": 1,  # the last frame is torn
    "imagectl recordings repair latest --dry-run": 0,
    "imagectl recordings repair latest": 0,
    "imagectl recordings verify /mnt/usb/cam0/20261120T101500Z-cam0-7f3a": 0,
    "imagectl recordings export latest -o frames.npy": 0,
    "imagectl recordings export latest -o pictures --format png --frames 100:200": 0,
    "imagectl recordings export latest -o depth.tif --encoder small --plane depth": 0,
    "imagectl recordings export latest -o film.mp4": 0,
    "imagectl recordings export latest -o for-imagej.tif": 0,
    "imagectl recordings export latest -o part.tif --frames 100:200": 0,
}
IDLE = {
    "imagectl ping": 0,
    "imagectl version": 0,
    "imagectl config show": 0,
    "imagectl config check": 0,
    "imagectl config check /etc/imagemp/imagemp.toml": 0,
    "imagectl reload": 0,
}
STARTING = {
    "imagectl start": 0,
    "imagectl start cam0": 0,
    "imagectl start cam0 --duration 1h": 0,
    "imagectl start cam0 --duration 5m": 0,
    "imagectl start cam0 --duration 60 --wait": 0,
    "imagectl start left right --duration 60 --wait": 0,
    "imagectl start --duration 10 --wait": 0,
    "imagectl start --duration 5 --wait": 0,
    "imagectl start --frames 1000 --wait --json": 0,
    "imagectl start cam0 -o callbacks.motion.settings.threshold=20": 0,
}
RECORDING = {
    "imagectl wait cam0 cam1 --until running": 0,
    "imagectl wait cam0 --until recorded=1000 --timeout 5m": 0,
    "imagectl": 0,
    "imagectl status": 0,
    "imagectl top --once": 0,
    "imagectl metrics": 0,
    "imagectl workers": 0,
    "imagectl send motion '{\"threshold\": 12}'": 0,
    "imagectl send motion '{\"threshold\": 20}'": 0,
    "imagectl send motion recalibrate --pipeline cam0": 0,
    "imagectl record stop cam0": 0,
    "imagectl record start --encoder main": 0,
    "imagectl view --save frame.png": 0,
    "imagectl workers restart cam0.capture": 0,
    "imagectl stop cam0": 0,
    "imagectl stop": 0,
}
TRIGGERED = {
    "imagectl trigger": 0,
    "imagectl trigger cam0": 0,
    "imagectl trigger cam0 -n 3": 0,
}
ENDING = {"imagectl wait cam0 --timeout 10m": 0}

# Until Ctrl-C, at a terminal; what they show first.
FOLLOWING = {
    "imagectl top": "imagempd is running",
    "imagectl top --json": '{"topic"',
    "imagectl events -f": "cam0: ",
}
DOCTOR = "imagectl doctor"

# Where those are run that need a display, a camera or the tools of a camera.
WINDOW = (
    "tests/system/test_window.py::test_two_pipelines_are_shown_at_once_into_the_next"
)
WINDOW += "_session"
CAMERAS = "tests/system/cameras/test_verbs.py::test_both_cameras_are_listed_with_their"
CAMERAS += "_modes"
CONTROLS = "tests/system/cameras/test_verbs.py::test_a_control_that_it_has_is_set_while"
CONTROLS += "_it_records"
ELSEWHERE = {
    "imagectl view": WINDOW,
    "imagectl view cam0 cam1 --fps 10 --duration 1m": WINDOW,
    "imagectl view cam0 --from callback:blob --plane image": WINDOW,
    "imagectl cameras": CAMERAS,
    "imagectl set cam0 ExposureTime=5000 AnalogueGain=2.5": CONTROLS,
    "imagectl set cam0 ExposureTime=1": CONTROLS,
}
NAMED = {"imagectl send"}  # in a sentence, as the name of the verb


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder that commands are given in, with the code that the pages show."""
    glow, how_to, motion = (
        next(b for b in blocks(ROOT / page, "python") if begin in b)
        for page, begin in (
            ("README.md", "def glow"),
            ("docs/how-to.md", "def glow"),
            ("docs/callbacks.md", "class Motion"),
        )
    )
    (tmp_path / "my_lab").mkdir()
    for name, code in {
        "mine.py": glow,
        "glow.py": how_to,
        "motion.py": motion,
        "my_lab/motion.py": motion,
        "my.toml": blocks(ROOT / "README.md", "toml")[0],
    }.items():
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def daemon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """Give a daemon that `imagectl` finds without being told where."""
    with running(folder, CONFIG) as started:
        monkeypatch.setenv("IMAGEMP_RUNTIME_DIR", str(started.runtime))
        yield started


def words_of(command: str) -> list[str]:
    """Give the words that are run."""
    for said, instead in SHORTER.items():
        command = re.sub(said, instead, command)
    return shlex.split(command)[1:]


def left_with(command: str, *more: str) -> int:
    """Give a command and tell its exit code."""
    try:
        return main([*words_of(command), *more])
    except SystemExit as left:  # --help
        return int(left.code or 0)


def codes(of: Mapping[str, int], *more: str) -> dict[str, int]:
    """Give commands one after the other and tell their exit codes."""
    return {command: left_with(command, *more) for command in of}


def test_every_command_of_the_pages_is_run_here_or_elsewhere() -> None:
    scenes = (OFFLINE, ON_DISK, IDLE, STARTING, RECORDING, TRIGGERED, ENDING)
    here = {command for scene in (*scenes, FOLLOWING) for command in scene}

    given = {command for page in PAGES for command in commands(page)}
    assert given - {*here, DOCTOR, *ELSEWHERE, *NAMED} == set()
    assert {*here, DOCTOR, *ELSEWHERE, *NAMED} - given == set()


def test_what_is_run_elsewhere_is_there() -> None:
    for proof in {*ELSEWHERE.values()}:
        file, _, name = proof.partition("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text(), proof


@pytest.mark.system
@pytest.mark.usefixtures("folder")
def test_what_needs_neither_daemon_nor_recording_does_as_it_says() -> None:
    assert codes(OFFLINE) == OFFLINE


def test_what_looks_at_recordings_does_as_it_says(folder: Path) -> None:
    left = leave(folder / "recordings", range(10), config=TWO)
    leave(folder / "recordings", range(10), DEEP, "small", config=TWO)
    note(left, config=TWO)
    film = left / "frames-0000.tif"
    os.truncate(film, film.stat().st_size - 20)

    found = {}
    for command, code in ON_DISK.items():
        is_told = any(word in command for word in ("/mnt", "--config"))
        more = () if is_told else ("--data-dir", "recordings")
        found[command] = left_with(command, *more)
        assert found[command] == code, command

    assert sorted(path.name for path in (folder / "pictures").iterdir())
    assert (folder / "film.mp4").stat().st_size


@pytest.mark.usefixtures("daemon")
def test_what_asks_a_daemon_that_is_idle_does_as_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert codes(IDLE) == IDLE
    capsys.readouterr()
    code = left_with(DOCTOR)
    judged = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert code == (Exit.ERROR if "bad" in judged else Exit.OK)


@pytest.mark.system
def test_what_starts_sessions_does_as_it_says(daemon: Daemon) -> None:
    for command, code in STARTING.items():
        assert left_with(command) == code, command
        if "--wait" not in command:
            daemon.call("session.stop")


@pytest.mark.system
def test_what_asks_of_sessions_does_as_it_says(daemon: Daemon) -> None:
    daemon.call("session.start")
    assert codes(RECORDING) == RECORDING

    daemon.call(
        "session.start", pipelines=["cam0"], overrides=["schedule.trigger=true"]
    )
    assert codes(TRIGGERED) == TRIGGERED
    daemon.call("session.stop")

    daemon.call("session.start", pipelines=["cam0"], frames=30)
    assert codes(ENDING) == ENDING


@pytest.mark.system
def test_what_goes_on_until_ctrl_c_leaves_with_130(daemon: Daemon) -> None:
    daemon.call("session.start", pipelines=["cam0"])

    for command, shown in FOLLOWING.items():
        terminal = Terminal(*words_of(command))
        terminal.wait_for(shown)
        terminal.press_ctrl_c()
        assert terminal.left_with() == Exit.INTERRUPTED, command
        terminal.close()
