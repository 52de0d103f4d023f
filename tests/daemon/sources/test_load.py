"""Tests of the way from settings to a source."""

from pathlib import Path
from typing import Any

import pytest

from imagemp.daemon.sources.file import FileSource
from imagemp.daemon.sources.load import make_source
from imagemp.daemon.sources.opencv import OpencvSource
from imagemp.daemon.sources.scaled import ScaledSource
from imagemp.daemon.sources.synthetic import SyntheticSource
from imagemp.errors import SourceError
from tests.daemon.sources.stage import QUIET, slot

EXAMPLE = Path(__file__).parents[3] / "examples/my_source.py"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "synthetic"}, SyntheticSource),
        ({}, SyntheticSource),
        ({"kind": "file", "path": "a.mp4"}, FileSource),
        ({"kind": "opencv"}, OpencvSource),
        ({"kind": "opencv", "scale": 0.5}, ScaledSource),
        ({"kind": "synthetic", "scale": 0.5}, SyntheticSource),
        ({"kind": "imagemp.daemon.sources.file:FileSource"}, FileSource),
    ],
)
def test_the_kind_decides_the_class(settings: dict[str, Any], expected: type) -> None:
    source = make_source(settings)

    assert type(source) is expected
    assert source.settings == settings


def test_a_scaled_camera_is_still_not_interruptible() -> None:
    assert not make_source({"kind": "opencv", "scale": 0.5}).interruptible


def test_the_example_of_a_users_source_gives_frames() -> None:
    settings = {"kind": f"{EXAMPLE}:LineScanner", "pixels": 100, "seed": 1}
    source = make_source(settings)
    frame = slot(source.open())

    grab = source.grab(QUIET)
    source.retrieve(frame)
    source.close()

    assert grab is not None
    assert 30 < grab.fields["lamp_c"] < 50
    assert frame.image.shape == (100,)
    assert 0 < frame.image.mean() < 4096


def refusal(kind: str, **settings: Any) -> str:  # noqa: ANN401
    """Give what is said against a kind."""
    with pytest.raises(SourceError) as caught:
        make_source({"kind": kind, **settings})
    return f"{caught.value} ({caught.value.hint})"


def test_a_kind_that_is_unknown_is_told_the_known_ones() -> None:
    known = "synthetic, file, opencv, picamera2, stereo, package.module:Class"
    assert known in refusal("webcam")


def test_a_module_that_is_not_there_is_named() -> None:
    assert "my_lab.camera: no module my_lab" in refusal("my_lab.camera:Camera")


def test_a_file_that_is_not_there_is_named() -> None:
    assert "/no/camera.py: no such file" in refusal("/no/camera.py:Camera")


def test_a_class_that_is_not_there_is_named() -> None:
    said = refusal(f"{EXAMPLE}:Linescaner")

    assert "has no Linescaner (it has LineScanner)" in said


@pytest.mark.parametrize("target", ["json:JSONDecoder", "json:dumps", "json:decoder"])
def test_what_is_not_a_source_is_refused(target: str) -> None:
    said = refusal(target)

    assert f"{target} is not a Source (derive it from imagemp.daemon.sources" in said


def test_a_source_that_lacks_methods_is_told_which(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(
        "from imagemp.daemon.sources.base import Source\n"
        "class Half(Source):\n"
        "    def open(self): ...\n"
        "    def close(self): ...\n"
    )

    assert "Half lacks grab, retrieve" in refusal(f"{tmp_path}/half.py:Half")


def test_a_file_that_raises_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import os\n\nlens = 1 / 0\n")

    said = refusal(f"{tmp_path}/bad.py:Camera")

    assert f"raised ZeroDivisionError: division by zero (in {tmp_path}/bad.py" in said
    assert "line 3" in said


@pytest.mark.parametrize("scale", [0, -1, "half"])
def test_a_scale_that_cannot_be_is_refused(scale: object) -> None:
    assert "source.scale" in refusal("synthetic", scale=scale)
