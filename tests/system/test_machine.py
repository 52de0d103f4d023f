"""Machines go without a trace."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import cgroups
from .machine import Machine

pytestmark = pytest.mark.system

BOOTS_AND_WAITS = """
import sys
from pathlib import Path
from tests.system.machine import Machine
machine = Machine([Path(sys.argv[1])], Path(sys.argv[2]))
print(machine.path("/").parent.name, flush=True)
sys.stdin.read()
"""


def assert_no_trace(scratch: Path, leader: str) -> None:
    """Fail if there still is a process, or a mount that this computer sees."""
    until = time.monotonic() + 10
    while Path(f"/proc/{leader}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{leader}").exists()
    assert str(scratch) not in Path("/proc/self/mountinfo").read_text()


def test_a_closed_machine_leaves_its_changes_alone(built: Path, tmp_path: Path) -> None:
    with Machine([built / "root"], tmp_path / "machine") as machine:
        machine.write("/srv/made", "here")
        leader = machine.path("/").parent.name

    assert (machine.changes / "srv/made").read_text() == "here"
    assert not (built / "root/srv/made").exists()
    assert not any(group.exists() for group in machine.groups)
    assert_no_trace(tmp_path, leader)


def test_a_machine_dies_with_the_tests_that_booted_it(
    built: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-c",
        BOOTS_AND_WAITS,
        str(built / "root"),
        str(tmp_path),
    ]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        leader = tests.stdout.readline().strip()
        tests.kill()

    assert_no_trace(tmp_path, leader)
    for group in cgroups.made_by(tests.pid):
        cgroups.remove(group)
