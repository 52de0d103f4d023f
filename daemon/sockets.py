"""The listening sockets: made and kept by the supervisor, served by others.

A second bind on a live ipc path would silently steal it, so a lock file comes
first. All sockets have mode 0660 from the moment they exist.
"""

import fcntl
import os
import socket
from pathlib import Path

from imagemp.errors import ImagempError
from imagemp.paths import (
    control_socket,
    frames_socket,
    make_runtime_dir,
    telemetry_socket,
)

BACKLOG = 128


class AlreadyRunningError(ImagempError, RuntimeError):
    """Another daemon has this runtime directory."""

    code = "E_ALREADY_RUNNING"


class Sockets:
    """The lock of a runtime directory, and the sockets in it.

    Attributes:
        control: For the gateway's ROUTER.
        telemetry: For the gateway's XPUB.
        frames: For outside readers.

    Raises:
        AlreadyRunningError: A daemon is there already.
        ImagempError: The directory cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.directory, self._lock = directory, -1
        self._listening: list[socket.socket] = []
        try:
            make_runtime_dir(directory)
            self._lock = _lock(directory)
            self.control = self._listen(control_socket(directory))
            self.telemetry = self._listen(telemetry_socket(directory))
            self.frames = self._listen(frames_socket(directory), socket.SOCK_SEQPACKET)
        except OSError as error:
            self.close()
            raise ImagempError(
                f"runtime_dir: {directory}: {error.strerror}",
                "choose another with --runtime-dir",
            ) from error
        except ImagempError:
            self.close()
            raise

    @property
    def paths(self) -> tuple[str, str]:
        """Where control and telemetry are."""
        control, telemetry = self.control.getsockname(), self.telemetry.getsockname()
        return str(control), str(telemetry)

    def close(self) -> None:
        """Close and remove the sockets, then let go of the lock.

        May be called twice.
        """
        for listening in self._listening:
            path = listening.getsockname()
            listening.close()
            if path:  # it is bound
                Path(path).unlink(missing_ok=True)
        self._listening = []
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _listen(
        self, path: Path, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> socket.socket:
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, kind)
        self._listening.append(listening)
        before = os.umask(0o117)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.listen(BACKLOG)
        return listening


def _lock(directory: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    fd = os.open(directory / "lock", flags, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(fd, 32).decode(errors="replace").strip()
        os.close(fd)
        raise AlreadyRunningError(
            f"imagempd already runs in {directory}, pid {pid or 'unknown'}",
            "stop it, or choose another directory with --runtime-dir",
        ) from None
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd
