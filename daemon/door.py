"""The door: `frames.sock`, where programs outside ask for a pipeline's frames.

Each connection asks once, in one small packet and within 2 s; then it is handed
the rings of each session. Closing it, or dying, gives back all it held.
"""

import asyncio
import fcntl
import logging
import os
import socket
import struct
import sys
import termios
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import count

import msgspec

from imagemp.errors import ControlError, ImagempError, LinkClosedError
from imagemp.link import close_all, pass_packet, receive_packet
from imagemp.ring.handover import (
    MAX_ASK,
    VERSION,
    Again,
    Ask,
    FromOutside,
    Order,
    Refused,
)

from .logs import fields
from .pipeline import ReaderPlan

log = logging.getLogger(__name__)
MAX_GUESTS = 64
MAX_GUESTS_OF_ONE = 16  # of one user, root apart
ASK_S = 2.0
PAUSE_S = 1.0  # when we are out of descriptors
MAX_UNREAD = 16384  # as the kernel counts, 1 to 2 KiB a packet: some five sessions
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

Admit = Callable[["Guest"], None]


class Guest:
    """A program outside that reads a ring, or is about to.

    Attributes:
        name: Names its places; with the pid and uid the kernel gave.
        ask: What it wants; None until it has said so.
    """

    def __init__(self, number: int, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        size = _CREDENTIALS.size
        found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        self.pid, self.uid, _ = _CREDENTIALS.unpack(found)
        self.name = f"guest-{number}-pid-{self.pid}-uid-{self.uid}"
        self.ask: Ask | None = None
        self.is_gone = False

    def reader(self, allowance: int) -> ReaderPlan:
        """Give its place as a ring has it: it never costs a recorded frame."""
        if self.ask is None:
            raise RuntimeError(f"{self.name} has not asked")
        lag = allowance if self.ask.policy == "every" else 0
        return ReaderPlan(
            self.name, self.ask.policy, evictable=True, allowance=lag, is_outside=True
        )

    def send(self, order: Order, fds: Sequence[int] = ()) -> None:
        """Tell it something; who does not listen is gone.

        What it has not read holds descriptors, and so the rings of past sessions.
        """
        if self.is_gone:
            return
        packet = msgspec.json.encode(order)
        try:
            is_told = self._unread() < MAX_UNREAD
            is_told = is_told and pass_packet(self.sock, packet, fds)
        except OSError:  # LinkClosedError is one
            is_told = False
        if not is_told:  # its end of stream is noticed by the loop
            self.is_gone = True
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up; what it was told reaches it.

        Closing with a packet unread would be ECONNRESET to it, before our refusal.
        """
        self.is_gone = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
            while self.sock.recv(1):
                pass
        self.sock.close()

    def _unread(self) -> int:
        size = fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(size, sys.byteorder)


class Door:
    """All guests, from their connection to their end.

    Args:
        listening: `frames.sock`.
        admit: Gives a guest who has asked its place; raises if there is none.
        again: Attaches a guest anew that says where it was evicted.
        dismiss: The guest is gone.
    """

    def __init__(
        self,
        listening: socket.socket,
        admit: Admit,
        again: Callable[["Guest", Again], None],
        dismiss: Admit,
    ) -> None:
        self._admit, self._again, self._dismiss = admit, again, dismiss
        self._listening = listening
        self._guests: dict[int, Guest] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._numbers = count(1)
        self._decoder: msgspec.json.Decoder[FromOutside]
        self._decoder = msgspec.json.Decoder(FromOutside)
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._listen()

    @property
    def guests(self) -> list[Guest]:
        """Those who have asked."""
        return [guest for guest in self._guests.values() if guest.ask is not None]

    def admit_anew(self, pipelines: Collection[str]) -> None:
        """These are others now: give each of their guests a place, or send it home."""
        for guest in self.guests:
            if guest.ask is None or guest.ask.pipeline not in pipelines:
                continue
            try:
                self._admit(guest)
            except ImagempError as error:
                self._refuse(guest, error)
                self._leave(guest)

    def close(self) -> None:
        """Let nobody in any more, and send everybody home."""
        self._loop.remove_reader(self._listening)
        if self._pause is not None:
            self._pause.cancel()
        for guest in list(self._guests.values()):
            self._leave(guest)

    def _listen(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it has gone again
        except OSError as error:  # it would be readable all the time
            log.error("not accepted: %s", error.strerror, extra=fields(socket="frames"))
            self._loop.remove_reader(self._listening)
            self._pause = self._loop.call_later(PAUSE_S, self._listen)
            return
        guest = Guest(next(self._numbers), sock)
        if (why := self._full_for(guest)) is not None:
            self._refuse(guest, ControlError("E_BUSY", why))
            guest.close()
            return
        fd = sock.fileno()
        self._guests[fd] = guest
        self._timers[fd] = self._loop.call_later(ASK_S, self._leave, guest)
        self._loop.add_reader(fd, self._readable, guest)

    def _full_for(self, guest: Guest) -> str | None:
        if len(self._guests) >= MAX_GUESTS:
            return f"{MAX_GUESTS} programs read frames already"
        same = sum(other.uid == guest.uid for other in self._guests.values())
        if guest.uid not in (0, os.getuid()) and same >= MAX_GUESTS_OF_ONE:
            return f"{MAX_GUESTS_OF_ONE} programs of uid {guest.uid} read already"
        return None

    def _readable(self, guest: Guest) -> None:
        try:
            packet, fds = receive_packet(guest.sock)
            close_all(fds)
            if packet is not None:
                self._hear(guest, packet)
        except LinkClosedError:
            self._leave(guest)
        except ImagempError as error:
            self._refuse(guest, error)
            self._leave(guest)

    def _hear(self, guest: Guest, packet: bytes) -> None:
        if len(packet) > MAX_ASK:
            raise ControlError("E_TOO_LARGE", f"{len(packet)} bytes, at most {MAX_ASK}")
        try:
            request = self._decoder.decode(packet)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ControlError("E_JSON", f"not understood: {error}") from error
        if isinstance(request, Again):
            if guest.ask is not None:
                self._again(guest, request)
            return
        if request.v != VERSION:
            raise ControlError("E_VERSION", f"version {request.v}, this is {VERSION}")
        if guest.ask is not None:
            raise ControlError("E_PARAMS", "asked twice on one connection")
        guest.ask = request
        self._timers.pop(guest.sock.fileno()).cancel()
        self._admit(guest)

    def _refuse(self, guest: Guest, error: ImagempError) -> None:
        guest.send(Refused(error.code, str(error), error.hint))

    def _leave(self, guest: Guest) -> None:
        fd = guest.sock.fileno()
        if self._guests.pop(fd, None) is None:
            return
        self._loop.remove_reader(fd)
        if (timer := self._timers.pop(fd, None)) is not None:
            timer.cancel()
        if guest.ask is not None:
            self._dismiss(guest)
        guest.close()
