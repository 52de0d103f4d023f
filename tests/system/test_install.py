"""`make install` and `make uninstall` on a Debian, and the unit they bring."""

from pathlib import Path

import pytest

from .conftest import Make
from .machine import Machine
from .service import CONFIG, DATA, SMALL, UNIT, Service

pytestmark = pytest.mark.system

UNIT_FILE = f"/etc/systemd/system/{UNIT}"
LINKS = ("/usr/local/bin/imagectl", "/usr/local/bin/imagempd")


def test_what_was_installed_starts_and_answers(service: Service) -> None:
    service.start()

    assert service.show("ActiveState") == "active"
    assert service.show("StatusText") == "cam0 idle 0.0 fps, 0 dropped"
    assert service.imagectl("ping").returncode == 0


def test_debian_s_numpy_is_the_one_in_use(machine: Machine) -> None:
    words = ("/opt/imagemp/bin/python", "-c", "import numpy; print(numpy.__file__)")

    assert machine.run(*words).startswith("/usr/lib/python3/dist-packages/")


def test_enabled_it_runs_after_the_next_boot(
    machine: Machine, installed: list[Path], tmp_path: Path
) -> None:
    machine.run("systemctl", "enable", UNIT)
    machine.close()

    with Machine([machine.changes, *installed], tmp_path / "again") as again:
        assert Service(again).imagectl("ping").returncode == 0


def test_installing_again_keeps_the_configuration_and_mends_the_program(
    machine: Machine, service: Service, make: Make
) -> None:
    machine.write(CONFIG, SMALL)
    machine.run("rm", "-r", "/opt/imagemp/lib/python3.13/site-packages/imagemp")

    make(machine, "install")

    assert machine.path(CONFIG).read_text() == SMALL
    service.start()


def test_uninstalling_leaves_recordings_and_configuration(
    machine: Machine, service: Service, make: Make
) -> None:
    service.start(SMALL)
    assert service.imagectl("start", "--frames", "10", "--wait").returncode == 0

    make(machine, "uninstall")

    assert machine.try_run("systemctl", "cat", UNIT).returncode != 0
    assert not machine.path("/run/imagemp").exists()
    assert not machine.path("/opt/imagemp").exists()
    assert not any(machine.path(link).is_symlink() for link in LINKS)
    assert machine.path(CONFIG).read_text() == SMALL
    assert (service.session() / "frames-0000.tif").exists()
    assert machine.run("stat", "--format=%U", DATA) == "imagemp"


def test_systemd_knows_every_key_of_the_unit(machine: Machine) -> None:
    said = machine.try_run("systemd-analyze", "verify", UNIT_FILE)

    assert said.returncode == 0
    assert said.stdout + said.stderr == ""


def test_the_unit_is_exposed_by_1_5_at_most(machine: Machine) -> None:
    words = ("systemd-analyze", "security", "--offline=yes", "--threshold=15")
    said = machine.try_run(*words, UNIT_FILE)

    assert said.returncode == 0, said.stdout
