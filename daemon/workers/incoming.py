"""What comes in from clients: a message becomes a request, or is refused. Pure.

`check` turns its frames, whatever they are, into a `Request` whose parameters are
complete, or a `Refusal` with a code.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from imagemp import codes, messages
from imagemp.messages import METHODS, Problem, Request

MAX_DEPTH = 64  # json and msgspec overflow at about 1000, on one side or the other

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
        # of a key that stands twice msgspec takes the last
        json.loads(body.decode(), object_pairs_hook=_without_twins)
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
