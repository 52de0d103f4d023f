"""A real daemon in a private folder, for tests: started, asked, and stopped."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from imagemp.client import Control
from imagemp.recording.manifest import Manifest, read_manifest

READY_S = 30.0
STOP_S = 40.0


class Daemon:
    """A running daemon and what a test wants of it.

    Attributes:
        folder: Everything of it lies here; recordings in `folder / "data"`.
        process: Its supervisor.
    """

    def __init__(self, folder: Path, toml: str) -> None:
        self.folder = folder
        self.config = folder / "imagemp.toml"
        self.config.write_text(f'[daemon]\ndata_dir = "{folder}/data"\n{toml}')
        self.log = folder / "log"
        self.runtime = folder / "run"
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.settimeout(READY_S)
        self._notified.bind(str(folder / "notify"))
        self.process = self._spawn()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it says READY=1, as systemd would."""
        while "READY=1" not in self._notified.recv(4096).decode():
            pass

    def call(self, method: str, timeout_s: float = 60.0, **params: Any) -> Any:  # noqa: ANN401
        """Ask it for something; give the result."""
        with Control(self.runtime) as control:
            return control.call(method, params, timeout_s)

    def pipeline(self, name: str = "cam0") -> dict[str, Any]:
        """Give a pipeline's part of the status."""
        found: dict[str, Any] = self.call("status")["pipelines"][name]
        return found

    def pid(self, worker: str, pipeline: str = "cam0") -> int:
        """Give the pid of a worker."""
        workers = self.pipeline(pipeline)["workers"]
        return int(next(w["pid"] for w in workers if w["name"] == worker))

    def signal(self, worker: str, number: int) -> None:
        """Send a signal to a worker."""
        os.kill(self.pid(worker), number)

    def manifest(self, pipeline: str = "cam0") -> Manifest:
        """Read session.json of the newest session."""
        return read_manifest(self.session(pipeline))

    def session(self, pipeline: str = "cam0") -> Path:
        """Give the folder of the newest session."""
        return max((self.folder / "data" / pipeline).iterdir())

    def stop(self) -> int:
        """Stop it; give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_S)
        self._notified.close()
        return code

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "imagemp.daemon.main"]
        options = ["--config", str(self.config), "--runtime-dir", str(self.runtime)]
        environment = os.environ | {"NOTIFY_SOCKET": str(self.folder / "notify")}
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                [*command, *options], stderr=log, env=environment
            )


@contextmanager
def running(folder: Path, toml: str) -> Iterator[Daemon]:
    """Run a daemon; on the way out it must stop cleanly."""
    folder.mkdir(exist_ok=True)
    daemon = Daemon(folder, toml)
    try:
        yield daemon
    finally:
        code = daemon.stop()
    assert code == 0, daemon.log.read_text()


def plain(counts: Any) -> dict[str, Any]:  # noqa: ANN401 - a Struct of counts
    """Give counts as JSON has them."""
    made: dict[str, Any] = msgspec.to_builtins(counts)
    return made
