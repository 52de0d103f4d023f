"""What whoever reads a ring is told of it: messages with descriptors beside them.

Workers get them on their link, programs outside on their connection to
`frames.sock`, where they ask first.
"""

from typing import Any, Literal

from msgspec import Struct

VERSION = 1
MAX_ASK = 4096  # bytes


class Order(Struct, tag_field="order", frozen=True):
    """Goes to whoever works with a ring."""


class Enter(Order, frozen=True):
    """Read this epoch after the one before.

    Descriptors: ring[, overflow], ready, done[, evicted].

    Attributes:
        spec: The frames, as `FrameSpec.to_plain` has them.
        has_overflow: Whether an overflow descriptor is among them.
    """

    epoch: int
    place: int
    policy: str
    spec: dict[str, Any]
    fps: float
    has_overflow: bool = False


class End(Order, frozen=True):
    """The epoch ends before this index.

    Attributes:
        base: Where the place stands if `ready` has not told; -1: it has, or the
            producer lives and will tell.
        last: No epoch follows in this session.
    """

    epoch: int
    index: int
    base: int = -1
    last: bool = True


class Admitted(Order, frozen=True):
    """To an outside reader: it will get the frames of every session from now on."""


class Begin(Order, frozen=True):
    """To an outside reader: a session is on, its epochs follow."""

    session: str


class Refused(Order, frozen=True):
    """To an outside reader: it cannot be had; the connection is closed."""

    code: str
    message: str
    hint: str = ""


class Request(Struct, tag_field="request", frozen=True, forbid_unknown_fields=True):
    """Comes from an outside reader."""


class Ask(Request, frozen=True):
    """The first message of a connection.

    Attributes:
        pipeline: Whose frames.
        policy: Every frame, or the newest only.
        ring: `source`, or `callback:NAME` for what a callback returns.
    """

    pipeline: str
    policy: Literal["every", "latest"]
    ring: str = "source"
    v: int = VERSION


class Again(Request, frozen=True):
    """It was evicted from a place, and wants to be attached anew.

    Once it is said it may be out of date: then the reader has a new place already.
    """

    session: str
    place: int


ToOutside = Enter | End | Admitted | Begin | Refused
FromOutside = Ask | Again
