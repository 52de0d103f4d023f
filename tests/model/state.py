"""One state of the world: memory, eventfds, and what each process knows.

Everything here is immutable and hashable. `ViolationError` is what the search is after.
"""

from typing import NamedTuple, TypeVar

from .bounds import Bounds

BASE = 1 << 16  # `ready` of every: (base + 1) * BASE + count; of latest: index * BASE
NONE = -1  # no slot, no frame, no generation
IDLE = -2  # the spill thread is between two copies

RING_FULL, OVERFLOW_SLOW, CAPTURE_RESTART = 0, 1, 2

T = TypeVar("T")


class ViolationError(Exception):
    """A state in which a promise is broken; the message begins with its number."""


def put(items: tuple[T, ...], i: int, item: T) -> tuple[T, ...]:
    """Give `items` with another one at `i`."""
    return (*items[:i], item, *items[i + 1 :])


class Pair(NamedTuple):
    """The counters of one attachment."""

    ready: int = 0
    done: int = 0
    evicted: int = 0


class Epoch(NamedTuple):
    """What one producer shares with the others, and leaves to them.

    Attributes:
        base: Index of its first frame.
        grabbed_before: The cell `grabbed` as the epoch before left it.
        content: For each slot the index of the frame in it; NONE if not whole.
        order: The slot of each frame, by index modulo its length.
        published: Cell; index of the next frame.
        grabbed: Cell; how many frames the source has handed over.
        dropped: Cells, by cause; the last is the supervisor's own.
        released: Cells, by place.
        pairs: For each place the counters of each generation.
        unreleased: By place, the oldest frame in truth not released; nobody reads it.
        end: Where the stream ends, once that has been told.
        bases: Where each place goes on, told when the producer has died.
    """

    base: int
    grabbed_before: int
    content: tuple[int, ...]
    order: tuple[int, ...]
    published: int
    grabbed: int
    dropped: tuple[int, ...]
    released: tuple[int, ...]
    pairs: tuple[tuple[Pair, ...], ...]
    unreleased: tuple[int, ...]
    end: int = NONE
    bases: tuple[int, ...] = ()

    @property
    def staged(self) -> int:
        """Frames grabbed and neither published nor dropped, by the cells."""
        gone = self.published - self.base + sum(self.dropped)
        return self.grabbed - self.grabbed_before - gone


class Message(NamedTuple):
    """What the supervisor tells the producer."""

    kind: str
    place: int
    generation: int


class Entry(NamedTuple):
    """A filled frame in the queue; `over` is NONE if it needs no spilling."""

    ram: int
    over: int
    is_whole: bool

    @property
    def slot(self) -> int:
        """Where readers will find the frame."""
        return self.ram if self.over == NONE else self.over


class Spill(NamedTuple):
    """The spill thread: what it must copy, what it has seen, what it has told.

    Attributes:
        todo: From which RAM slot to which overflow slot, oldest first.
        half: What it read in the first half of a copy, or IDLE.
        done: Its eventfd: copies completed and not yet heard of.
    """

    todo: tuple[tuple[int, int], ...] = ()
    half: int = IDLE
    done: int = 0


class Producer(NamedTuple):
    """The capture worker's private books.

    Attributes:
        pc: The step it does next.
        place: The place, or the turn, that this step is about.
        amount: What it has just read from `done`.
        next: Index of the next frame to publish.
        seats: By place, the generation in use, or NONE.
        back: By place, the oldest frame not released.
        grant: By place of latest, the slot granted.
        held: By place of latest, the slots taken.
        slot: Being filled or published.
        in_hand: 1 if a frame is grabbed and has no slot yet. Once dead: all frames
            that were staged, so that the law can be checked.
        queue: Filled and not yet published, oldest first.
        link: Messages not yet read.
        owed: A place evicted and not told of it (only a mutant does so).
    """

    is_alive: bool
    pc: str
    place: int = 0
    amount: int = 0
    next: int = 0
    seats: tuple[int, ...] = ()
    back: tuple[int, ...] = ()
    grant: tuple[int, ...] = ()
    held: tuple[tuple[int, ...], ...] = ()
    slot: int = NONE
    in_hand: int = 0
    queue: tuple[Entry, ...] = ()
    spill: Spill = Spill()
    link: tuple[Message, ...] = ()
    owed: int = NONE
    is_stopped: bool = False
    has_ended: bool = False


class Reader(NamedTuple):
    """What a reader knows.

    Attributes:
        status: live, dead, hung, finished, gone or absent.
        next: Index of its next frame, or of the one it has; NONE: base unknown.
        granted: Index of the first frame not granted to it.
        slot: Where the frame it has is.
        halves: What an outside reader has copied so far.
        seen: The last frame it accepted.
    """

    status: str
    epoch: int = 0
    generation: int = 0
    next: int = NONE
    granted: int = 0
    pc: str = "wait"
    slot: int = 0
    halves: tuple[int, ...] = ()
    seen: int = NONE


class State(NamedTuple):
    """The world.

    Attributes:
        given: Frames the source handed over.
        missed: Of these, lost with a producer that died before counting them.
        file: Pages linked by the recorder.
    """

    epochs: tuple[Epoch, ...]
    producer: Producer
    readers: tuple[Reader, ...]
    given: int = 0
    missed: int = 0
    file: int = 0
    crashes: int = 0
    hangs: int = 0


def new_epoch(bounds: Bounds, base: int, grabbed: int) -> Epoch:
    """Give fresh memory and eventfds; the bases are already in `ready`."""
    return Epoch(
        base=base,
        grabbed_before=grabbed,
        content=(NONE,) * (bounds.slots + bounds.overflow),
        order=(0,) * bounds.order_length,
        published=base,
        grabbed=grabbed,
        dropped=(0, 0, 0),
        released=(base,) * len(bounds.readers),
        pairs=tuple(
            (Pair(ready=(base + 1) * BASE if j in bounds.every else 0),)
            for j in bounds.places
        ),
        unreleased=(base,) * len(bounds.readers),
    )


def new_producer(bounds: Bounds, base: int, seats: tuple[int, ...]) -> Producer:
    """Give a producer that knows its places and waits for the camera."""
    n = len(bounds.readers)
    return Producer(
        is_alive=True,
        pc="camera",
        next=base,
        seats=seats,
        back=(base,) * n,
        grant=(NONE,) * n,
        held=((),) * n,
    )


def first_state(bounds: Bounds) -> State:
    """Give the start of a session, all but the late readers attached."""
    status = ["absent" if j in bounds.late else "live" for j in bounds.places]
    seats = tuple(NONE if s == "absent" else 0 for s in status)
    producer = new_producer(bounds, 0, seats)
    readers = tuple(Reader(s) for s in status)
    return State((new_epoch(bounds, 0, 0),), producer, readers)
