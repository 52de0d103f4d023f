"""A real daemon in a private folder, for tests: started, asked, and stopped."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from imagemp.private import PrivateDaemon
from imagemp.recording.manifest import Manifest, read_manifest

ASK_S = 60.0


class Daemon(PrivateDaemon):
    """A running daemon and what a test wants of it; recordings in `data`."""

    def __init__(self, folder: Path, toml: str) -> None:
        super().__init__(folder, f'[daemon]\ndata_dir = "{{folder}}/data"\n{toml}')

    def call(self, method: str, timeout_s: float | None = ASK_S, **params: Any) -> Any:  # noqa: ANN401
        return super().call(method, timeout_s, **params)

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

    def recovery(self) -> int | None:
        """Give the pid of the process that repairs old sessions, if it is there."""
        self.call("ping")  # it starts after READY, before the first answer
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"recovery" in words:
                return int(child)
        return None

    def wait_for_recovery(self) -> None:
        """Wait until old sessions have been looked for, and the process has left."""
        with suppress(ProcessLookupError):
            if (pid := self.recovery()) is not None:
                gone = os.pidfd_open(pid)
                select.select([gone], [], [])
                os.close(gone)
        self.call("ping")

    def manifest(self, pipeline: str = "cam0") -> Manifest:
        """Read session.json of the newest session."""
        return read_manifest(self.session(pipeline))

    def session(self, pipeline: str = "cam0") -> Path:
        """Give the folder of the newest session."""
        return max((self.folder / "data" / pipeline).iterdir())


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
