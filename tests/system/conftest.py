"""A machine for each test, booted, with imagemp installed; and a disk with faults."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .faulty_disk import FaultyDisk, faulty_disk
from .machine import Machine, Ran
from .recipe import TREE, what_install_needs
from .root import Say, built_root, why_not
from .service import MEMBER, STRANGER, UNIT, Service

INSTALL_S = 300.0
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}


class Make:
    """Runs `make TARGET` in a machine, without a network."""

    def __call__(self, machine: Machine, target: str, tree: str = "/src") -> None:
        """Run it; it must succeed."""
        done = self.attempt(machine, target, tree=tree)
        assert done.returncode == 0, done.stdout + done.stderr

    def attempt(self, machine: Machine, *words: str, tree: str = "/src") -> Ran:
        """Run it to its end, however that is."""
        command = ("make", "-C", tree, *words)
        return machine.try_run(*command, env=OFFLINE, timeout_s=INSTALL_S)


@pytest.fixture(scope="session")
def built(pytestconfig: pytest.Config) -> Path:
    """Give the folder of the bare root and the wheels."""
    if reason := why_not():
        pytest.skip(reason)
    return built_root(what_install_needs(), say_past(pytestconfig))


@pytest.fixture(scope="session")
def binds(built: Path) -> dict[str, Path]:
    """What a machine sees of this computer: the tree, and wheels for pip."""
    return {"/src": TREE, "/wheels": built / "wheels"}


@pytest.fixture(scope="session")
def make() -> Make:
    """Run `make TARGET` in a machine."""
    return Make()


@pytest.fixture(scope="session")
def installed(
    built: Path,
    binds: dict[str, Path],
    make: Make,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Path]]:
    """Give the layers of a machine on which `make install` has run."""
    scratch = tmp_path_factory.mktemp("installed")
    try:
        with Machine([built / "root"], scratch, binds) as machine:
            install(machine, make)
        yield [machine.changes, built / "root"]
    finally:
        shutil.rmtree(scratch)


def install(machine: Machine, make: Make) -> None:
    """Install imagemp, and let one of two users use it."""
    make(machine, "install")
    machine.run("useradd", "--groups=imagemp", MEMBER)
    machine.run("useradd", STRANGER)


@pytest.fixture
def machine(
    installed: list[Path], binds: dict[str, Path], tmp_path: Path
) -> Iterator[Machine]:
    """Boot a machine of the test's own."""
    scratch = tmp_path / "machine"
    try:
        with Machine(installed, scratch, binds) as booted:
            yield booted
            # Shown by pytest if the test has failed.
            words = (f"--unit={UNIT}", "--output=short-monotonic")
            sys.stdout.write(booted.try_run("journalctl", *words).stdout)
    finally:
        shutil.rmtree(scratch)


@pytest.fixture
def service(machine: Machine) -> Service:
    """Give the service of the machine; it is not started."""
    return Service(machine)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyDisk]:
    """Mount a disk that does as it is told at `d/spill`."""
    (tmp_path / "d").mkdir()
    with faulty_disk(tmp_path / "d/spill", tmp_path / "behind") as made:
        yield made


def say_past(config: pytest.Config) -> Say:
    """Show progress at once: the first build takes a minute or two."""

    def say(line: str) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\n{line}")

    return say
