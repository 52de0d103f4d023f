"""Every message on the links between the supervisor and its workers.

Orders go down, reports come up. File descriptors travel beside a message; its
docstring names them in order. `Enter` and `End` are told to programs outside as
well: imagemp/ring/handover.py. `place` is a reader's seat in a ring, `cell` the
index of its `released` word in the ring's header.
"""

from typing import Any, Literal

from msgspec import Struct, field

from imagemp.ring.handover import End, Enter, Order


class Told(Struct, tag_field="told", frozen=True):
    """Goes from a worker to the supervisor."""


# ---- to whoever produces a ring: capture, or a callback that returns frames


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


class Attach(Order, frozen=True):
    """A reader takes a place. Descriptors: ready, done[, evicted]."""

    place: int
    cell: int
    policy: str
    evictable: bool = False
    allowance: int = 0


class Successor(Order, frozen=True):
    """A dead reader's place goes on with new counters.

    Descriptors: ready, done[, evicted].
    """

    place: int


class Gone(Order, frozen=True):
    """The reader of this place will not come back."""

    place: int


class Start(Order, frozen=True):
    """All readers are attached: take frames."""


class Trigger(Order, frozen=True):
    """Take this many frames now, or what a trigger is configured to take."""

    n: int | None = None


class Stop(Order, frozen=True):
    """Take no more frames, and tell where the stream ends."""


class LetGo(Order, frozen=True):
    """Nobody reads any more: close the source and the ring."""


# ---- to whoever reads a ring: encoder, callback


class OpenSession(Order, frozen=True):
    """A session begins; `resume` if one like you died in it. Answer: Opened, Failed."""

    session: str
    started_unix_ns: int
    resume: bool = False
    counts: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


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
    """

    state: Literal["running", "complete", "incomplete"]
    ended_unix_ns: int
    counts: dict[str, Any]
    events: list[dict[str, Any]]
    clock: list[tuple[int, int]]


class Discard(Order, frozen=True):
    """`stop --now`: leave what has not been read yet; it is `undrained`."""


class Leave(Order, frozen=True):
    """Close everything and exit."""


# ---- to the gateway


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


# ---- to the supervisor


class Ready(Told, frozen=True):
    """The process is up and listens on its link."""


class RingMade(Told, frozen=True):
    """The ring is there. Descriptors: ring[, overflow, read-only]."""

    session: str
    epoch: int
    spec: dict[str, Any]
    fps: float
    notes: list[str] = []


class Adopted(Told, frozen=True):
    """The successor's counters are in use; the old ones may be closed."""

    place: int


class FirstFrame(Told, frozen=True):
    """The epoch's first frame has been captured."""

    session: str
    epoch: int
    t_sensor_ns: int
    missed: dict[str, int] = {}


class Ended(Told, frozen=True):
    """No more frames come: the epoch ends before this index.

    Attributes:
        reason: `stopped`, `duration`, `frames`, `end_of_source` or `failed`.
        message: What failed.
        retry: It may go well in a new epoch.
    """

    session: str
    epoch: int
    index: int
    reason: str
    message: str = ""
    hint: str = ""
    retry: bool = False


class Opened(Told, frozen=True):
    """The session's folder is there; `dir` is empty for a worker that has none."""

    session: str
    dir: str = ""


class LeftEpoch(Told, frozen=True):
    """Every frame of this epoch has been released; its ring may go."""

    epoch: int


class Drained(Told, frozen=True):
    """Every frame of the session has been read and dealt with."""

    session: str


class Finished(Told, frozen=True):
    """The session's manifest is written and its files are closed."""

    session: str


class Failed(Told, frozen=True):
    """The session cannot go on in this worker.

    Attributes:
        code: As in control replies, `E_DISK`.
    """

    session: str
    code: str
    message: str
    hint: str = ""


class Report(Told, frozen=True):
    """Numbers of one instant.

    Attributes:
        handled: Frames released by this reader, over the session's epochs.
        recorded: Frames in the recording, or delivered to the callback.
        skipped: Frames given up, by cause; handled = recorded + skipped.
        numbers: Whatever else this kind of worker measures.
    """

    session: str
    handled: int = 0
    recorded: int = 0
    durable: int = 0
    skipped: dict[str, int] = {}
    numbers: dict[str, Any] = field(default_factory=dict)


class Event(Told, frozen=True):
    """Something happened that a user may want to know."""

    name: str
    details: dict[str, Any] = field(default_factory=dict)


class Serving(Told, frozen=True):
    """The gateway's sockets are bound: clients are answered."""


class Asked(Told, frozen=True):
    """A client's request, checked; the gateway waits for its Answer."""

    token: int
    method: str
    params: dict[str, Any]
    who: str = ""
    idem: str = ""


class Forgotten(Told, frozen=True):
    """The gateway no longer waits for this Answer."""

    token: int


ToProducer = (
    Prepare | Attach | Successor | Gone | Start | Trigger | Stop | LetGo | Leave
)
ToReader = OpenSession | Enter | End | Speak | Deliver | Finalise | Discard | Leave
ToGateway = Serve | Listen | Answer | Publish | Leave
ToWorker = ToProducer | ToReader | ToGateway
ToSupervisor = (
    Ready
    | RingMade
    | Adopted
    | FirstFrame
    | Ended
    | Opened
    | LeftEpoch
    | Drained
    | Finished
    | Failed
    | Report
    | Event
    | Serving
    | Asked
    | Forgotten
)
