"""What README and docs have root type is typed, as it stands, on a machine."""

import pytest

from tests.shell_lines import SERVICE

from .machine import Machine
from .service import SMALL, STRANGER, Service

pytestmark = pytest.mark.system


def test_the_lines_of_the_manual_do_as_they_say(
    machine: Machine, service: Service
) -> None:
    machine.write("/root/motion.py", "def look(buffer, queue): ...\n")
    machine.run("mkdir", "--parents", "/mnt/usb")  # what the drop-in lets in
    service.start(SMALL)
    assert service.imagectl("start", "--frames", "5", "--wait").returncode == 0
    assert service.imagectl("status", user=STRANGER).returncode == 4

    folder = "/root"
    for line in SERVICE:
        typed = line.replace("sudo ", "").replace("$USER", STRANGER)
        ran = machine.try_run("sh", "-c", f"cd {folder} && {typed}")
        assert ran.returncode == 0, (line, ran.stderr)
        folder = line[3:] if line.startswith("cd ") else folder

    assert "captured=5" in machine.run("journalctl", "-u", "imagemp", "-b")
    assert service.imagectl("ping", user=STRANGER).returncode == 0
    assert machine.path("/srv/lab/motion.py").exists()
    assert "10-disk.conf" in service.show("DropInPaths")
