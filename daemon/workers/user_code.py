"""Runs a user's callback: loads it, keeps its deque, carries its messages."""

import json
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from itertools import dropwhile
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from imagemp import callback
from imagemp.callback import Callback, FunctionCallback, Result
from imagemp.clock import boottime_ns
from imagemp.errors import CallbackError
from imagemp.frames import Frame, FrameInfo
from imagemp.link import MAX_PACKET
from imagemp.spec import FrameSpec

from .consumer import percentiles
from .loaded import load_noted
from .orders import Event, Triggered

MAX_NOTE = 200  # characters: it stands in an event
MAX_SAID = 500  # characters of an error that are told: a packet has an end
TIMES = 512  # how many calls the percentiles are taken of
COUNTERS = ("errors", "sent", "unsent", "over_budget")
OURS = Path(__file__).parent


class CallbackPlan(Struct, frozen=True):
    """A callback as the configuration describes it.

    Attributes:
        input: Whose returned frames it gets, if both are inline.
        full_buffer: It is not called before its buffer is full.
        budget_ms: What a call may take without being counted; 0: anything.
    """

    name: str
    target: str
    policy: str = "every"
    input: str = ""
    buffer_length: int = 1
    full_buffer: bool = False
    budget_ms: float = 0.0
    settings: dict[str, Any] = {}


