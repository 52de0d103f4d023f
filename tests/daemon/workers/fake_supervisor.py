"""Plays the supervisor for a real gateway process, one at a time."""

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from imagemp import paths
from imagemp.daemon.workers.orders import (
    Answer,
    Asked,
    Leave,
    Listen,
    Publish,
    Ready,
    Serve,
    Serving,
    Told,
    ToSupervisor,
)
from imagemp.errors import LinkClosedError
from imagemp.link import Link, pair
from imagemp.ring.handover import Order

WAIT_S = 20.0
GATEWAY = (sys.executable, "-m", "imagemp.daemon.workers", "gateway")
T = TypeVar("T", bound=Told)
Handler = Callable[[Asked], list[dict[str, Any]]]


class FakeSupervisor:
    """Keeps the listening sockets; its gateways come and go."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.control_path = paths.control_socket(directory)
        self.telemetry_path = paths.telemetry_socket(directory)
        self.doors = [listening(self.control_path), listening(self.telemetry_path)]
        self.start_gateway()

    def start_gateway(self) -> None:
        """Start one, and have it serve."""
        ours, theirs = pair()
        with theirs:
            self.gateway = subprocess.Popen(  # noqa: S603 - our own
                [*GATEWAY, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
            )
        self.link: Link[Told] = Link(ours, ToSupervisor)
        self.expect(Ready)
        control, telemetry = str(self.control_path), str(self.telemetry_path)
        self.order(
            Serve(control, telemetry, "run-1", str(self.directory / "imagemp.toml")),
            tuple(door.fileno() for door in self.doors),
        )
        self.expect(Serving)

    def kill_gateway(self) -> None:
        """Kill it as the kernel would."""
        self.gateway.kill()
        self.gateway.wait(WAIT_S)
        self.link.close()

    def order(self, order: Order, fds: tuple[int, ...] = ()) -> None:
        """Send an order, waiting for room."""
        while not self.link.send(order, fds):
            assert select.select([], [self.link], [], WAIT_S)[1], "gateway is stuck"

    def expect(self, kind: type[T]) -> T:
        """Give the next message, which must be of this kind."""
        while True:
            assert select.select([self.link], [], [], WAIT_S)[0], f"no {kind.__name__}"
            received = self.link.receive()
            if received is not None:
                assert isinstance(received[0], kind)
                return received[0]

    def is_quiet(self) -> bool:
        """Tell whether nothing has come from the gateway."""
        return not select.select([self.link], [], [], 0)[0]

    def answer(self, token: int, **fields: object) -> None:
        """Answer what was asked."""
        self.order(
            msgspec.convert({"order": "Answer", "token": token, **fields}, Answer)
        )

    def publish(self, topic: str, **fields: object) -> None:
        """Publish."""
        self.order(Publish(topic, fields))

    def callback_socket(self, topic: str) -> socket.socket:
        """Give the end that a callback worker would have."""
        ours, theirs = pair()
        with theirs:
            self.order(Listen(topic), (theirs.fileno(),))
        return ours

    @contextmanager
    def answering(self, handler: Handler) -> Iterator[None]:
        """Answer in a thread, until the gateway is gone or the block ends."""
        end, stop = socket.socketpair()
        thread = threading.Thread(target=self._answer_all, args=(handler, stop))
        thread.start()
        try:
            yield
        finally:
            end.close()
            thread.join(WAIT_S)
            stop.close()

    def _answer_all(self, handler: Handler, stop: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([self.link.fileno(), stop.fileno()], [], [])
            if stop.fileno() in ready:
                return
            try:
                received = self.link.receive()
            except LinkClosedError:
                return
            if received is not None and isinstance(asked := received[0], Asked):
                for fields in handler(asked):
                    self.answer(asked.token, **fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self.gateway.poll() is None:
            self.order(Leave())
            try:
                assert self.gateway.wait(WAIT_S) == 0
            finally:
                self.gateway.kill()
                self.gateway.wait()
        self.link.close()
        for door in self.doors:
            door.close()


def listening(path: Path) -> socket.socket:
    """Make a listening socket, as the supervisor does."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(os.fspath(path))
    door.listen(128)
    return door
