"""Every example does what it says, against a real daemon."""

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import imagemp
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
WALL = f"""
[pipelines.wall.source]
kind = "{EXAMPLES}/rgbd.py:Wall"
fps = 100
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


def test_rgbd_record_tells_the_distance_of_every_frame(tmp_path: Path) -> None:
    lines = said(None, "rgbd_record.py", "5", str(tmp_path / "data"))

    here = [line for line in lines if not line.endswith(" missing")]
    assert [int(line.split()[0]) for line in lines] == list(range(len(lines)))
    assert len(here) == 5
    assert all(re.search(r"^\d+ 1\d{3} mm, \[", line) for line in here)


def test_rgbd_record_tells_what_is_missing_as_missing(tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text("seq,file\n1,a.tif\n4,a.tif\n5,b.tif\n")
    each_frame: Any = load_object(f"{EXAMPLES}/rgbd_record.py:each_frame")

    told = list(each_frame(tmp_path))

    assert [seq for seq, _ in told] == [0, 1, 2, 3, 4, 5]
    assert [seq for seq, row in told if row is None] == [0, 2, 3]


def test_two_cameras_are_told_in_pairs() -> None:
    lines = said(None, "two_cameras.py", "8")

    left, right = zip(*(map(int, line.split()[:2]) for line in lines), strict=True)
    assert len(left) == 8
    assert list(left) == sorted(set(left))
    assert list(right) == sorted(right)


def test_the_partner_of_a_frame_is_the_one_nearest_in_time() -> None:
    class Right:
        def __init__(self) -> None:
            times = iter([100, 110, 120, 130])
            self.receive = lambda: Frame({}, FrameInfo(t_sensor_ns=next(times)))

    nearest: Any = load_object(f"{EXAMPLES}/two_cameras.py:nearest")
    right, recent = Right(), deque[FrameInfo](maxlen=2)

    found = [
        nearest(FrameInfo(t_sensor_ns=t), right, recent).t_sensor_ns
        for t in (90, 104, 117, 121)
    ]

    assert found == [100, 100, 120, 120]


def rows(file: Path) -> dict[str, int]:
    """Give how many rows each entity of a Rerun file has."""
    command = [sys.executable, "-m", "rerun", "rrd", "print", "-v", str(file)]
    told = subprocess.run(  # noqa: S603 - rerun's own tool
        command, capture_output=True, text=True, check=True, timeout=SOON_S
    )
    found: dict[str, int] = {}
    for n, entity in re.findall(r" with (\d+) rows .*? - (/\S+) - ", told.stdout):
        found[entity] = found.get(entity, 0) + int(n)
    return found


@pytest.mark.system
def test_rerun_log_has_frames_depths_and_intrinsics(tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="needs pip install 'imagempd[rerun]', 500 MB")
    file = tmp_path / "out.rrd"

    with running(tmp_path / "d", WALL) as daemon:
        daemon.call("session.start", duration_s=5, wait="first")
        said(daemon, "rerun_log.py", "wall", str(file))

    found = rows(file)
    assert found["/wall/rgb"] == found["/wall/depth"] == found["/wall"] > 50


@pytest.mark.system
def test_rerun_log_marks_each_gap(tmp_path: Path) -> None:
    rerun = pytest.importorskip("rerun", reason="needs pip install 'imagempd[rerun]'")
    file = tmp_path / "out.rrd"
    log: Any = load_object(f"{EXAMPLES}/rerun_log.py:log")
    image = np.zeros((4, 6, 3), np.uint8)

    rerun.init("imagemp")
    rerun.save(file)
    for seq, expected in ((4, None), (5, 5), (8, 6), (9, 9)):
        log("wall", Frame({"image": image}, FrameInfo(seq=seq)), expected)
    rerun.disconnect()

    assert rows(file) == rows(file) | {"/wall/rgb": 4, "/wall/gaps": 1}


@pytest.mark.system
@pytest.mark.skipif(not shutil.which("npm"), reason="needs node and its npm")
def test_a_subscriber_in_node_hears_what_is_published(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "subscribe.mjs", tmp_path)
    install = ["npm", "install", "--silent", "--prefix", str(tmp_path), "zeromq@6"]
    subprocess.run(install, check=True, timeout=110)  # noqa: S603 - from the registry

    with running(tmp_path / "d", BLOB) as daemon:
        process = subprocess.Popen(  # noqa: S603 - our own example
            [str(shutil.which("node")), tmp_path / "subscribe.mjs", "hb ", "callback."],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "IMAGEMP_RUNTIME_DIR": str(daemon.runtime)},
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith("hb {")
        daemon.call("session.start", frames=20, wait="done")
        heard = next(line for line in process.stdout if line.startswith("callback."))
        process.kill()
        process.communicate()

    assert heard.startswith("callback.cam0.blob {")


def test_the_list_of_examples_names_each() -> None:
    listed = (EXAMPLES / "README.md").read_text()

    names = [path.name for path in EXAMPLES.glob("*.*") if path.suffix != ".md"]
    assert [name for name in names if f"]({name})" not in listed] == []


def test_every_public_name_is_in_an_example_that_imports_it() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    code = "".join(path.read_text() for path in EXAMPLES.glob("*.py"))
    imported = set(
        re.findall(r"\w+", " ".join(re.findall(r"from imagemp import (.*)", code)))
    )

    assert set(imagemp.__all__) <= imported
    assert [name for name in imagemp.__all__ if f"`{name}`" not in listed] == []
