"""A daemon of one's own, for a script, a notebook or a test.

    with imagemp.running(config) as daemon:
        daemon.call("session.start", duration_s=5, wait="done")

It is gone when the block ends, and when the process dies, by whatever.
"""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .client import Control
from .errors import DaemonUnreachableError

READY_S = 30.0
STOP_S = 40.0
OWN = {"imagemp.toml", "log", "notify", "run"}  # what a daemon leaves anyway


class PrivateDaemon:
    """A running `imagempd` in a folder of its own.

    Args:
        folder: Where everything of it lies; it must exist.
        config: The configuration, as TOML, or the path of its file. In TOML
            `{folder}` stands for the folder, and relative paths start there.

    Attributes:
        runtime: Its runtime directory, for `imagectl --runtime-dir`.
        log: What it logs.
        process: Its supervisor.

    Raises:
        DaemonUnreachableError: It ended before it was ready; the message has its log.
    """

    def __init__(self, folder: Path, config: str | Path) -> None:
        self.folder = folder = folder.absolute()
        if isinstance(config, Path):
            self.config = config.absolute()
        else:
            self.config = folder / "imagemp.toml"
            self.config.write_text(config.replace("{folder}", str(folder)))
        self.log, self.runtime = folder / "log", folder / "run"
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self.process = self._spawn()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def call(self, method: str, timeout_s: float | None = None, **params: Any) -> Any:  # noqa: ANN401
        """Ask it for something, as docs/protocol.md has it; give the result."""
        with Control(self.runtime) as control:
            return control.call(method, params, timeout_s)

    def stop(self) -> int:
        """Stop it; sessions are drained first. Give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_S)
        self._notified.close()
        return code

    def wait_ready(self) -> None:
        """Wait until it says READY=1, as systemd does."""
        gone, notified = os.pidfd_open(self.process.pid), self._notified.fileno()
        try:
            while True:
                told, _, _ = select.select([notified, gone], [], [], READY_S)
                if notified not in told:
                    raise DaemonUnreachableError(
                        f"imagempd did not get ready: {self.log.read_text()}"
                    )
                if b"READY=1" in self._notified.recv(4096):
                    return
        finally:
            os.close(gone)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "imagemp.daemon.main"]
        options = ["--config", str(self.config), "--runtime-dir", str(self.runtime)]
        options += ["--parent", str(os.getpid())]
        environment = os.environ | {"NOTIFY_SOCKET": str(self.folder / "notify")}
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                [*command, *options], stderr=log, env=environment
            )


@contextmanager
def running(config: str | Path, folder: Path | None = None) -> Iterator[PrivateDaemon]:
    """Run a daemon as long as the `with` block lasts.

    Args:
        config: The configuration, as TOML, or the path of its file. In TOML
            `{folder}` stands for `folder`, and relative paths start there.
        folder: Where it puts its sockets and its log; None: a temporary one. It stays
            if the block raises, or if there is more in it: recordings.
    """
    where = folder or Path(tempfile.mkdtemp(prefix="imagemp-"))
    daemon = PrivateDaemon(where, config)
    try:
        yield daemon
    finally:
        daemon.stop()
    if folder is None and {path.name for path in where.iterdir()} <= OWN:
        shutil.rmtree(where)
