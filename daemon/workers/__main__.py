"""`python -m imagemp.daemon.workers KIND FD [PARENT [PIPELINE [NAME]]]`.

How every worker begins: FD is its end of the link, PARENT the supervisor's pid;
PIPELINE and NAME, by default KIND, are for `ps` and each line that it logs. A worker
obeys its link alone: the signals of a terminal or of systemd are for the
supervisor.
"""

import ctypes
import faulthandler
import importlib
import logging
import os
import signal
import socket
import sys
from typing import Any

from imagemp.link import Link

from ..logs import log_to_stderr
from .base import Worker
from .orders import ToWorker

log = logging.getLogger(__name__)

KINDS = {
    "gateway": "gateway:Gateway",
    "capture": "capture:Capture",
    "encoder": "encoder:Encoder",
    "callback": "callback:CallbackWorker",
    "recovery": "recovery:Recovery",
    "lookout": "lookout:Lookout",
}
PR_SET_PDEATHSIG = 1
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main(arguments: list[str]) -> int:
    """Be the worker that the arguments name; give the exit code."""
    kind, fd, *more = arguments
    parent, pipeline, name = [*more, "", "", ""][:3]
    die_with_parent(True)  # what outlives it has nothing to save yet
    if parent and os.getppid() != int(parent):
        return 1  # it was gone before we asked to die with it
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()  # SIGABRT among others
    faulthandler.register(signal.SIGALRM, chain=True)
    log_to_stderr(pipeline=pipeline, worker=name or kind)
    return work(kind, int(fd))


def work(kind: str, fd: int) -> int:
    """Run the worker to its end."""
    try:
        worker_class = find(kind)
        die_with_parent(not worker_class.outlives)
        link: Link[ToWorker] = Link(socket.socket(fileno=fd), ToWorker)
        worker_class(link).run()
        link.close()
    except Exception:
        log.exception("died")
        return 1
    return 0


def find(kind: str) -> type[Worker]:
    """Import the one module that this kind of worker needs."""
    module, _, name = KINDS[kind].partition(":")
    found: type[Worker] = getattr(
        importlib.import_module(f".{module}", __package__), name
    )
    return found


def die_with_parent(dies: bool) -> None:
    """Have the kernel kill this process when its parent ends, or not."""
    number: Any = signal.SIGKILL if dies else 0
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
