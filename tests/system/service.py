"""imagemp.service on a machine, and what a test wants of it."""

import json
from pathlib import Path
from typing import Any

from .machine import Machine, Ran

UNIT = "imagemp.service"
CONFIG = "/etc/imagemp/imagemp.toml"
DATA = "/var/lib/imagemp"
MEMBER, STRANGER = "mary", "sam"  # of the group imagemp; not of it
SMALL = """
[pipelines.cam0.source]
kind = "synthetic"
width = 160
height = 120
fps = 100.0
[pipelines.cam0.ring]
overflow_size = "16 MiB"
[pipelines.cam0.encoder]
"""


class Service:
    """The installed service.

    Attributes:
        machine: It runs there.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def pid(self) -> int:
        """The supervisor's, as the machine counts; 0 if there is none."""
        return int(self.show("MainPID"))

    def start(self, config: str | None = None, drop_in: str = "") -> None:
        """Start it, with a configuration and a drop-in; it must succeed."""
        if config is not None:
            self.machine.write(CONFIG, config)
        if drop_in:
            self.drop_in("test.conf", drop_in)
        self.machine.run("systemctl", "start", UNIT)

    def drop_in(self, name: str, text: str) -> None:
        """Add a drop-in to the unit."""
        self.machine.write(f"/etc/systemd/system/{UNIT}.d/{name}", text)
        self.machine.run("systemctl", "daemon-reload")

    def show(self, key: str) -> str:
        """Give a property of the unit."""
        return self.machine.run("systemctl", "show", UNIT, f"--property={key}").split(
            "=", 1
        )[1]

    def imagectl(self, *words: str, user: str = MEMBER) -> Ran:
        """Run imagectl as a user."""
        return self.machine.try_run("imagectl", *words, user=user)

    def status(self) -> dict[str, Any]:
        """Give the daemon's status."""
        ran = self.imagectl("status", "--json")
        assert ran.returncode == 0, ran.stderr
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    def recorded(self) -> int:
        """Give how many frames of cam0 are on disk, as the daemon says."""
        encoders = self.status()["pipelines"]["cam0"]["counts"]["encoders"]
        return int(encoders["main"]["recorded"])

    def begin(self, frames: int = 50) -> None:
        """Start a session, and let it record so many frames at least."""
        started = self.imagectl("start")
        assert started.returncode == 0, started.stderr
        self.machine.wait_for(lambda: self.recorded() >= frames, 30.0)

    def session(self) -> Path:
        """Give the folder of the first session of cam0."""
        return min(self.machine.path(f"{DATA}/cam0").iterdir())

    def pids(self) -> list[int]:
        """Give the pids of all its processes, as the machine counts."""
        group = self.show("ControlGroup")
        (found,) = self.machine.run(
            "sh",
            "-c",
            f"cat /sys/fs/cgroup{group}/cgroup.procs "
            f"/sys/fs/cgroup/systemd{group}/cgroup.procs 2>/dev/null | xargs echo",
        ).splitlines()
        return sorted(map(int, found.split()))

    def written(self) -> dict[int, str]:
        """Give what each process has had written to disks, in bytes."""
        return {
            pid: self.machine.run("grep", "^write_bytes", f"/proc/{pid}/io")
            for pid in self.pids()
        }

    def worker(self, name: str) -> dict[str, Any]:
        """Give what the status tells of a worker of cam0, or of the gateway."""
        status = self.status()
        if name == "gateway":
            found: dict[str, Any] = status["gateway"]
            return found
        workers = status["pipelines"]["cam0"]["workers"]
        return next(dict(w) for w in workers if w["name"] == name)

    def signal(self, name: str) -> None:
        """Send the supervisor a signal."""
        whom = ("--kill-whom=main", f"--signal={name}")
        self.machine.run("systemctl", "kill", *whom, UNIT)

    def wait_restarted(self, before: int) -> None:
        """Wait until systemd has put another in place of the supervisor `before`."""

        def is_another() -> bool:
            return self.show("ActiveState") == "active" and self.pid not in (0, before)

        self.machine.wait_for(is_another, 40.0)

    def journal(self) -> str:
        """Give all that was logged about the unit."""
        return self.machine.run("journalctl", f"--unit={UNIT}", "--output=cat")
