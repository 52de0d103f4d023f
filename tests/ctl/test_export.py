"""`imagectl recordings export`: what the words of the command line mean."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from imagemp.ctl.exits import Exit
from imagemp.ctl.main import main
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.spec import FrameSpec, Plane
from tests.recording.sessions import leave, note

SEQS = [index * 3 // 2 for index in range(10)]
RGBD = FrameSpec((Plane("rgb", (16, 18, 3), "u1"), Plane("depth", (16, 18), "<f4")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    left = leave(tmp_path / "data", range(10))
    leave(tmp_path / "data", range(3), RGBD, "spare")
    note(left)
    return left


def export(folder: Path, target: Path, *words: str) -> int:
    return main(["recordings", "export", str(folder), "-o", str(target), *words])


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ((), SEQS),
        (("--frames", "2:5"), SEQS[2:5]),
        (("--frames", ":4"), SEQS[:4]),
        (("--frames=-3:",), SEQS[-3:]),
    ],
)
def test_frames_are_chosen_as_rows_of_the_log(
    folder: Path, tmp_path: Path, words: tuple[str, ...], chosen: list[int]
) -> None:
    assert export(folder, tmp_path / "some.npy", *words) == Exit.OK

    assert [read_seq(array) for array in np.load(tmp_path / "some.npy")] == chosen


def test_encoder_and_plane_are_chosen_by_name(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--encoder", "spare", "--plane", "depth", "--json")

    assert export(folder, tmp_path / "some.npy", *words) == Exit.OK

    found, told = np.load(tmp_path / "some.npy"), json.loads(capsys.readouterr().out)
    assert (found.dtype.str, found.shape) == ("<f4", (3, 16, 18))
    assert (told["frames"], told["plane"], told["format"]) == (3, "depth", "npy")


def test_the_format_may_be_said(folder: Path, tmp_path: Path) -> None:
    assert export(folder, tmp_path / "plain", "--format", "tiff") == Exit.OK
    assert export(folder, tmp_path / "pictures", "--format", "png") == Exit.OK

    assert tifffile.imread(tmp_path / "plain").shape == (10, 16, 16)
    assert len(list((tmp_path / "pictures").iterdir())) == 10


@pytest.mark.parametrize("words", [("film.mkv",), ("film.mp4", "--codec", "libx264")])
def test_films_are_made(folder: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    av = pytest.importorskip("av")
    name, *more = words

    assert export(folder, tmp_path / name, *more) == Exit.OK

    with av.open(str(tmp_path / name)) as film:
        assert len(list(film.decode(video=0))) == 10


def test_without_pyav_it_says_what_to_install(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)

    assert export(folder, tmp_path / "film.mkv") == Exit.ERROR

    assert "hint: pip install imagempd[video]" in capsys.readouterr().err
    assert not (tmp_path / "film.mkv").exists()


def test_nothing_is_overwritten_without_force(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "mine.npy"
    target.write_text("mine")

    assert export(folder, target) == Exit.ERROR
    assert target.read_text() == "mine"
    assert "hint: --force overwrites it" in capsys.readouterr().err

    assert export(folder, target, "--force") == Exit.OK
    assert len(np.load(target)) == 10


@pytest.mark.parametrize(
    "words",
    [
        ("some.xyz",),
        ("some",),
        ("a.npy", "--codec", "ffv1"),
        ("a.npy", "--frames", "3"),
    ],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    name, *more = words

    assert export(folder, tmp_path / name, *more) == Exit.USAGE

    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("words", [("--encoder", "none"), ("--frames", "20:")])
def test_frames_that_are_not_there_are_an_error(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert export(folder, tmp_path / "a.npy", *words) == Exit.ERROR

    assert "no frames in" in capsys.readouterr().err
