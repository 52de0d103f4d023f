"""Runs a user's callback: loads it, keeps its deque, carries its messages."""

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from imagemp.callback import Callback, FunctionCallback, Result
from imagemp.errors import CallbackError
from imagemp.frames import Frame
from imagemp.link import MAX_PACKET
from imagemp.load import load_object
from imagemp.spec import FrameSpec

from .orders import Triggered

MAX_NOTE = 200  # characters: it stands in an event


class CallbackPlan(Struct, frozen=True):
    """A callback as the configuration describes it."""

    name: str
    target: str
    policy: str = "every"
    buffer_length: int = 1
    settings: dict[str, Any] = {}


class UserCode:
    """One callback of the user's, from `load` to `close`.

    Attributes:
        voice: Where messages go, once there is somewhere; its owner closes it, for
            it outlives the session.
        on_trigger: Called when it triggers, with what it says about it.
        sent: Messages that went out.
        unsent: Messages nobody took: no reader, or it was too slow.
    """

    def __init__(self, plan: CallbackPlan) -> None:
        self.plan = plan
        self.sent = self.unsent = 0
        self.voice: socket.socket | None = None
        self.on_trigger: Callable[[str], None] = lambda _note: None
        self._callback = self._load()
        self._is_set_up = False

    def open(self, spec: FrameSpec) -> None:
        """A session begins, with frames like these."""
        self._callback.spec = spec
        self._callback.buffer = deque(maxlen=self.plan.buffer_length)
        self._callback.set_up(self.plan.settings)
        self._is_set_up = True

    def process(self, kept: Frame) -> Frame | None:
        """Hand a frame of its own to the callback; give what it returned.

        Raises:
            CallbackError: It returned something that is no frame. What the
                user's code raises comes through as it is.
        """
        self._callback.buffer.append(kept)
        return self._as_frame(self._callback.process(kept), kept)

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
        found = load_object(self.plan.target)
        if isinstance(found, type) and issubclass(found, Callback):
            callback = found()
        elif callable(found) and not isinstance(found, type):
            callback = FunctionCallback(found)
        else:
            raise CallbackError(
                f"callback {self.plan.name}: {self.plan.target} is neither a "
                "subclass of imagemp.Callback nor a function"
            )
        callback.send, callback.trigger = self._send, self._trigger
        return callback

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
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Triggered(session, callback, now_ns, note)


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
