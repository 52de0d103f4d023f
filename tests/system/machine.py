"""A machine: a root booted by systemd-nspawn, thrown away when it is closed.

Whatever happens to the tests, nothing of it stays: its mounts and its processes are
in namespaces of its own, and the kernel ends them with the process that booted it.
"""

import contextlib
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from . import cgroups

BOOT_S = 60.0
OFF_S = 40.0
RUN_S = 60.0
PAUSE_S = 0.02
POWER_OFF = signal.SIGRTMIN + 4  # to systemd; see systemd(1)
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}

Ran = subprocess.CompletedProcess[str]
T = TypeVar("T")
numbers = itertools.count()


class Machine:
    """A booted machine; commands run in it as root unless told otherwise.

    Attributes:
        groups: Its control groups.
        changes: What this machine changed: a layer for another.
        boot_s: How long it took to boot.
    """

    def __init__(
        self,
        layers: Sequence[Path],
        scratch: Path,
        binds: Mapping[str, Path] | None = None,
    ) -> None:
        """Boot it.

        Args:
            layers: The root's folders, the uppermost first; none is changed.
            scratch: An empty folder for its own files.
            binds: What it sees of this computer, read-only.
        """
        began = time.monotonic()
        self.changes = scratch / "changes"
        self._work = [scratch / "work", scratch / "merged"]
        for folder in (self.changes, *self._work):
            folder.mkdir(parents=True)
        self.changes.chmod(0o755)  # it is the mode of the machine's / too
        self.groups = cgroups.make(next(numbers))
        self._console = (scratch / "console").open("wb")
        self._leader = 0
        self._unshare = self._spawn([*map(str, layers)], binds or {})
        try:
            self._leader = self.wait_for(self._find_leader, BOOT_S)
            self.wait_for(self._has_booted, BOOT_S)
        except BaseException:
            self.close()
            raise
        self.boot_s = time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def try_run(
        self,
        *command: str,
        user: str = "root",
        env: Mapping[str, str] | None = None,
        timeout_s: float = RUN_S,
    ) -> Ran:
        """Run a command to its end, however that is."""
        variables = [f"{k}={v}" for k, v in (ENVIRONMENT | dict(env or {})).items()]
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return subprocess.run(  # noqa: S603 - a test's own command
            [*self._enter(), "env", "--ignore-environment", *variables, *who, *command],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run(self, *command: str, timeout_s: float = RUN_S) -> str:
        """Run a command that must succeed; give what it printed."""
        ran = self.try_run(*command, timeout_s=timeout_s)
        assert ran.returncode == 0, f"{shlex.join(command)}\n{ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def path(self, inside: str) -> Path:
        """Give the path by which this computer sees a file of the machine."""
        return Path(f"/proc/{self._leader}/root") / inside.lstrip("/")

    def write(self, inside: str, text: str) -> None:
        """Write a file, and the folders above it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def wait_for(self, found: Callable[[], T | None], within_s: float) -> T:
        """Ask until there is an answer that is true; give it."""
        until = time.monotonic() + within_s
        while not (answer := found()):
            assert time.monotonic() < until, f"not within {within_s} s: {found}"
            assert self._unshare.poll() is None, self._said()
            time.sleep(PAUSE_S)
        return answer

    def close(self) -> None:
        """Power off and remove all but `changes`."""
        self._power_off()
        self._unshare.kill()  # what is left of it goes with its namespace of pids
        self._unshare.wait(OFF_S)
        self._console.close()
        for group in self.groups:
            cgroups.remove(group)
        for folder in self._work:
            shutil.rmtree(folder, ignore_errors=True)

    def _power_off(self) -> None:
        if self._leader and self._unshare.poll() is None:
            os.kill(self._leader, POWER_OFF)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._unshare.wait(OFF_S)

    def _spawn(
        self, layers: Sequence[str], binds: Mapping[str, Path]
    ) -> subprocess.Popen[bytes]:
        work, merged = self._work
        nspawn = [
            *("systemd-nspawn", f"--directory={merged}", "--boot", "--private-network"),
            *("--register=no", "--keep-unit", "--hostname=test", "--console=read-only"),
            *(f"--bind-ro={there}:{inside}" for inside, there in binds.items()),
            "systemd.show_status=no",
        ]
        options = f"lowerdir={':'.join(layers)},upperdir={self.changes},workdir={work}"
        steps = [f"echo 0 >{group}/cgroup.procs" for group in self.groups]
        steps.append(f"mount -t overlay overlay -o {options} {merged}")
        steps.append(f"exec {shlex.join(nspawn)}")
        return subprocess.Popen(  # noqa: S603 - our own words
            [
                *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid"),
                *("--mount-proc", "--fork", "--kill-child=KILL"),
                *("sh", "-c", " && ".join(steps)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=self._console,
            env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )

    def _find_leader(self) -> int:
        """Give the pid of its systemd, 0 while there is none."""
        for nspawn in _children(self._unshare.pid):
            for child in _children(nspawn):
                with contextlib.suppress(OSError):  # it may be gone by now
                    if Path(f"/proc/{child}/comm").read_text("utf-8") == "systemd\n":
                        return child
        return 0

    def _has_booted(self) -> bool:
        asked = (*self._enter(), "systemctl", "is-system-running", "--wait")
        state = subprocess.run(  # noqa: S603 - our own words
            asked, capture_output=True, text=True, timeout=BOOT_S, check=False
        )
        return state.stdout.strip() in ("running", "degraded")

    def _enter(self) -> list[str]:
        return ["nsenter", "--target", str(self._leader), "--all"]

    def _said(self) -> str:
        self._console.flush()
        return Path(self._console.name).read_text("utf-8", "replace")


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []  # it is gone, and its children with it
    return [int(word) for word in text.split()]
