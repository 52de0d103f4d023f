"""One connection to the control socket, as a client sees it.

Tells why there is none, which zmq hides; sends only while it stands; notices when
it is lost. What is asked over it, and whether it may be asked twice, is for
`client.py` to know.
"""

import contextlib
import errno
import math
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from . import codes, messages
from .errors import ControlError, DaemonUnreachableError, ImagempError
from .messages import Reply, Request

if TYPE_CHECKING:
    import zmq

RECONNECT_MS = 50
HEARTBEAT_MS = 5000
SILENCE_MS = 15000


class NoAnswerError(ImagempError, TimeoutError):
    """No answer came in time; the order may have been carried out all the same."""

    code = codes.E_TIMEOUT


def probe(path: Path) -> None:
    """Raise `DaemonUnreachableError`, saying why, unless somebody listens at `path`.

    zmq would connect for ever and hide the reason.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.setblocking(False)
        failed = door.connect_ex(os.fspath(path))
    if failed:
        raise unreachable(path, failed)


def unreachable(path: Path, failed: int) -> DaemonUnreachableError:
    """Say why nobody can be reached at `path`, from the errno of a connect."""
    why, hint = _REASONS.get(failed, (os.strerror(failed), ""))
    error = DaemonUnreachableError(f"{path}: {why}", hint)
    error.errno = failed
    return error


class Wire:
    """The connection: sends only while it stands, and notices when it is lost."""

    def __init__(self, path: Path) -> None:
        import zmq

        self._path = path
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        # An order must not wait in a queue and be carried out by a daemon that
        # comes back an hour after its sender gave up.
        self._socket.set(zmq.IMMEDIATE, 1)
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        self._socket.set(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
        self._troubles = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_DISCONNECTED
            | zmq.EVENT_CONNECT_RETRIED
        )
        self._is_up = False
        self._socket.connect(f"ipc://{path}")
        self._up, self._lost = zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED

    def send(self, request: Request, until: float) -> None:
        """Send as soon as there is a connection."""
        import zmq

        text = msgspec.json.encode(request)
        if len(text) + len(messages.MAGIC) > messages.MAX_MESSAGE:
            raise ControlError(
                codes.E_TOO_LARGE,
                f"{request.method}: {len(text)} bytes, at most {messages.MAX_MESSAGE}",
            )
        while True:
            # Told of a lost connection, zmq may still take a message for it.
            ready = self._wait(zmq.POLLOUT if self._is_up else 0, until)
            self._read_troubles()
            with contextlib.suppress(zmq.Again):
                if self._is_up and self._socket in ready:
                    self._socket.send_multipart([messages.MAGIC, text], zmq.NOBLOCK)
                    return

    def receive(self, until: float) -> Reply | None:
        """Give the next reply; None if the connection was lost.

        Raises:
            ControlError: `E_VERSION`: it is not of this client's version.
        """
        import zmq

        while True:
            if self._socket in self._wait(zmq.POLLIN, until):
                return _read(self._socket.recv_multipart()[-1])
            if self._read_troubles():
                return None

    def close(self) -> None:
        """Close; may be called twice."""
        if not self._context.closed:
            self._socket.disable_monitor()
            self._context.destroy(linger=0)

    def _wait(self, event: int, until: float) -> "list[zmq.Socket[bytes]]":
        import zmq

        poller = zmq.Poller()
        poller.register(self._socket, event)
        poller.register(self._troubles, zmq.POLLIN)
        ready = [found for found, _ in poller.poll(left_ms(until))]
        if not ready:
            self._check_alive()
            raise NoAnswerError("no answer in time", "is the machine overloaded?")
        return ready

    def _read_troubles(self) -> bool:
        """Tell whether the connection was lost; raise if the daemon is gone too."""
        from zmq.utils.monitor import recv_monitor_message

        is_lost = is_down = False
        while self._troubles.poll(0):
            event = recv_monitor_message(self._troubles)["event"]
            self._is_up = event == self._up or (self._is_up and event != self._lost)
            is_lost |= event == self._lost
            is_down |= event != self._up
        if is_down:
            self._check_alive()
        return is_lost

    def _check_alive(self) -> None:
        try:
            probe(self._path)
        except DaemonUnreachableError as error:
            if error.errno != errno.EAGAIN:
                raise


def _read(text: bytes) -> Reply:
    """Read a reply; a refusal of any version that can be read is one."""
    try:
        reply = msgspec.json.decode(text, type=Reply)
    except msgspec.MsgspecError as error:
        raise _other_version(f"answers what cannot be read: {error}") from None
    if reply.v != messages.VERSION and reply.ok:
        raise _other_version(f"speaks version {reply.v}")
    return reply


def _other_version(what: str) -> ControlError:
    return ControlError(
        codes.E_VERSION,
        f"the daemon {what}; this client speaks version {messages.VERSION}",
        "use an imagectl of the daemon's version",
    )


def until_after(timeout_s: float | None) -> float:
    """Give the monotonic time when so many seconds are over; None: never."""
    return math.inf if timeout_s is None else time.monotonic() + timeout_s


def left_ms(until: float) -> int | None:
    """Give what a poll may wait until then; None: for ever."""
    if until == math.inf:
        return None
    return max(0, math.ceil((until - time.monotonic()) * 1000))


_REASONS = {
    errno.ENOENT: (
        "no such socket: the daemon does not run",
        "start it with systemctl start imagemp, or name its --runtime-dir",
    ),
    errno.ENOTDIR: ("no such socket: the daemon does not run", ""),
    errno.ECONNREFUSED: (
        "nobody listens: the daemon has died",
        "see journalctl -u imagemp",
    ),
    errno.EACCES: (
        "no permission",
        "join the daemon's group: usermod -aG imagemp USER, then log in again",
    ),
    errno.EAGAIN: ("busy: too many connections wait", "try again"),
}
