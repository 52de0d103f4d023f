"""Reports: what workers tell the supervisor."""

from typing import Any, ClassVar

from msgspec import Struct, field


class Told(Struct, tag_field="told", frozen=True):
    """Goes from a worker to the supervisor.

    Attributes:
        may_be_lost: It need not be kept while the supervisor does not read.
    """

    may_be_lost: ClassVar[bool] = False


class Ready(Told, frozen=True):
    """The process is up and listens on its link."""


class RingMade(Told, frozen=True):
    """The ring is there. Descriptors: ring[, overflow, read-only].

    Attributes:
        is_live: Frames come whether anybody takes them or not.
    """

    session: str
    epoch: int
    spec: dict[str, Any]
    fps: float
    notes: list[str] = []
    is_live: bool = True


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


class Closed(Told, frozen=True):
    """The source is closed, and the ring is gone."""


class Opened(Told, frozen=True):
    """The session's folder is there; `dir` is empty for a worker that has none."""

    session: str
    dir: str = ""


class Stale(Told, frozen=True):
    """A file of the user's code has changed: a new process must open the session."""

    session: str
    file: str


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
        reason: Why the session ends, if not just because something failed.
        cause: What its remaining frames are skipped under, where this worker will
            deal with none of them; "" where it will.
    """

    session: str
    code: str
    message: str
    hint: str = ""
    reason: str = ""
    cause: str = ""


class Triggered(Told, frozen=True):
    """A callback wants what is around this instant recorded.

    Attributes:
        note: What it says about it.
    """

    session: str
    callback: str
    t_ns: int
    note: str = ""


class SpanRecorded(Told, frozen=True):
    """All frames of a span, or of the first part of one, have been dealt with.

    Attributes:
        frames: So many were recorded.
        seqs: Of the first and of the last one; empty if there is none.
        files: Where these two are.
        pages: And on which pages of them.
    """

    session: str
    from_ns: int
    to_ns: int
    frames: int = 0
    seqs: list[int] = []
    files: list[str] = []
    pages: list[int] = []


class Report(Told, frozen=True):
    """Numbers of one instant.

    Attributes:
        handled: Frames released by this reader, over the session's epochs.
        recorded: Frames in the recording, or delivered to the callback.
        skipped: Frames given up, by cause; handled = recorded + skipped.
        numbers: Whatever else this kind of worker measures.
    """

    may_be_lost: ClassVar[bool] = True  # the next one tells more

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


class CameraAnswer(Told, frozen=True):
    """What came of SetControls or ListCameras.

    Attributes:
        token: Of the order that bore one.
        error: Why nothing came of it, as the wire has it.
    """

    token: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None


class Unended(Told, frozen=True):
    """A session says that it runs, or nothing that can be read. Answer: Recover."""

    session: str


class Serving(Told, frozen=True):
    """The gateway's sockets are bound: clients are answered."""


class Asked(Told, frozen=True):
    """A client's request, checked; the gateway waits for its Answer."""

    may_be_lost: ClassVar[bool] = True  # the client is told at once

    token: int
    method: str
    params: dict[str, Any]
    who: str = ""
    idem: str = ""


class Forgotten(Told, frozen=True):
    """The gateway no longer waits for this Answer."""

    token: int


ToSupervisor = (
    Ready
    | RingMade
    | Adopted
    | FirstFrame
    | Ended
    | Closed
    | Opened
    | Stale
    | LeftEpoch
    | Drained
    | Finished
    | Failed
    | Triggered
    | SpanRecorded
    | Report
    | Event
    | CameraAnswer
    | Unended
    | Serving
    | Asked
    | Forgotten
)
