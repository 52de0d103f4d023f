"""A Debian root that has cameras: libcamera's own virtual ones, seen by picamera2.

`python -m tests.system.cameras.recipe` builds it, so that a test need not.
"""

import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.system.recipe import TREE, Recipe, what_install_needs
from tests.system.root import PLATFORMS, built_root, run, say, why_not

PIN = """Package: libcamera* python3-libcamera
Pin: release n=trixie-backports
Pin-Priority: 900
"""
BUILD = (
    "python3-dev",
    "python3-setuptools",
    "python3-wheel",
    "gcc",
    "libc6-dev",
    "udev",
)
CAMERA = (
    *("python3-libcamera", "libcamera-ipa", "python3-numpy", "python3-prctl"),
    *("python3-pil", "python3-av", "python3-jsonschema", "python3-tqdm"),
)
WHEELS = ("picamera2", "simplejpeg", "OpenEXR", "libarchive-c", "piexif", "videodev2")
SOURCE = "pidng"


@dataclass(frozen=True)
class CameraRecipe(Recipe):
    """A root in which Python has picamera2."""

    @property
    def suites(self) -> tuple[str, ...]:
        return (self.suite, f"{self.suite}-backports")

    @property
    def preferences(self) -> str:
        return PIN  # libcamera as new as Raspberry Pi OS has it

    def after(self, path: Path) -> None:
        """Install picamera2 for all of its Python, as Raspberry Pi OS has it."""
        wheels = path / "opt/wheels"
        wheels.mkdir()
        _fetch(self, wheels)
        pip = (
            "python3 -m pip install --quiet --root-user-action=ignore"
            " --break-system-packages --no-index --no-build-isolation --no-deps"
        )
        _inside(path, f"HOME=/root {pip} /opt/wheels/*")
        shutil.rmtree(wheels)


def with_cameras() -> CameraRecipe:
    """Give the recipe for `make install` where there are cameras."""
    base = asdict(what_install_needs(TREE))
    packages = (*base.pop("packages"), *BUILD, *CAMERA)
    return CameraRecipe(**base, packages=packages)


def _fetch(recipe: Recipe, to: Path) -> None:
    """Fetch here what Debian lacks: inside there is no network."""
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    download = (*pip, "download", "--no-deps", "--dest", str(to))
    tag = recipe.python.replace(".", "")
    kinds = (*(f"{name}_{recipe.machine}" for name in PLATFORMS), "any")
    run(
        *(*download, "--only-binary=:all:", "--python-version", recipe.python),
        *("--implementation", "cp"),
        *(word for abi in (f"cp{tag}", "abi3", "none") for word in ("--abi", abi)),
        *(word for kind in kinds for word in ("--platform", kind)),
        *WHEELS,
    )
    # It is published as source alone, with a part in C: it is built inside.
    with tempfile.TemporaryDirectory() as tools:
        run(sys.executable, "-m", "venv", tools)
        own = (f"{tools}/bin/python", *pip[1:])
        run(*own, "install", "setuptools", "wheel")
        run(
            *(*own, "download", "--no-deps", "--dest", str(to)),
            *("--no-binary=:all:", "--no-build-isolation", SOURCE),
        )


def _inside(path: Path, command: str) -> None:
    run("chroot", str(path), "sh", "-c", command)


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(f"no root: {reason}")
    built_root(with_cameras(), say)
