"""What is given away: a wheel and an sdist, each with all it needs and no more."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
NOT_COPIED = (".git", ".venv*", ".*cache", ".hypothesis", "build", "dist", "*.egg-info")
PARTS = ("imagemp", "imagemp/ctl", "imagemp/daemon")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both as `make wheel` does, from a copy; give their folder."""
    copy = tmp_path_factory.mktemp("copy") / "imagemp"
    left_out = shutil.ignore_patterns(*NOT_COPIED)
    shutil.copytree(ROOT, copy, symlinks=True, ignore=left_out)
    build = [sys.executable, "-m", "build", "--no-isolation", "--quiet"]
    subprocess.run(build, cwd=copy, check=True, capture_output=True)  # noqa: S603
    return copy / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> ZipFile:
    """Give the wheel."""
    return ZipFile(next(dist.glob("*.whl")))


def test_the_wheel_brings_one_package_for_it_must_not_overwrite_python_daemon(
    wheel: ZipFile,
) -> None:
    packages = {name.split("/")[0] for name in wheel.namelist() if name.endswith(".py")}

    assert packages == {"imagemp"}


def test_the_wheel_has_every_module_of_the_library_and_of_both_programs(
    wheel: ZipFile,
) -> None:
    modules = {
        f"{part}/{path.relative_to(ROOT / part)}"
        for part in PARTS
        for path in (ROOT / part).rglob("*.py")
    }

    assert modules == {name for name in wheel.namelist() if name.endswith(".py")}
    assert "imagemp/py.typed" in wheel.namelist()


def test_the_wheel_installs_two_commands(wheel: ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    commands = wheel.read(name).decode().splitlines()

    assert "imagempd = imagemp.daemon.main:main" in commands
    assert "imagectl = imagemp.ctl.main:main" in commands


@pytest.mark.parametrize(
    "path",
    [
        *("LICENSE", "Makefile", "CHANGELOG.md", "pyproject.toml", ".ci/run"),
        *("etc/imagemp.toml", "systemd/imagemp.service", "docs/configuration.md"),
        *("benchmarks/__init__.py", "examples/subscribe.py", "tests/test_packages.py"),
    ],
)
def test_one_can_install_and_test_from_the_sdist(dist: Path, path: str) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    assert path in names
