"""The supervisor's desk: the other end of the link of a worker in this process.

The worker is stepped by hand, or runs in a thread.
"""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from imagemp.daemon.workers.base import Worker
from imagemp.daemon.workers.orders import Leave, Told, ToSupervisor, ToWorker
from imagemp.errors import LinkClosedError
from imagemp.link import Link, close_all, pair
from imagemp.ring.handover import Order

WAIT_S = 20.0
W = TypeVar("W", bound=Worker)
T = TypeVar("T", bound=Told)


class Desk(Generic[W]):
    """One worker, and all that it has told.

    Attributes:
        told: Oldest first.
        fds: That came with the last message.
    """

    def __init__(self, kind: type[W]) -> None:
        ours, theirs = pair()
        self.link: Link[ToSupervisor] = Link(ours, ToSupervisor)
        self._theirs: Link[ToWorker] = Link(theirs, ToWorker)
        self.worker = kind(self._theirs)
        self.told: list[Told] = []
        self.fds: list[int] = []
        self._passed = 0

    def order(self, order: Order, *fds: int) -> None:
        """Send an order; the descriptors are the worker's from now on."""
        assert self.link.send(order, fds)
        close_all(fds)

    def hear(self) -> list[Told]:
        """Give all that the worker has told so far."""
        try:
            while (received := self.link.receive()) is not None:
                self._note(*received)
        except LinkClosedError:
            pass
        return self.told

    def all_of(self, kind: type[T]) -> list[T]:
        """Give all that the worker has told of this kind."""
        return [told for told in self.hear() if isinstance(told, kind)]

    def expect(self, kind: type[T]) -> T:
        """Wait for the next message of this kind; pass over others."""
        while True:
            while self._passed < len(self.told):
                told = self.told[self._passed]
                self._passed += 1
                if isinstance(told, kind):
                    return told
            assert select.select([self.link], [], [], WAIT_S)[0], f"no {kind.__name__}"
            received = self.link.receive()
            assert received is not None
            self._note(*received)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the worker in a thread; it leaves with the block."""
        thread = threading.Thread(target=self._run, name=self.worker.kind)
        thread.start()
        try:
            yield
        finally:
            with suppress(LinkClosedError):
                self.link.send(Leave())
            thread.join(WAIT_S)
            assert not thread.is_alive(), "it does not leave"

    def close(self) -> None:
        """Close both ends."""
        self.worker.tear_down()
        close_all(self.fds)
        self.fds = []
        self.link.close()
        self._theirs.close()

    def _run(self) -> None:
        self.worker.run()

    def _note(self, told: Told, fds: list[int]) -> None:
        close_all(self.fds)
        self.told.append(told)
        self.fds = fds


def dup(fds: list[int]) -> list[int]:
    """Give copies."""
    return [os.dup(fd) for fd in fds]