class UserCode:
    """One callback of the user's, from `load` to `close`.

    Attributes:
        voice: Where messages go, once there is somewhere; its owner closes it, for
            it outlives the session.
        on_trigger: Called when it triggers, with what it says about it.
        on_event: Called with what an operator should hear of.
        sent: Messages that went out.
        unsent: Messages nobody took: no reader, or it was too slow.
        errors: How often the user's code raised.
        over_budget: Calls of `process` that took longer than they may.
        took_ns: By the last of these calls.
    """

    def __init__(self, plan: CallbackPlan) -> None:
        self.plan = plan
        self.sent = self.unsent = self.errors = self.over_budget = 0
        self.took_ns: deque[int] = deque(maxlen=TIMES)
        self.voice: socket.socket | None = None
        self.on_trigger: Callable[[str], None] = lambda _note: None
        self.on_event: Callable[[Event], object] = lambda _event: None
        self._callback = self._load()
        self._is_set_up = False

    def open(self, spec: FrameSpec) -> None:
        """A session begins, with frames like these."""
        self._callback.spec = spec
        self._callback.buffer = deque(maxlen=self.plan.buffer_length)
        self._callback.set_up(self.plan.settings)
        self._is_set_up = True

    def wants(self, info: FrameInfo) -> bool:
        """Whether the callback wants this frame, which nobody has copied yet."""
        return self._callback.before_frame(info) is not False

    def process(self, kept: Frame) -> Frame | None:
        """Hand a frame of its own to the callback; give what it returned.

        Raises:
            CallbackError: It returned something that is no frame. What the
                user's code raises comes through as it is.
        """
        buffer = self._callback.buffer
        buffer.append(kept)
        if self.plan.full_buffer and len(buffer) < self.plan.buffer_length:
            return None
        began = time.perf_counter_ns()
        try:
            result = self._callback.process(kept)
        finally:
            self._took(time.perf_counter_ns() - began)
        return self._as_frame(result, kept)

    def numbers(self) -> dict[str, Any]:
        """Tell the counters, and how long the calls of `process` take."""
        return {name: getattr(self, name) for name in COUNTERS} | {
            "took_ms": percentiles(self.took_ns)
        }

    def go_on_from(self, numbers: Mapping[str, Any]) -> None:
        """Count on where a process before this one was, by its last report."""
        for name in COUNTERS:
            setattr(self, name, numbers.get(name, 0))

    def failed(self, error: Exception) -> Event:
        """Count an error of the user's code; give the event that tells of it."""
        self.errors += 1
        said = f"{type(error).__name__}: {error}"[:MAX_SAID]
        place = place_of(error)
        details = {"callback": self.plan.name, "message": said, "place": place}
        return Event("callback_error", details)

    def message(self, body: Any) -> None:  # noqa: ANN401 - the user's own
        """Hand over what `imagectl send` brought, unless the session is over."""
        if self._is_set_up:
            self._callback.on_message(body)

    def close(self) -> None:
        """Tell the callback that the session is over. May be called twice."""
        if self._is_set_up:
            self._is_set_up = False
            self._callback.tear_down()
            self._callback.buffer.clear()

    def _load(self) -> Callback:
        found = load_noted(self.plan.target)
        if isinstance(found, type) and issubclass(found, Callback):
            made = found()
        elif callable(found) and not isinstance(found, type):
            made = FunctionCallback(found)
        else:
            raise CallbackError(
                f"callback {self.plan.name}: {self.plan.target} is neither a "
                "subclass of imagemp.Callback nor a function"
            )
        made.send, made.trigger = self._send, self._trigger
        return made

    def _took(self, passed_ns: int) -> None:
        self.took_ns.append(passed_ns)
        took_ms, budget_ms = passed_ns / 1e6, self.plan.budget_ms
        if not budget_ms or took_ms <= budget_ms:
            return
        self.over_budget += 1
        if self.over_budget == 1:  # the others are a number in the reports
            whose = {"callback": self.plan.name, "took_ms": round(took_ms, 1)}
            self.on_event(Event("over_budget", {**whose, "budget_ms": budget_ms}))

    def _trigger(self, note: str = "") -> None:
        self.on_trigger(str(note)[:MAX_NOTE])

    def _send(self, body: Any) -> None:  # noqa: ANN401 - the user's own
        if isinstance(body, Mapping) and body.get("trigger") is True:
            self._trigger()
        packet = json.dumps(body, default=_plain).encode()
        if len(packet) > MAX_PACKET:
            raise CallbackError(
                f"callback {self.plan.name}: message of {len(packet)} bytes, "
                f"at most {MAX_PACKET}"
            )
        try:
            if self.voice is not None:
                self.voice.send(packet)
                self.sent += 1
                return
        except OSError:  # the gateway is slow, or just being replaced
            pass
        self.unsent += 1

    def _as_frame(self, result: Result, like: Frame) -> Frame | None:
        if result is None:
            return None
        planes: object = result
        if isinstance(result, Frame):
            planes = result.planes
        elif isinstance(result, np.ndarray):
            planes = {"image": result}
        if isinstance(planes, Mapping) and planes and _are_numbers(planes):
            return Frame(dict(planes), like.info)
        raise CallbackError(
            f"callback {self.plan.name}: returned {type(result).__name__}, "
            "expected a Frame, an array, a dict of arrays or None; arrays of numbers"
        )


def triggered(session: str, callback: str, note: str) -> Triggered:
    """Say that a callback triggers now."""
    return Triggered(session, callback, boottime_ns(), note)


def place_of(error: Exception) -> str:
    """Give the deepest line of the user's own file that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    called = dropwhile(lambda f: not is_ours(f.filename), frames)
    users = [f for f in called if not is_ours(f.filename)]
    if not users:
        return ""
    own = next(f for f in reversed(users) if f.filename == users[0].filename)
    return f"{own.filename}, line {own.lineno}"


def is_ours(file: str) -> bool:
    """Tell the lines that call the user's code from those of it."""
    return Path(file).parent == OURS or file == callback.__file__


def voice_of(fd: int) -> socket.socket:
    """Give the socket that a `Speak` brought, ready to be sent to."""
    voice = socket.socket(fileno=fd)
    voice.setblocking(False)
    return voice


def _are_numbers(planes: Mapping[str, object]) -> bool:
    arrays = [value for value in planes.values() if isinstance(value, np.ndarray)]
    return len(arrays) == len(planes) and not any(a.dtype.hasobject for a in arrays)


def _plain(value: object) -> object:
    """Give numpy's numbers and arrays as JSON can hold them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a message cannot hold {type(value).__name__}")
