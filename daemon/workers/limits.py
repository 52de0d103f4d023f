"""What the gateway accepts: every request is checked here, without any I/O.

`check` turns the frames of a message into a `Request` or a `Refusal` with a code,
whatever they are. `Rates` says how often one client may ask, `Waiting` how many
requests may wait for their answers.
"""

import difflib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from imagemp import codes, messages
from imagemp.messages import METHODS, Problem, Request

MAX_DEPTH = 64  # json and msgspec overflow at about 1000, on one side or the other
MAX_PENDING = 32  # of one connection
MAX_WAITING = 1024  # of all
REQUESTS_PER_S = 100.0
BURST = 200.0
MAX_CLIENTS = 4096
FEW_CLIENTS = 64  # with more, those are forgotten that have long been silent

S = TypeVar("S", bound=msgspec.Struct)


class Refusal(msgspec.Struct, frozen=True):
    """A message that is not carried out.

    Attributes:
        id: The request's; empty if none could be read.
    """

    id: str
    problem: Problem


def check(frames: Sequence[bytes]) -> Request | Refusal:
    """Give the request, its parameters checked and complete; never raises."""
    told: dict[str, Any] = {}
    try:
        told = _document(_body(frames))
        return _request(told)
    except _Refused as refused:
        return Refusal(_id(told), refused.problem)


def _body(frames: Sequence[bytes]) -> bytes:
    if len(frames) != 2:
        raise _Refused(
            codes.E_FRAME,
            f"message of {len(frames)} frames, expected 2",
            "send IMP1 and the JSON from a DEALER; a REQ adds a third",
        )
    magic, body = frames
    if magic != messages.MAGIC:
        raise _Refused(
            codes.E_FRAME,
            f"first frame is {magic[:16]!r}, expected {messages.MAGIC!r}",
        )
    size = len(magic) + len(body)
    if size > messages.MAX_MESSAGE:
        raise _Refused(
            codes.E_TOO_LARGE,
            f"message of {size} bytes, at most {messages.MAX_MESSAGE}",
        )
    return body


def _document(body: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(body)
        json.loads(
            body.decode(), object_pairs_hook=_without_twins
        )  # msgspec: the last wins
    except RecursionError:
        raise _Refused(codes.E_JSON, "nested far too deeply") from None
    except ValueError as error:
        raise _Refused(codes.E_JSON, f"not JSON: {error}"[:200]) from None
    if not isinstance(told, dict):
        raise _Refused(
            codes.E_JSON, f"expected a JSON object, got {type(told).__name__}"
        )
    if _is_deeper(told, MAX_DEPTH):
        raise _Refused(codes.E_JSON, f"nested deeper than {MAX_DEPTH} levels")
    return told


def _without_twins(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twin!r} stands there twice")


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _request(told: dict[str, Any]) -> Request:
    version = told.get("v")
    if type(version) is not int or version != messages.VERSION:
        raise _Refused(
            codes.E_VERSION,
            f"request of version {version!r:.20}, this daemon speaks version"
            f" {messages.VERSION}",
            "use an imagectl of the daemon's version",
        )
    _refuse_unknown("a request", told, Request.__struct_fields__)
    request = _converted(told, Request)
    params = _params(request.method, request.params)
    return msgspec.structs.replace(request, params=params)


def _params(method: str, told: dict[str, Any]) -> dict[str, Any]:
    kind = METHODS.get(method)
    if kind is None:
        raise _Refused(
            codes.E_METHOD,
            f"no method {method[:64]!r}",
            _meant(method, METHODS) or "methods.describe lists them",
        )
    _refuse_unknown(method, told, kind.__struct_fields__)
    params: dict[str, Any] = msgspec.to_builtins(_converted(told, kind))
    return params


def _converted(told: Mapping[str, Any], kind: type[S]) -> S:
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$")
        where = place.strip("`.")
        problem = f"{where}: {said}" if where else said
        raise _Refused(codes.E_PARAMS, problem[:400]) from None


def _refuse_unknown(what: str, told: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in told:
        if name not in known:
            raise _Refused(
                codes.E_PARAMS,
                f"{what} has no {name[:64]!r}",
                _meant(name, known) or f"it takes: {', '.join(known) or 'nothing'}",
            )


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:64], list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else ""


def _id(told: Mapping[str, Any]) -> str:
    found = told.get("id")
    return found if isinstance(found, str) and len(found) <= 64 else ""


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code, message, hint)


