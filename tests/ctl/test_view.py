"""`imagectl view`: what it takes from the ring, and that its pictures are right.

The window itself is looked at in tests/system/test_window.py.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imagemp.ctl.exits import Exit, UsageError
from imagemp.ctl.main import main
from imagemp.ctl.pane import fitted, stretched
from imagemp.ctl.view import ring_of
from imagemp.ctl.window import HEAD, SIDE
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import FrameShapeError
from imagemp.frames import AnyArray
from tests.daemon.test_recording import begin
from tests.running import Daemon, running

CONFIG = """
[pipelines.grey]
source = { kind = "synthetic", width = 512, height = 512, fps = 50 }
encoder = { input = "callback:negative" }
[[pipelines.grey.callbacks]]
name = "negative"
target = "{folder}/mine.py:Negative"
policy = "every"
[pipelines.deep]
source = { kind = "synthetic", width = 64, height = 32, fps = 50, depth = true }
[pipelines.idle]
source = { kind = "synthetic" }
"""
MINE = """
from imagemp import Callback

class Negative(Callback):
    def process(self, frame):
        return {"image": 255 - frame.image}
"""
Saved = Callable[..., AnyArray]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with two cameras that run, and one that does not."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "mine.py").write_text(MINE)
    with running(folder, CONFIG) as started:
        for pipeline in ("grey", "deep"):
            begin(started, pipeline=pipeline)
        yield started
        started.call("session.stop")


@pytest.fixture
def saved(daemon: Daemon, tmp_path: Path) -> Saved:
    """Save a picture and give it, grey."""

    def save(*words: str) -> AnyArray:
        path = tmp_path / "frame.png"
        options = ["--runtime-dir", str(daemon.runtime), "--save", str(path)]
        assert main(["view", *words, *options]) == Exit.OK
        return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))

    return save


def test_a_picture_has_every_pixel_of_the_newest_frame(saved: Saved) -> None:
    first, second = saved("grey")[HEAD:], saved("grey")[HEAD:]

    assert first.shape == (SIDE, SIDE)
    assert 0 <= read_seq(first) < read_seq(second)


def test_from_says_whose_frames_are_shown(saved: Saved) -> None:
    source = saved("grey", "--from", "source")[HEAD:]
    encoder = saved("grey", "--from", "encoder")[HEAD:]
    callback = saved("grey", "--from", "callback:negative")[HEAD:]

    seqs = [read_seq(source), read_seq(255 - encoder), read_seq(255 - callback)]
    assert seqs == sorted(set(seqs))
    assert seqs[0] >= 0


def test_several_pipelines_stand_side_by_side(saved: Saved) -> None:
    picture = saved("grey", "deep")

    assert picture.shape == (HEAD + SIDE, 2 * SIDE)
    assert read_seq(picture[HEAD:, :SIDE]) >= 0
    assert picture[HEAD : HEAD + SIDE // 2, SIDE:].any()


def test_what_is_known_of_the_pipeline_stands_above(saved: Saved) -> None:
    lines = saved("grey")[:HEAD]

    assert (lines[:14] > 128).any()
    assert (lines[14:28] > 128).any()


def test_a_plane_is_chosen_by_name(saved: Saved) -> None:
    image, depth = saved("deep"), saved("deep", "--plane", "depth")

    assert (image[HEAD:] != depth[HEAD:]).mean() > 0.1


def test_a_plane_that_is_not_there_is_told_what_there_is(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            "view",
            "deep",
            "--plane",
            "z",
            "--save",
            str(tmp_path / "x.png"),
            "--runtime-dir",
            str(daemon.runtime),
        ]
    )

    assert code == Exit.USAGE
    assert "deep: no plane z: there is image, depth" in capsys.readouterr().err


def test_a_pipeline_that_is_not_in_session_is_told_how_to_begin(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            "view",
            "idle",
            "--save",
            str(tmp_path / "x.png"),
            "--timeout",
            "0.1",
            "--runtime-dir",
            str(daemon.runtime),
        ]
    )

    assert code == Exit.TIMEOUT
    assert "imagectl start idle" in capsys.readouterr().err


def test_saving_with_json_names_the_file(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "x.png")

    main(
        ["--json", "view", "grey", "--save", path, "--runtime-dir", str(daemon.runtime)]
    )

    assert json.loads(capsys.readouterr().out) == {"saved": path}


def test_without_a_display_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    assert main(["view", "--runtime-dir", str(tmp_path)]) == Exit.ERROR

    told = capsys.readouterr().err
    assert "no display" in told
    assert "ssh -X" in told
    assert "imagectl view --save" in told


@pytest.mark.parametrize(
    "words",
    [("--from", "disk"), ("--fps", "0"), ("--fps", "many"), ("--duration", "soon")],
)
def test_options_that_make_no_sense_are_refused(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", *words]) == Exit.USAGE
    assert words[1] in capsys.readouterr().err


def pipeline(**encoder: Any) -> dict[str, Any]:  # noqa: ANN401 - as JSON has it
    return {
        "encoder": [{"name": "main", "input": None}, {"name": "b", **encoder}],
        "callbacks": [{"name": "own", "inline": False}, {"name": "in", "inline": True}],
    }


def test_the_encoders_frames_are_those_of_the_ring_it_reads() -> None:
    made = pipeline(input="callback:own")

    assert ring_of("cam0", made, "encoder") == "source"
    assert ring_of("cam0", made, "encoder:b") == "callback:own"
    assert ring_of("cam0", made, "callback:own") == "callback:own"


def test_what_is_returned_inline_is_in_no_ring() -> None:
    with pytest.raises(UsageError, match="in no ring"):
        ring_of("cam0", pipeline(input="callback:in"), "encoder:b")


def test_an_encoder_that_is_not_there_is_told_which_are() -> None:
    with pytest.raises(UsageError, match="no encoder c") as caught:
        ring_of("cam0", pipeline(input=None), "encoder:c")

    assert caught.value.hint == "there is main, b"


def test_proportions_are_kept_and_pixels_are_not_blended() -> None:
    pixels = np.array([[0, 255], [255, 0]], np.uint8)

    large = fitted(pixels, 8, 4)

    assert large.shape == (4, 4, 4)
    assert (large[..., :3] == np.kron(pixels, np.ones((2, 2)))[..., np.newaxis]).all()
    assert (large[..., 3] == 255).all()


def test_a_large_frame_is_thinned_out() -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)

    assert fitted(pixels, 2, 2)[..., 0].tolist() == [[0, 2], [8, 10]]


def test_numbers_of_any_kind_become_grey() -> None:
    deep = np.array([[1.0, np.nan], [3.0, np.inf]], "<f4")

    assert stretched(deep).tolist() == [[0, 0], [255, 0]]
    assert stretched(np.array([[-5, 5]], "<i2")).tolist() == [[0, 255]]
    assert stretched(np.array([[np.nan]])).tolist() == [[0]]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros(4, "u1"), np.zeros((2, 2, 2), "u1"), np.zeros((2, 2), [("a", "u1")])],
)
def test_what_is_no_picture_is_refused(pixels: AnyArray) -> None:
    with pytest.raises(FrameShapeError):
        fitted(pixels, 10, 10)
