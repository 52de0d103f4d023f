"""What every worker is: a program with one link to the supervisor.

A child class overrides `step`, which waits for whatever it listens to and deals
with it, and one method an order: `on_start` for `Start`, `on_let_go` for `LetGo`.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from imagemp.errors import LinkClosedError
from imagemp.link import Link
from imagemp.ring.handover import Order

from .orders import (
    Leave,
    Ready,
    Told,
    ToWorker,
)
from .outbox import Outbox

LAST_WORDS_S = 2.0  # for the supervisor to read what was kept for it


class Worker:
    """One link, and a loop that ends with `leaving`.

    Attributes:
        outbox: Readable when `serve_link` has something to do: wait for it, never for
            the link.
        kind: What stands on the command line and in telemetry.
        outlives: False if the process must die with the supervisor.
        leaving: Set it and `run` returns after the step under way.
    """

    kind: ClassVar[str]
    outlives: ClassVar[bool] = False

    def __init__(self, link: Link[ToWorker]) -> None:
        self.link = link
        self.outbox = Outbox(link)
        self.leaving = False

    def run(self) -> None:
        """Work until told to leave, or until the supervisor is gone."""
        try:
            self.set_up()
            self.tell(Ready())
            while not self.leaving:
                self.step()
            self.outbox.drain(LAST_WORDS_S)
        finally:
            self.tear_down()
            self.outbox.close()

    def set_up(self) -> None:
        """Make what the loop needs."""

    def step(self) -> None:
        """Wait for work and do it; must serve the link."""
        raise NotImplementedError

    def tear_down(self) -> None:
        """Let go of everything; called however the loop ended."""

    def tell(self, message: Told, fds: tuple[int, ...] = ()) -> bool:
        """Send to the supervisor, now or when it reads again; False: not at all."""
        try:
            return self.outbox.send(message, fds)
        except LinkClosedError:
            self.on_supervisor_gone()
            return False

    def serve_link(self) -> None:
        """Obey every order that waits on the link; send what could not be sent."""
        while not self.leaving:
            try:
                self.outbox.flush()
                received = self.link.receive()
            except LinkClosedError:
                self.on_supervisor_gone()
                return
            if received is None:
                return
            self.obey(*received)

    def obey(self, order: Order, fds: list[int]) -> None:
        """Call the method named after the order; it owns the descriptors."""
        handler: Callable[[Any, list[int]], None] = getattr(
            self, method_name(type(order))
        )
        handler(order, fds)

    def on_leave(self, _order: Leave, _fds: list[int]) -> None:
        self.leaving = True

    def on_supervisor_gone(self) -> None:
        """The link is closed: leave, unless there is something to save first."""
        self.leaving = True


@cache  # a new string each time fills CPython's cache of attributes, 0.3 MiB
def method_name(order: type) -> str:
    """Give `on_let_go` for `LetGo`."""
    return "on" + re.sub(r"([A-Z])", r"_\1", order.__name__).lower()
