"""Tests of loading what a user names."""

import pickle
import sys
from pathlib import Path

import pytest

from imagemp.errors import ImagempError
from imagemp.load import TargetError, load_object


@pytest.fixture(autouse=True)
def clean_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the folders that loading adds."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(path: Path, *lines: str) -> Path:
    """Write a Python file."""
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_name_in_a_module_is_found() -> None:
    assert load_object("os.path:join") is __import__("os").path.join


def test_a_name_inside_a_class_is_found() -> None:
    assert load_object("pathlib:Path.home") == Path.home


def test_a_name_in_a_file_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "plan.py", "times = [1, 2, 3]")

    assert load_object(f"{path}:times") == [1, 2, 3]


def test_a_file_may_import_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path / "a_neighbour_of_plan.py", "START = 7")
    path = write(tmp_path / "plan.py", "from a_neighbour_of_plan import START")

    assert load_object(f"{path}:START") == 7
    assert sys.path[-1] == str(tmp_path)


def test_an_edit_counts_from_the_next_load_on(tmp_path: Path) -> None:
    path = write(tmp_path / "plan.py", "period = 1")
    load_object(f"{path}:period")

    write(path, "period = 2")

    assert load_object(f"{path}:period") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["plan.py"]


def test_dataclasses_and_pickle_work_in_a_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "shapes.py",
        "from __future__ import annotations",
        "from dataclasses import dataclass",
        "@dataclass",
        "class Box:",
        "    side: int = 3",
        "box = Box()",
    )

    box = load_object(f"{path}:box")

    assert pickle.loads(pickle.dumps(box)) == box  # noqa: S301 - our own


def refusal(target: str) -> str:
    """Give what is said against a target."""
    with pytest.raises(TargetError) as caught:
        load_object(target)
    return f"{caught.value} ({caught.value.hint})"


@pytest.mark.parametrize("target", ["", "plan", ":plan", "plan:", "/a/plan.py"])
def test_a_target_without_a_name_is_told_the_form(target: str) -> None:
    assert "expected package.module:Name or /path/file.py:Name" in refusal(target)


def test_a_module_that_is_not_there_is_named() -> None:
    said = refusal("json.no_such:thing")

    assert "json.no_such: no module json.no_such" in said
    assert sys.executable in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/plan.py: no such file" in refusal(f"{tmp_path}/plan.py:times")


def test_a_name_that_is_not_there_is_told_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "plan.py", "import os", "def times(): ...")

    assert "has no time (it has times)" in refusal(f"{path}:time")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raise ValueError('too dark')", "raised ValueError: too dark"),
        ("import no_such_module", "raised ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("1 +", "raised SyntaxError: invalid syntax"),
        ("__import__('json').loads('{')", "raised JSONDecodeError"),
        ("assert False", "raised AssertionError (in"),
    ],
)
def test_what_a_file_raises_is_told_with_its_line(
    tmp_path: Path, line: str, said: str
) -> None:
    path = write(tmp_path / "plan.py", "", line)

    answer = refusal(f"{path}:times")

    assert said in answer
    assert f"(in {path}, line 2)" in answer


def test_what_a_module_raises_is_told_with_its_deepest_own_line(
    tmp_path: Path,
) -> None:
    package = tmp_path / "a_lab_of_ours"
    package.mkdir()
    write(package / "__init__.py")
    write(package / "optics.py", "", "", "lens = [][0]")
    write(package / "plan.py", "from . import optics")
    sys.path.append(str(tmp_path))

    answer = refusal("a_lab_of_ours.plan:times")

    assert f"raised IndexError: list index out of range (in {package}/optics" in answer
    assert "line 3" in answer


def test_the_error_is_ours_and_an_import_error() -> None:
    assert issubclass(TargetError, ImagempError)
    assert issubclass(TargetError, ImportError)
