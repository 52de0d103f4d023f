"""Callbacks that get what others return, in a real daemon, to the last account."""

from pathlib import Path
from typing import Any

import pytest

from imagemp import Telemetry
from imagemp.camera import CameraReceiver
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.receiver import Receiver
from imagemp.recording.reading import frames, read_pixels
from tests.running import Daemon, running

from .test_recording import accounts

FRAMES = 40
SOON_S = 20.0
EXAMPLES = Path(__file__).parents[2] / "examples"
CODE = """
from pathlib import Path
import numpy as np
from imagemp import Callback

FAILED = Path(__file__).with_name("failed")

def negative(buffer, queue):
    return 255 - buffer[-1]

def third(buffer, queue):
    third.seen = getattr(third, "seen", 0) + 1
    return buffer[-1] if third.seen % 3 == 1 else None

def planes(buffer, queue):
    lines = np.fft.rfft(buffer[-1], axis=1).astype("c8")
    return {"mask": buffer[-1] > 200, "lines": lines, "top": buffer[-1][:1, :, None]}

class Sees(Callback):
    def process(self, frame):
        self.send({name: [str(a.dtype), a.shape] for name, a in frame.items()})

def fail(buffer, queue):
    fail.seen = getattr(fail, "seen", 0) + 1
    if fail.seen == 5 and not FAILED.exists():
        FAILED.touch()
        raise ValueError("the fifth")
    return buffer[-1]
"""
SAME = """
class Same(Callback):
    def process(self, frame):
        return frame
"""
CONFIG = """
[pipelines.cam0.source]
kind = "synthetic"
width = 96
height = 64
fps = 0
[pipelines.cam0.ring]
overflow = "none"
when_full = "wait"
[pipelines.cam0.encoder]
input = "callback:last"
keep_free = "0"
"""
LINK = """
[[pipelines.cam0.callbacks]]
name = "{name}"
target = "mine.py:{function}"
policy = "every"
inline = {inline}
"""
FED = 'input = "callback:{}"\n'


def chain(*functions: str, inline: bool) -> str:
    """Give the configuration of callbacks, each fed by the one before."""
    names = [*(f"c{n}" for n in range(len(functions) - 1)), "last"]
    text, before = CONFIG, ""
    for name, function in zip(names, functions, strict=True):
        word = str(inline).lower()
        text += LINK.format(name=name, function=function, inline=word)
        text += FED.format(before) if before else ""
        before = name
    return text


def recorded(daemon: Daemon) -> tuple[list[int], Any]:
    """Record; give the seqs in the pixels of each page, and the counts."""
    told = daemon.call("session.start", frames=FRAMES, wait="done")
    (session,) = told["sessions"]
    assert session["state"] == "complete"
    assert accounts(session["counts"]).broken() == []
    pages = (read_pixels(path, page[0]) for path, page in frames(daemon.session()))
    return [read_seq(page) for page in pages], session["counts"]


@pytest.mark.parametrize("inline", [False, True])
def test_what_goes_through_a_chain_is_recorded_whole(
    tmp_path: Path, *, inline: bool
) -> None:
    (tmp_path / "mine.py").write_text(CODE)

    with running(tmp_path, chain("negative", "negative", inline=inline)) as daemon:
        seqs, counts = recorded(daemon)

    assert seqs == list(range(FRAMES))
    assert [c["delivered"] for c in counts["callbacks"].values()] == [FRAMES] * 2


@pytest.mark.parametrize("inline", [False, True])
def test_what_one_lets_go_never_reaches_the_next(
    tmp_path: Path, *, inline: bool
) -> None:
    (tmp_path / "mine.py").write_text(CODE)

    with running(tmp_path, chain("third", "negative", inline=inline)) as daemon:
        told = daemon.call("session.start", frames=FRAMES, wait="done")
        counts = told["sessions"][0]["counts"]

    kept = -(-FRAMES // 3)
    callbacks = counts["callbacks"]
    assert callbacks["c0"]["delivered"] == FRAMES
    assert callbacks["last"]["delivered"] == kept
    assert counts["encoders"]["main"]["recorded"] == kept


def test_a_chain_goes_on_when_a_process_in_it_dies(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    links = ("negative", "fail", "negative")

    with running(tmp_path, chain(*links, inline=False)) as daemon:
        seqs, counts = recorded(daemon)
        log = daemon.log.read_text()
        events = daemon.manifest().events

    (error,) = [event for event in events if event["name"] == "callback_error"]
    assert error["message"] == "ValueError: the fifth"
    line = 1 + CODE.splitlines().index('        raise ValueError("the fifth")')
    assert error["place"].endswith(f"mine.py, line {line}")
    assert 'raise ValueError("the fifth")' in log
    assert seqs == list(range(FRAMES))
    assert counts["callbacks"]["last"]["delivered"] == FRAMES


RECORDED = 'encoder]\ninput = "callback:last"\nkeep_free = "0"'


def test_frames_of_any_planes_go_on_to_callbacks_and_receivers(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    config = chain("planes", inline=False).replace(RECORDED, "encoder]")
    config += LINK.format(name="sees", function="Sees", inline="false")
    config += FED.format("last")

    with (
        running(tmp_path, config) as daemon,
        Telemetry(["callback.cam0.sees "], daemon.runtime) as telemetry,
        Receiver("cam0", ring="callback:last", runtime_dir=daemon.runtime) as frames,
    ):
        daemon.call("session.start", wait="first", overrides=["source.fps=50"])
        frame, told = frames.receive(SOON_S), telemetry.receive(SOON_S)
        assert frame is not None
        received = {name: [str(a.dtype), a.shape] for name, a in frame.items()}

    assert received == {
        "mask": ["bool", (64, 96)],
        "lines": ["complex64", (64, 49)],
        "top": ["uint8", (1, 96, 1)],
    }
    assert told is not None
    assert {n: [d, tuple(s)] for n, (d, s) in told[1]["body"].items()} == received


@pytest.mark.parametrize("inline", [False, True])
def test_what_is_returned_keeps_the_fields_of_the_source(
    tmp_path: Path, *, inline: bool
) -> None:
    (tmp_path / "mine.py").write_text(CODE + SAME)
    config = chain("Same", inline=inline).replace(
        'kind = "synthetic"', f'kind = "{EXAMPLES}/rgbd.py:Wall"'
    )

    with running(tmp_path, config.replace("fps = 0", "fps = 100")) as daemon:
        ring = "source" if inline else "callback:last"
        with CameraReceiver("cam0", ring=ring, runtime_dir=daemon.runtime) as camera:
            daemon.call("session.start", frames=10, wait="none")
            camera.grab()
            matrix = camera.intrinsics_matrix()
        daemon.call("session.wait", pipelines=["cam0"])
        header, *rows = (daemon.session() / "frames.csv").read_text().splitlines()

    assert matrix[0, 0] == 96
    assert header.endswith(",intrinsics")
    assert all(row.endswith(",96.0 0.0 48.0 0.0 96.0 32.0 0.0 0.0 1.0") for row in rows)
    assert len(rows) == 10
