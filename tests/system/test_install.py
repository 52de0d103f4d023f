"""`make install` and `make uninstall` on a Debian, and the unit they bring."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from imagemp.recording.manifest import read_manifest

from .conftest import Make
from .machine import Machine
from .recipe import TREE
from .recordings import intact_frames
from .service import CONFIG, DATA, SMALL, UNIT, Service

pytestmark = pytest.mark.system

UNIT_FILE = f"/etc/systemd/system/{UNIT}"
DROP_INS = sorted((TREE / "systemd").glob("[0-9]*.conf"))
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


def test_with_autostart_it_records_after_the_next_boot(
    machine: Machine, installed: list[Path], tmp_path: Path
) -> None:
    machine.write(
        CONFIG,
        SMALL.replace("fps = 100.0", "fps = 100.0\n[pipelines.cam0]\nautostart = true"),
    )
    machine.run("systemctl", "enable", UNIT)
    machine.close()

    with Machine([machine.changes, *installed], tmp_path / "again") as again:
        service = Service(again)
        again.wait_for(lambda: service.recorded() >= 100, 30.0)
        again.run("systemctl", "stop", UNIT)
        left = read_manifest(service.session())

        assert left.state == "complete"
        recorded = left.counts["encoders"]["main"]["recorded"]
        assert intact_frames(service.session()) == recorded >= 100


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


def test_an_upgrade_leaves_the_session_alone_and_a_restart_brings_the_new(
    machine: Machine, service: Service, make: Make
) -> None:
    site = "/opt/imagemp/lib/python3.13/site-packages"
    copy = "tar -C /src --exclude='./.*' -c . | tar -C /old -x"
    machine.run("sh", "-c", f"mkdir /old && {copy}")
    machine.run(
        "sed", "-i", "s/^version = .*/version = '0.0.1'/", "/old/pyproject.toml"
    )
    machine.run("touch", "/old/imagemp/gone.py")
    make(machine, "install", "/old")
    assert machine.path(f"{site}/imagemp/gone.py").exists()
    service.start(SMALL)
    service.begin(20)

    make(machine, "install")
    at_upgrade = service.recorded()
    machine.wait_for(lambda: service.recorded() > at_upgrade + 50, 30.0)
    machine.run("systemctl", "restart", UNIT)

    assert read_manifest(service.session()).state == "complete"
    assert intact_frames(service.session()) > at_upgrade
    assert machine.path(CONFIG).read_text() == SMALL
    assert not machine.path(f"{site}/imagemp/gone.py").exists()
    assert service.imagectl("start", "--frames", "5", "--wait").returncode == 0


def test_installing_ends_by_importing_what_a_camera_needs(
    machine: Machine, make: Make
) -> None:
    broken = "/usr/lib/python3/dist-packages/picamera2.py"
    machine.write(broken, "raise ImportError('numpy.dtype size changed')")
    failed = make.attempt(machine, "install")
    machine.write(broken, "from pathlib import Path\nPath('/imported').touch()")

    make(machine, "install")

    assert failed.returncode != 0
    assert "numpy.dtype size changed" in failed.stderr
    assert machine.path("/imported").exists()


def test_a_32_bit_system_is_refused_by_its_name(machine: Machine, make: Make) -> None:
    says_so = (
        "#!/bin/sh\nshift\nexec /usr/bin/python3 -c 'import struct, sys, sysconfig\n"
        "struct.calcsize = lambda _: 4\n"
        'sysconfig.get_config_var = lambda _: "arm-linux-gnueabihf"\n'
        'exec(sys.argv[1])\' "$@"\n'
    )
    machine.write("/python32", says_so)
    machine.run("chmod", "755", "/python32")
    machine.run("rm", "-r", "/opt/imagemp")

    refused = make.attempt(machine, "install", "PYTHON=/python32")

    assert refused.returncode != 0
    assert "64-bit system, this is arm-linux-gnueabihf" in refused.stderr
    assert not machine.path("/opt/imagemp").exists()


def test_systemd_knows_every_key_of_the_unit(
    machine: Machine, service: Service
) -> None:
    for shipped in DROP_INS:
        service.drop_in(shipped.name, shipped.read_text("utf-8"))

    said = machine.try_run("systemd-analyze", "verify", UNIT_FILE)

    assert said.returncode == 0
    assert said.stdout + said.stderr == ""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_this_computer_s_systemd_knows_every_key_too(tmp_path: Path) -> None:
    folder = tmp_path / f"{UNIT}.d"
    folder.mkdir()
    for shipped in DROP_INS:
        shutil.copy(shipped, folder)
    unit = (TREE / "systemd" / UNIT).read_text("utf-8")
    unit = re.sub("^ExecStart=.*", "ExecStart=/bin/true", unit, flags=re.MULTILINE)
    (tmp_path / UNIT).write_text(unit, "utf-8")

    said = subprocess.run(  # noqa: S603 - nothing of it comes from outside
        ["systemd-analyze", "verify", str(tmp_path / UNIT)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_the_unit_is_exposed_by_1_5_at_most(machine: Machine) -> None:
    words = ("systemd-analyze", "security", "--offline=yes", "--threshold=15")
    said = machine.try_run(*words, UNIT_FILE)

    assert said.returncode == 0, said.stdout


def test_what_shells_and_man_know_comes_and_goes_with_the_program(
    machine: Machine, make: Make
) -> None:
    share = machine.path("/usr/local/share")
    page, completion = share / "man/man1/imagectl.1", share / "bash-completion"

    assert ".SS start" in page.read_text()
    assert "--duration" in (completion / "completions/imagectl").read_text()
    assert (share / "zsh/site-functions/_imagectl").stat().st_size
    assert (share / "fish/vendor_completions.d/imagectl.fish").stat().st_size
    assert ".TH IMAGEMPD 8" in (share / "man/man8/imagempd.8").read_text()

    make(machine, "uninstall")

    assert not page.exists()
    assert not list(completion.rglob("imagectl*"))