class Bucket:
    """Lets through `per_s` a second in the long run, `burst` at once."""

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one; False if there is none."""
        self._level = self.level(now)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def level(self, now: float) -> float:
        """Tell how many could be taken now."""
        return min(self._burst, self._level + (now - self._at) * self._per_s)

    def is_full(self, now: float) -> bool:
        """Tell whether it is as good as new, and may be forgotten."""
        return self.level(now) >= self._burst


class Rates:
    """How often each connection has asked.

    Args:
        per_s: Requests a second, in the long run.
        burst: Requests at once.
    """

    def __init__(self, per_s: float = REQUESTS_PER_S, burst: float = BURST) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: dict[bytes, Bucket] = {}
        self._many = FEW_CLIENTS

    def count(self, client: bytes, now: float) -> Problem | None:
        """Count a message of this client; give why it is one too many."""
        if client not in self._buckets:
            self._make_room(now)
            self._buckets[client] = Bucket(self._per_s, self._burst, now)
        if self._buckets[client].take(now):
            return None
        return Problem(
            codes.E_RATE,
            f"more than {self._per_s:g} requests a second",
            retryable=True,
        )

    def _make_room(self, now: float) -> None:
        if len(self._buckets) < self._many:
            return
        for name in [name for name, b in self._buckets.items() if b.is_full(now)]:
            del self._buckets[name]
        if len(self._buckets) >= MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        self._many = min(MAX_CLIENTS, max(FEW_CLIENTS, 2 * len(self._buckets)))


class Pending(msgspec.Struct):
    """A request that waits for its answer.

    Attributes:
        until: When its deadline is over, monotonic seconds.
        replies: How many it has had; all but the last said `more`.
    """

    client: bytes
    id: str
    until: float = math.inf
    replies: int = 0


class Waiting:
    """The requests that wait, by token; a token is never used twice.

    Args:
        first_token: Above all that an earlier gateway has used.
    """

    def __init__(self, first_token: int) -> None:
        self._tokens = itertools.count(first_token)
        self._pending: dict[int, Pending] = {}

    def may_add(self, client: bytes) -> Problem | None:
        """Give why this client may not wait for another answer."""
        mine = len(self.of(client))
        if mine >= MAX_PENDING:
            told = f"{mine} requests of this connection wait, at most {MAX_PENDING}"
        elif len(self._pending) >= MAX_WAITING:
            told = f"{MAX_WAITING} requests wait"
        else:
            return None
        return Problem(codes.E_BUSY, told, retryable=True)

    def add(self, client: bytes, request: Request, now: float) -> int:
        """Keep who asked; give the token to find it by."""
        token = next(self._tokens)
        until = now + request.deadline_ms / 1000 if request.deadline_ms else math.inf
        self._pending[token] = Pending(client, request.id, until)
        return token

    def find(self, token: int) -> Pending | None:
        """Give who waits for this answer; None if nobody does."""
        return self._pending.get(token)

    def remove(self, token: int) -> None:
        """Its last answer has come, or is not wanted any more."""
        del self._pending[token]

    def of(self, client: bytes) -> list[int]:
        """Give the tokens of one client."""
        return [t for t, pending in self._pending.items() if pending.client == client]

    def late(self, now: float) -> list[tuple[int, Pending]]:
        """Give those whose deadline is over, with their tokens."""
        return [(t, p) for t, p in self._pending.items() if p.until <= now]

    def patience_ms(self, now: float) -> int | None:
        """Tell how long until the next deadline; None if there is none."""
        until = min((p.until for p in self._pending.values()), default=math.inf)
        return None if until == math.inf else max(0, math.ceil((until - now) * 1000))
