"""A machine for each test as one folder above, with two cameras of libcamera's."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Make, install, say_past
from tests.system.machine import Machine
from tests.system.root import built_root, why_not
from tests.system.service import UNIT

from .clip import write_clip
from .recipe import with_cameras

STAND_IN = Path(__file__).parent / "stand_in"
PYTHON = "/usr/local/lib/python3.13/dist-packages"
MODULES = ("pykms.py", "virtual_camera.py", "sensor_pace.py")
PRELOAD = "[Service]\nEnvironment=LD_PRELOAD=/opt/dma_heap.so\n"
CLIPS = "/opt/clips"
VIRTUAL = "/usr/share/libcamera/pipeline/virtual/virtual.yaml"


@pytest.fixture(scope="session")
def built(pytestconfig: pytest.Config) -> Path:
    """Give the folder of the root that has picamera2, and the wheels."""
    if reason := why_not():
        pytest.skip(reason)
    return built_root(with_cameras(), say_past(pytestconfig))


@pytest.fixture(scope="session")
def binds(built: Path) -> dict[str, Path]:
    """What a machine sees of this computer, and what stands in for hardware."""
    tree = Path(__file__).parents[3]
    return {"/src": tree, "/wheels": built / "wheels", "/stand_in": STAND_IN}


@pytest.fixture(scope="session")
def installed(
    built: Path,
    binds: dict[str, Path],
    make: Make,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Path]]:
    """Give the layers of a machine with cameras on which `make install` has run."""
    scratch = tmp_path_factory.mktemp("with-cameras")
    try:
        with Machine([built / "root"], scratch, binds) as machine:
            plug_in_cameras(machine)
            install(machine, make)
        yield [machine.changes, built / "root"]
    finally:
        shutil.rmtree(scratch)


def plug_in_cameras(machine: Machine) -> None:
    """Have libcamera find two, each of which plays a clip of its own."""
    for name in MODULES:
        machine.run("cp", f"/stand_in/{name}", PYTHON)
    package = machine.path(f"{PYTHON}/picamera2/__init__.py")
    with package.open("a") as module:
        module.write("\nimport virtual_camera, sensor_pace  # a test's\n")
    words = ("-shared", "-fPIC", "-O2", "-o", "/opt/dma_heap.so")
    machine.run("gcc", *words, "/stand_in/dma_heap.c")
    for number in range(2):
        write_clip(machine.path(f"{CLIPS}/{number}"), number)
    machine.write(VIRTUAL, (STAND_IN / "virtual.yaml").read_text("utf-8"))
    machine.write(f"/etc/systemd/system/{UNIT}.d/cameras.conf", PRELOAD)
