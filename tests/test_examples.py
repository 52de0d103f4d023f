"""Every example does what it says, against a real daemon."""

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from imagemp import Callback, Frame, FrameInfo, Telemetry
from imagemp.load import load_object
from tests.running import Daemon, running

EXAMPLES = Path(__file__).parent.parent / "examples"
SOON_S = 20.0
SOURCE = '[pipelines.cam0.source]\nkind = "synthetic"\nfps = 200\n'
RECORDED = f"{SOURCE}[pipelines.cam0.encoder]\n"
BLOB = f"""
{SOURCE}
[pipelines.cam0.encoder]
input = "callback:blob"

[[pipelines.cam0.callbacks]]
name = "blob"
target = "{EXAMPLES}/blob.py:Blob"
policy = "every"
"""
SCANNER = f"""
[pipelines.cam0.source]
kind = "{EXAMPLES}/my_source.py:LineScanner"
pixels = 640
fps = 200

[pipelines.cam0.encoder]
"""


def started(daemon: Daemon | None, name: str, *words: str) -> "subprocess.Popen[str]":
    """Start an example as a user would."""
    environment = dict(os.environ)
    if daemon is not None:
        environment["IMAGEMP_RUNTIME_DIR"] = str(daemon.runtime)
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, EXAMPLES / name, *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def said(daemon: Daemon | None, name: str, *words: str) -> list[str]:
    """Run an example to its end; give the lines it printed."""
    process = started(daemon, name, *words)
    out, _ = process.communicate(timeout=SOON_S)
    assert process.returncode == 0
    return out.splitlines()


def blob(sent: list[Any], blur: int) -> Callback:
    """Give the callback of blob.py, set up as a worker does it."""
    found = load_object(f"{EXAMPLES}/blob.py:Blob")
    assert isinstance(found, type)
    callback = found()
    assert isinstance(callback, Callback)
    callback.buffer, callback.send = deque(maxlen=5), sent.append
    callback.set_up({"blur": blur})
    return callback


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)], ids=str)
def test_blob_finds_the_brightest_place(shape: tuple[int, ...]) -> None:
    sent: list[Any] = []
    image = np.zeros(shape, np.uint8)
    image[18:23, 38:43] = 200

    blob(sent, blur=5).process(Frame({"image": image}, FrameInfo(seq=7)))

    (told,) = sent
    assert (told["seq"], told["x"], told["y"]) == (7, 40, 20)


def test_blob_takes_a_new_blur_while_it_runs() -> None:
    sent: list[Any] = []
    callback = blob(sent, blur=3)
    image = np.zeros((48, 64), np.uint8)
    image[20, 40] = 200

    callback.process(Frame({"image": image.copy()}, FrameInfo()))
    callback.on_message({"blur": 15})
    callback.process(Frame({"image": image.copy()}, FrameInfo()))

    assert sent[1]["brightness"] < sent[0]["brightness"]


def test_blob_tells_of_every_frame_and_what_it_returns_is_recorded(
    tmp_path: Path,
) -> None:
    with (
        running(tmp_path, BLOB) as daemon,
        Telemetry(["callback.cam0.blob "], daemon.runtime) as telemetry,
    ):
        daemon.call("session.start", frames=20, wait="done")
        message = telemetry.receive(SOON_S)
        counts = daemon.pipeline()["counts"]

    assert message is not None
    assert set(message[1]["body"]) == {"seq", "x", "y", "brightness"}
    assert counts["callbacks"]["blob"]["delivered"] == 20
    assert counts["encoders"]["main"]["recorded"] == 20


def test_record_leaves_a_recording_and_says_where(tmp_path: Path) -> None:
    told, *files = said(None, "record.py", "0.5", str(tmp_path / "data"))

    path, pages, *_ = files[0].split()
    assert told.startswith("complete: captured ")
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == int(pages) > 0


def test_control_starts_a_session_and_tells_its_counts(tmp_path: Path) -> None:
    with running(tmp_path, RECORDED) as daemon:
        (line,) = said(daemon, "control.py")
        folder = daemon.session()

    assert line == f"{folder} 30 {{}}"


def test_subscribe_prints_what_is_published(tmp_path: Path) -> None:
    with running(tmp_path, SOURCE) as daemon:
        process = started(daemon, "subscribe.py", "hb ")
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        process.communicate(timeout=SOON_S)

    assert line.startswith("hb {")


def test_receive_shows_frames_of_a_session_that_is_on(tmp_path: Path) -> None:
    with running(tmp_path, SOURCE) as daemon:
        daemon.call("session.start", duration_s=SOON_S, wait="first")
        lines = said(daemon, "receive.py", "cam0", "5")

    seqs = [int(line.split()[0]) for line in lines]
    assert len(seqs) == 5
    assert seqs == sorted(set(seqs))


def test_my_source_is_recorded_with_its_field(tmp_path: Path) -> None:
    with running(tmp_path, SCANNER) as daemon:
        daemon.call("session.start", frames=10, wait="done")
        folder = daemon.session()

    header, *rows = (folder / "frames.csv").read_text().splitlines()
    lines = tifffile.imread(folder / "frames-0000.tif", key=slice(None))
    assert header.endswith(",lamp_c")
    assert len(rows) == len(lines) == 10
    assert lines.dtype == np.uint16


def test_the_list_of_examples_names_each() -> None:
    listed = (EXAMPLES / "README.md").read_text()

    names = [path.name for path in EXAMPLES.glob("*.py")]
    assert [name for name in names if f"]({name})" not in listed] == []
