"""The wire: every request and reply, as types.

docs/protocol.md describes the same for people who write clients of their own.
The gateway checks what comes in against `METHODS`; unknown parameters are refused,
since a misspelt `duraton_s` must not start an endless session. Unknown fields of a
reply are ignored.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MAGIC = b"IMP1"
VERSION = 1
MAX_MESSAGE = 65536  # bytes of a request, all its frames together

Name = Annotated[str, Meta(min_length=1, max_length=64)]
NameOrNone = Annotated[str, Meta(max_length=64)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
AtLeastOne = Annotated[int, Meta(ge=1, le=2**53)]
UnixTime = Annotated[float, Meta(ge=0, le=1e11)]
IsoTime = Annotated[str, Meta(min_length=1, max_length=40)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client asks for.

    Attributes:
        v: `VERSION`.
        id: Chosen by the client; its replies bear it.
        method: One of `METHODS`.
        params: What the method takes; missing ones have their defaults.
        deadline_ms: After this time the gateway answers E_TIMEOUT; 0: never.
        idem: Two requests to start with the same text here are one session.
    """

    v: int
    id: Id
    method: str
    params: dict[str, Any] = {}
    deadline_ms: Annotated[int, Meta(ge=0, le=10**12)] = 0
    idem: Annotated[str, Meta(max_length=128)] = ""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was not carried out.

    Attributes:
        code: One of `CODES`.
        message: For people; names the thing, what was found, what was expected.
        hint: What to do about it.
        retryable: Whether the same request may succeed later.
    """

    code: str
    message: str
    hint: str = ""
    retryable: bool = False


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the daemon answers.

    Attributes:
        v: `VERSION` of the daemon.
        id: The request's; empty if it could not be read.
        ok: True: see `result`; False: see `error`.
        instance: Names this run of the daemon.
        more: Further replies to the same request follow.
        seq: Counts the replies to one request from 1; 0 where there is only one.
    """

    v: int
    id: str
    ok: bool
    result: dict[str, Any] = {}
    error: Problem | None = None
    instance: str = ""
    more: bool = False
    seq: int = 0


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of one method."""


class Ping(Params, frozen=True):
    """Ask the supervisor for a sign of life."""


class Version(Params, frozen=True):
    """Ask which versions of imagemp and its libraries answer."""


class Status(Params, frozen=True):
    """Ask for the state of everything."""


class SessionStart(Params, frozen=True):
    """Start a session of each pipeline named.

    Attributes:
        pipelines: Empty: all.
        duration_s: Ends this long after the first frame; None: not by time.
        frames: Ends after so many frames; None: not by number.
        at: Start at this time: unix seconds, or ISO text (local time unless it
            says otherwise); None: now. Refused while the clock is not synchronised.
        force: Start by a clock that is not.
        overrides: `key=value` each, over the configuration.
        wait: Answer when the first frame is there, at once, or when it is done.
    """

    pipelines: list[Name] = []
    duration_s: Seconds | None = None
    frames: AtLeastOne | None = None
    at: UnixTime | IsoTime | None = None
    force: bool = False
    overrides: list[str] = []
    wait: Literal["first", "none", "done"] = "first"

    def __post_init__(self) -> None:
        """Refuse a time that is none, and an override without `=`."""
        self.at_unix()
        for override in self.overrides:
            if "=" not in override:
                raise ValueError(f"overrides: expected key=value, got {override!r}")

    def at_unix(self) -> float | None:
        """Give `at` in unix seconds."""
        if not isinstance(self.at, str):
            return self.at
        try:
            return datetime.fromisoformat(self.at).timestamp()
        except (ValueError, OverflowError, OSError) as error:
            raise ValueError(f"at: expected an ISO time, got {self.at!r}") from error


class SessionStop(Params, frozen=True):
    """Stop the session of each pipeline named.

    Attributes:
        pipelines: Empty: all.
        now: Do not write what waits in the ring; it is counted as `undrained`.
        session: Stop it only if it is this one.
    """

    pipelines: list[Name] = []
    now: bool = False
    session: Name | None = None


class SessionWait(Params, frozen=True):
    """Answer when a session is done, or has its first frame.

    Attributes:
        pipelines: Empty: all that run; if none does, the last session of each.
        session: Wait for this one.
        until: What to wait for.
    """

    pipelines: list[Name] = []
    session: Name | None = None
    until: Literal["done", "first"] = "done"


class Trigger(Params, frozen=True):
    """Take frames now, or record what is around now.

    Attributes:
        pipelines: Empty: all that run.
        n: How many, for a schedule that waits; None: as many as are configured.
    """

    pipelines: list[Name] = []
    n: AtLeastOne | None = None


class Record(Params, frozen=True):
    """Record from now on in sessions that run, or no more.

    Attributes:
        pipelines: Empty: all that run.
        encoder: Empty: all encoders of theirs.
    """

    pipelines: list[Name] = []
    encoder: NameOrNone = ""


class CallbackSend(Params, frozen=True):
    """Hand a message to a callback.

    Attributes:
        callback: As the configuration names it.
        body: Anything JSON.
        pipeline: Empty: the only one that has such a callback.
    """

    callback: Name
    body: Any
    pipeline: NameOrNone = ""


class CameraList(Params, frozen=True):
    """Ask what cameras there are, with their modes."""


class CameraSet(Params, frozen=True):
    """Set controls of a camera while a session is on; they last as long as it.

    Attributes:
        controls: By libcamera's names; all of them are set, or none.
        pipeline: Empty: the only one there is.
    """

    controls: Annotated[dict[str, Any], Meta(min_length=1)]
    pipeline: NameOrNone = ""


class WorkerRestart(Params, frozen=True):
    """End a worker and start it again.

    Attributes:
        worker: As `status` names it.
        pipeline: Empty for the gateway, which belongs to none.
    """

    worker: Name
    pipeline: NameOrNone = ""


class ConfigShow(Params, frozen=True):
    """Ask for the configuration in use, defaults included."""


class ConfigCheck(Params, frozen=True):
    """Check a configuration without using it.

    Attributes:
        text: The TOML; None: what is in the daemon's own file now.
    """

    text: str | None = None


class Reload(Params, frozen=True):
    """Read the configuration file again."""


class Describe(Params, frozen=True):
    """Ask for the JSON Schema of every method's parameters."""


class Shutdown(Params, frozen=True):
    """Stop all sessions cleanly, then exit."""


METHODS: dict[str, type[Params]] = {
    "ping": Ping,
    "version": Version,
    "status": Status,
    "session.start": SessionStart,
    "session.stop": SessionStop,
    "session.wait": SessionWait,
    "trigger": Trigger,
    "record.start": Record,
    "record.stop": Record,
    "callback.send": CallbackSend,
    "camera.list": CameraList,
    "camera.set": CameraSet,
    "worker.restart": WorkerRestart,
    "config.show": ConfigShow,
    "config.check": ConfigCheck,
    "reload": Reload,
    "methods.describe": Describe,
    "shutdown": Shutdown,
}

# Asking twice does no harm. A start may be asked twice if it bears an `idem`.
REPEATABLE = frozenset(
    {
        *("ping", "version", "status", "session.wait", "camera.list"),
        *("config.show", "config.check", "methods.describe"),
    }
)
