"""Reads from the machine what `imagectl doctor` judges."""

import grp
import os
import pwd
import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from imagemp.clock import is_synchronised
from imagemp.config.machine import existing
from imagemp.errors import ImagempError

from .checks import CAMERA_GROUPS, DAEMON_GROUP, Readings
from .places import data_dir_of
from .verb import ask

THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
OVER = ("idle", "complete", "incomplete", None)  # nothing is recorded
ANSWER_S = 5.0
TRIED = 32 << 20  # bytes; more would keep a slow card busy for long
BLOCK = bytes(1 << 20)


def read_machine(args: Namespace, *, is_disk_tried: bool) -> Readings:
    """Read everything; without a daemon, what can be told without it."""
    told = _daemon(args)
    data_dir = existing(Path(told.get("data_dir") or data_dir_of(args)).absolute())
    untried = "" if is_disk_tried else "asked not to"
    if told.get("is_busy"):
        untried = "a session is being recorded"
    mb_s, problem = (None, untried) if untried else write_speed(data_dir)
    user = _user()
    known = {*CAMERA_GROUPS, DAEMON_GROUP}
    return Readings(
        user=user,
        groups=_groups_of(user),
        known_groups=frozenset(g.gr_name for g in grp.getgrall()) & known,
        asker_groups=_own_groups() if os.geteuid() else None,
        nodes=tuple(str(p) for n in ("video*", "media*") for p in _nodes(n)),
        cma=cma_of(Path("/proc/meminfo").read_text()),
        data_dir=str(data_dir),
        free=_free(data_dir),
        mb_s=mb_s,
        untried=problem,
        is_synchronised=is_synchronised(),
        files=_files(told.get("pid")),
        client=version("imagempd"),
        daemon=told.get("version"),
        absent=told.get("absent", ""),
        absent_hint=told.get("hint", ""),
        throttled=_throttled(),
    )


def write_speed(folder: Path) -> tuple[float | None, str]:
    """Write to a disk; give MB/s, or None and why not."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            begin = time.monotonic()
            for _ in range(TRIED // len(BLOCK)):
                file.write(BLOCK)
            os.fdatasync(file.fileno())
            return TRIED / 1e6 / (time.monotonic() - begin), ""
    except OSError as error:
        return None, f"{folder}: {error.strerror}"


def cma_of(meminfo: str) -> int | None:
    """Find the size of the contiguous memory in /proc/meminfo."""
    for line in meminfo.splitlines():
        if line.startswith("CmaTotal:"):
            return int(line.split()[1]) << 10
    return None


def files_of(limits: str) -> int | None:
    """Find the hard limit of open files in /proc/PID/limits; None: there is none."""
    hard = limits.partition("Max open files")[2].split()[1]
    return None if hard == "unlimited" else int(hard)


def _daemon(args: Namespace) -> dict[str, Any]:
    """Ask the daemon what it knows; say why if none answers."""
    try:
        ours = ask(args, "version", {}, ANSWER_S)
        status = ask(args, "status", {}, ANSWER_S)
        shown = ask(args, "config.show", {}, ANSWER_S)
    except ImagempError as error:
        return {"absent": str(error), "hint": error.hint}
    given = vars(args).keys() & {"data_dir", "config"}
    return {
        "version": ours.get("imagemp"),
        "data_dir": None if given else _data_dir_in(shown),
        "pid": (status.get("gateway") or {}).get("pid"),
        "is_busy": any(
            pipeline.get("state") not in OVER
            for pipeline in (status.get("pipelines") or {}).values()
        ),
    }


def _data_dir_in(shown: Mapping[str, Any]) -> str | None:
    found = (shown.get("daemon") or {}).get("data_dir")
    return found if isinstance(found, str) else None


def _free(folder: Path) -> int | None:
    with suppress(OSError):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
    return None


def _files(pid: int | None) -> int | None:
    """Give the hard limit of open files, of the daemon if it is there."""
    with suppress(OSError):
        return files_of(Path(f"/proc/{pid or 'self'}/limits").read_text())
    return None


def _throttled() -> int | None:
    with suppress(OSError, ValueError):
        return int(THROTTLED.read_text(), 16)
    return None


def _nodes(pattern: str) -> list[Path]:
    return sorted(Path("/dev").glob(pattern))


def _user() -> str:
    """Give the daemon's user, or who asks where there is none."""
    with suppress(KeyError):
        return pwd.getpwnam(DAEMON_GROUP).pw_name
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return str(os.getuid())


def _groups_of(user: str) -> frozenset[str]:
    with suppress(KeyError):
        return _names(os.getgrouplist(user, pwd.getpwnam(user).pw_gid))
    return _own_groups()


def _own_groups() -> frozenset[str]:
    return _names([os.getegid(), *os.getgroups()])


def _names(gids: list[int]) -> frozenset[str]:
    names = set()
    for gid in gids:
        with suppress(KeyError):
            names.add(grp.getgrgid(gid).gr_name)
    return frozenset(names)
