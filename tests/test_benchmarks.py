"""The benchmarks run; what they find is judged by whoever reads it."""

import importlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import camera
from benchmarks.table import Options

ROOT = Path(__file__).parents[1]
DISPLAY = pytest.mark.skipif(not shutil.which("Xvfb"), reason="apt-get install xvfb")

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="the limit is in C")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("overflow", marks=pytest.mark.system),
        "tiff",
        pytest.param("ring", marks=pytest.mark.system),
        pytest.param("growth", marks=pytest.mark.system),
        pytest.param("pipeline", marks=pytest.mark.system),
        pytest.param("lateness", marks=pytest.mark.system),
        pytest.param("latency", marks=pytest.mark.system),
        pytest.param("crashing", marks=pytest.mark.system),
        pytest.param("control", marks=pytest.mark.system),
        pytest.param("viewing", marks=[pytest.mark.system, DISPLAY]),
    ],
)
def test_a_benchmark_tells_every_figure_it_promises(name: str, tmp_path: Path) -> None:
    promised = importlib.import_module(f"benchmarks.{name}").KEYS

    found = figures(name, tmp_path / "figures.json")

    assert set(found) == set(promised)
    assert all(math.isfinite(value) for value in found.values())
    never = ("unaccounted", "torn", "duplicated")  # `lost` is for a machine at rest
    assert {found.get(name, 0) for name in never} == {0}


def test_the_benchmark_of_a_camera_says_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picamera2.py").write_text("raise ImportError('not on this machine')")
    monkeypatch.syspath_prepend(tmp_path)

    report = camera.measure(Options(quick=True))

    (told,) = report.notes
    problem = "picamera2 cannot be imported: not on this machine"
    assert (told, report.keys) == (f"Not measured: {problem}.", [])


def figures(name: str, file: Path) -> dict[str, float]:
    """Run a benchmark as quickly as it can; give its keys."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--json"]
    subprocess.run(  # noqa: S603 - our own program
        [*command, str(file)], cwd=ROOT, check=True, capture_output=True, timeout=110
    )
    keys: dict[str, float] = json.loads(file.read_text())["keys"]
    return keys
