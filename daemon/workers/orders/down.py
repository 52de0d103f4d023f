"""Orders: what the supervisor tells its workers.

`place` is a reader's seat in a ring, `cell` the index of its `released` word in the
ring's header. `Enter` and `End` are told to programs outside as well:
imagemp/ring/handover.py.
"""

from typing import Any, Literal

from msgspec import field

from imagemp.ring.handover import End, Enter, Order

# -- to whoever produces a ring: capture, or a callback that returns frames


class Prepare(Order, frozen=True):
    """Open the source and make the ring of a new epoch. Answer: RingMade, Failed."""

    session: str
    epoch: int
    first_seq: int
    first_index: int
    settings: dict[str, Any]
    ring: dict[str, Any]
    schedule: dict[str, Any] | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    t_last_ns: int = 0
    overlay: dict[str, Any] | None = None


class Attach(Order, frozen=True):
    """A reader takes a place. Descriptors: ready, done[, evicted].

    Attributes:
        reader: Its name, for people.
    """

    place: int
    cell: int
    policy: str
    evictable: bool = False
    allowance: int = 0
    reader: str = ""


class Successor(Order, frozen=True):
    """A dead reader's place goes on with new counters.

    Descriptors: ready, done[, evicted].
    """

    place: int


class Gone(Order, frozen=True):
    """The reader of this place will not come back."""

    place: int


class Start(Order, frozen=True):
    """All readers are attached: take frames.

    Attributes:
        from_ns: None of before this instant, CLOCK_BOOTTIME: others begin then, too.
    """

    from_ns: int = 0


class Trigger(Order, frozen=True):
    """Take this many frames now, or what a trigger is configured to take.

    Attributes:
        t_ns: When it was asked for; frames of before are none of them.
    """

    n: int | None = None
    t_ns: int = 0


class SetControls(Order, frozen=True):
    """Set these of the source, all or none. Answer: CameraAnswer."""

    token: int
    controls: dict[str, Any]


class Stop(Order, frozen=True):
    """Take no more frames, and tell where the stream ends."""


class LetGo(Order, frozen=True):
    """Nobody reads any more: close the source and the ring. Answer: Closed."""


# -- to whoever reads a ring: encoder, callback


class OpenSession(Order, frozen=True):
    """A session begins; `resume` if one like you died in it. Answer: Opened, Failed.

    Attributes:
        spans: As `Want` has them, for an encoder; None: it records all.
        again: One like you was told the same, and died before it answered.
    """

    session: str
    started_unix_ns: int
    resume: bool = False
    counts: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    spans: list[tuple[int, int]] | None = None
    again: bool = False


class Want(Order, frozen=True):
    """Record the frames that arrive in these spans; they replace those before.

    Attributes:
        spans: Each from one instant of CLOCK_BOOTTIME, in ns, until before another.
    """

    spans: list[tuple[int, int]]


class Speak(Order, frozen=True):
    """What this callback sends goes here. Descriptor: a socket."""

    callback: str


class Deliver(Order, frozen=True):
    """A message of the user's for a callback."""

    callback: str
    body: Any


class Finalise(Order, frozen=True):
    """All has been read: add your files to the manifest. Answer: Finished.

    Attributes:
        state: `running` for all but the last encoder, which writes the rest too.
        is_void: Nobody asked for the session, and it never began: keep nothing.
    """

    state: Literal["running", "complete", "incomplete"]
    ended_unix_ns: int
    counts: dict[str, Any]
    events: list[dict[str, Any]]
    clock: list[tuple[int, int]]
    is_void: bool = False


class Discard(Order, frozen=True):
    """`stop --now`: leave what has not been read yet; it is `undrained`."""


class Leave(Order, frozen=True):
    """Close everything and exit."""


# -- to the gateway


class Serve(Order, frozen=True):
    """Bind these listening sockets. Descriptors: control, telemetry."""

    control: str
    telemetry: str
    instance: str
    config: str


class Listen(Order, frozen=True):
    """A callback publishes under this topic. Descriptor: its socket."""

    topic: str


class Answer(Order, frozen=True):
    """Reply to what was Asked; `more`: further ones follow."""

    token: int
    result: Any = None
    error: dict[str, Any] | None = None
    more: bool = False


class Publish(Order, frozen=True):
    """Send this as telemetry and keep it for late subscribers."""

    topic: str
    body: dict[str, Any]


# -- to the recovery


class Search(Order, frozen=True):
    """Look for sessions that nobody ended. Answer: Unended for each, then it leaves."""

    data_dir: str
    pipeline: str


class Recover(Order, frozen=True):
    """What to do with a session that was found. Answer: an Event, if it is repaired.

    Attributes:
        go: Repair it; else it is one that is on.
    """

    session: str
    go: bool


# -- to the one that looks for cameras


class ListCameras(Order, frozen=True):
    """Tell what there is. Answer: CameraAnswer, then it leaves."""


ToProducer = (
    Prepare
    | Attach
    | Successor
    | Gone
    | Start
    | Trigger
    | SetControls
    | Stop
    | LetGo
    | Leave
)
ToReader = (
    OpenSession | Want | Enter | End | Speak | Deliver | Finalise | Discard | Leave
)
ToGateway = Serve | Listen | Answer | Publish | Leave
ToRecovery = Search | Recover | Leave
ToLookout = ListCameras | Leave
ToWorker = ToProducer | ToReader | ToGateway | ToRecovery | ToLookout
