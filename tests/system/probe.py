"""A callback that tries what the unit forbids, and notes how it was refused.

Runs on a machine, in a worker of the installed daemon.
"""

import errno
import json
import mmap
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from imagemp.callback import Callback

WRITE_AND_RUN = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC


class Probe(Callback):
    """Writes its findings to the file that its settings name as `answer`."""

    def set_up(self, settings: Mapping[str, Any]) -> None:
        answer = Path(settings["answer"])
        attempts: dict[str, Callable[[], object]] = {
            "write /etc": lambda: Path("/etc/probe").touch(),
            "write /opt": lambda: Path("/opt/imagemp/probe").touch(),
            "read /home": lambda: list(Path("/home").iterdir()),
            "read /root": lambda: list(Path("/root").iterdir()),
            "write /mnt/usb": lambda: Path("/mnt/usb/probe").touch(),
            "read /home/pi/lab": lambda: list(Path("/home/pi/lab").iterdir()),
            "network": lambda: socket.socket(socket.AF_INET).close(),
            "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
            "write and run": lambda: mmap.mmap(-1, 4096, prot=WRITE_AND_RUN),
            "real time": lambda: os.sched_setscheduler(
                0, os.SCHED_FIFO, os.sched_param(1)
            ),
            "nice": lambda: os.nice(1),
            "set-user-id": lambda: answer.parent.chmod(0o4750),
            "write /var/lib": answer.touch,
        }
        found = {name: refusal(attempt) for name, attempt in attempts.items()}
        answer.write_text(json.dumps(found), "utf-8")


def refusal(attempt: Callable[[], object]) -> str:
    """Give the kernel's word for no; empty if it let us."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""
