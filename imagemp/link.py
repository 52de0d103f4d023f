"""A link: messages and file descriptors between two processes of imagemp.

One end of a SOCK_SEQPACKET pair. A message is a msgspec Struct with a tag; it
goes out whole as one JSON packet, with descriptors beside it (SCM_RIGHTS).
Sends never block: a peer that does not read loses reports, never our time.
"""

import array
import os
import socket
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from .errors import LinkClosedError, RingError

MAX_PACKET = 65536
MAX_FDS = 16
SEND_BUFFER = 1 << 20  # 212 KiB by default: 167 small messages

Incoming = TypeVar("Incoming")


class Link(Generic[Incoming]):
    """One end of the pair; what comes in must be one of the given types.

    Args:
        sock: The socket; the link owns it from now on.
        incoming: The union of Structs that may arrive.
    """

    def __init__(self, sock: socket.socket, incoming: Any) -> None:  # noqa: ANN401 - a union
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.sock = sock
        self._decoder: msgspec.json.Decoder[Incoming] = msgspec.json.Decoder(incoming)
        self._encoder = msgspec.json.Encoder()

    def fileno(self) -> int:
        """Readable when a message waits or the peer is gone."""
        return self.sock.fileno()

    def send(self, message: msgspec.Struct, fds: Sequence[int] = ()) -> bool:
        """Send; False if the peer does not read and its buffer is full.

        Raises:
            LinkClosedError: The peer is gone.
            RingError: The message is larger than a packet may be.
        """
        packet = self._encoder.encode(message)
        if len(packet) > MAX_PACKET:
            raise RingError(f"message of {len(packet)} bytes, at most {MAX_PACKET}")
        return pass_packet(self.sock, packet, fds)

    def receive(self) -> tuple[Incoming, list[int]] | None:
        """Give the next message and its descriptors; None if there is none yet.

        The descriptors are the caller's to close.

        Raises:
            LinkClosedError: The peer is gone, and everything it sent was read.
            msgspec.DecodeError: It is no message that may come in here.
        """
        packet, fds = receive_packet(self.sock)
        if packet is None:
            return None
        try:
            return self._decoder.decode(packet), fds
        except msgspec.DecodeError:
            close_all(fds)
            raise

    def close(self) -> None:
        """Close; the peer sees the end of the stream. May be called twice."""
        self.sock.close()


def pass_packet(sock: socket.socket, packet: bytes, fds: Sequence[int] = ()) -> bool:
    """Send a packet without blocking; False if the peer's buffer is full.

    Raises:
        LinkClosedError: The peer is gone.
    """
    try:
        socket.send_fds(sock, [packet], list(fds))
    except BlockingIOError:
        return False
    except OSError as error:
        raise LinkClosedError(f"link: {error.strerror}") from error
    return True


def receive_packet(sock: socket.socket) -> tuple[bytes | None, list[int]]:
    """Read one whole packet without blocking; None if none is there.

    Raises:
        LinkClosedError: End of stream, or a packet that was cut off.
    """
    size = array.array("i").itemsize * MAX_FDS
    try:
        packet, control, flags, _ = sock.recvmsg(MAX_PACKET, socket.CMSG_SPACE(size))
    except BlockingIOError:
        return None, []
    except OSError as error:
        raise LinkClosedError(f"link: {error.strerror}") from error
    fds = _descriptors(control)
    if packet and not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        return packet, fds
    close_all(fds)
    raise LinkClosedError("link: packet cut off" if packet else "link: closed")


def _descriptors(control: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    for fd in fds:
        os.set_inheritable(fd, False)  # recvmsg has no MSG_CMSG_CLOEXEC here
    return list(fds)


def pair() -> tuple[socket.socket, socket.socket]:
    """Make the two ends of a link, close-on-exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def close_all(fds: Sequence[int]) -> None:
    """Close each of these descriptors; a number below 0 is none."""
    for fd in fds:
        if fd >= 0:
            os.close(fd)
