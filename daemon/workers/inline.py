"""Callbacks that run in the encoder's process: the 2-process form.

What they raise never costs a frame of the recording: it is told, counted, and
after too many the callback is switched off for the session.
"""

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from imagemp.frames import Frame, spec_of
from imagemp.spec import Field, FrameSpec

from ..logs import fields
from .orders import Event, Told
from .user_code import CallbackPlan, UserCode, triggered, voice_of

log = logging.getLogger(__name__)
TOO_MANY = 5
Given = TypeVar("Given")


class InlineCallbacks:
    """The inline callbacks of one encoder.

    Attributes:
        input: Whose returned frames are recorded; "" for the source's own.
        seen: Frames they were shown, by processes before this one as well.
    """

    def __init__(self, tell: Callable[[Told], bool]) -> None:
        self._tell = tell
        self.input, self.seen = "", 0
        self._fields: tuple[Field, ...] = ()
        self._codes: dict[str, UserCode] = {}
        self._delivered: dict[str, int] = {}
        self._behind: dict[str, int] = {}
        self._filtered: dict[str, int] = {}
        self._needed: set[str] = set()  # what these return is recorded, or made so
        self._voices: dict[str, socket.socket] = {}

    def load(
        self, plans: Sequence[CallbackPlan], recorded: str, session: str = ""
    ) -> None:
        """Load them for a session.

        Raises:
            ImagempError: One of them cannot be loaded.
        """
        self.close()
        self.input, self.seen, self._codes = recorded, 0, {}
        self._delivered = {plan.name: 0 for plan in plans}
        self._behind = {plan.name: 0 for plan in plans}
        self._filtered = {plan.name: 0 for plan in plans}
        for plan in plans:
            self._codes[plan.name] = UserCode(plan)
        self._needed = self._chain(recorded)
        for name, code in self._codes.items():
            code.voice = self._voices.get(name)
            code.on_trigger = partial(self._trigger, session, name)
            code.on_event = self._tell

    def open(self, spec: FrameSpec) -> None:
        """The frames look like this."""
        self._fields = spec.fields
        for name in self._codes:
            self._guard(name, lambda code: code.open(spec))

    def resume(self, handled: int, counts: Mapping[str, Any]) -> None:
        """Count what a process before this one has delivered.

        Args:
            handled: How far it came.
            counts: Of its last report; empty if it made none.
        """
        told = counts.get("numbers", {}).get("callbacks", {})
        seen = counts.get("numbers", {}).get("seen", counts.get("handled", 0))
        self.seen = handled
        for name in self._delivered:
            line = told.get(name, {})
            missing = seen - line.get("delivered", 0)
            self._delivered[name] = handled - missing
            self._behind[name] = line.get("behind", 0)
            self._filtered[name] = line.get("filtered", 0)
            self._codes[name].go_on_from(line)

    def process(self, frame: Frame, *, is_newest: bool = True) -> tuple[Frame, str]:
        """Run all; give the frame to record, or why there is none.

        Those of policy `latest` let a frame go that is not the newest, unless what
        they return is recorded.
        """
        self.seen += 1
        made: dict[str, Frame | None] = {"": frame}
        causes = {"": ""}
        for name, code in self._codes.items():
            given = made.get(code.plan.input)
            may_miss = code.plan.policy == "latest" and name not in self._needed
            if may_miss and not is_newest:
                self._behind[name] += 1
            elif given is None:
                self._filtered[name] += 1
                causes[name] = causes.get(code.plan.input, "filtered")
            else:
                made[name], causes[name] = self._run(name, given)
        result = made.get(self.input)
        if result is None:
            return frame, causes.get(self.input, "filtered")
        fields = result.info.fields  # the user's code may have changed them
        result.info = msgspec.structs.replace(frame.info, fields=fields)
        return result, ""

    def spec_of(self, result: Frame) -> FrameSpec:
        """Say what the frames to record look like: they keep the source's fields."""
        return spec_of(result.planes, self._fields)

    def refuse(self, error: Exception) -> str:
        """What `input` returned cannot be recorded; give the cause."""
        self._count_error(self._codes[self.input], error)
        return "callback_error"

    def message(self, name: str, body: Any) -> None:  # noqa: ANN401 - the user's own
        """Hand over what `imagectl send` brought."""
        if name in self._codes:
            self._guard(name, lambda code: code.message(body))

    def speak_to(self, name: str, fd: int) -> None:
        """What this callback sends goes to this socket."""
        if (old := self._voices.pop(name, None)) is not None:
            old.close()
        self._voices[name] = voice_of(fd)
        if name in self._codes:
            self._codes[name].voice = self._voices[name]

    def numbers(self) -> dict[str, Any]:
        """Per callback: frames delivered and not, and what it tells of its calls."""
        return {
            name: {
                "delivered": self._delivered[name],
                "behind": self._behind[name],
                "filtered": self._filtered[name],
                **code.numbers(),
            }
            for name, code in self._codes.items()
        }

    def close(self) -> None:
        """The session is over for them; their numbers stay. May be called twice."""
        for name in self._codes:
            self._guard(name, UserCode.close)

    def _trigger(self, session: str, name: str, note: str) -> None:
        self._tell(triggered(session, name, note))

    def _chain(self, name: str) -> set[str]:
        """Give a callback and all those before it whose frames it gets."""
        chain = set[str]()
        while name in self._codes:
            chain.add(name)
            name = self._codes[name].plan.input
        return chain

    def _run(self, name: str, given: Frame) -> tuple[Frame | None, str]:
        """Show a frame to a callback; give what it made of it, or why nothing."""
        wanted, ok = self._guard(name, lambda code: code.wants(given.info))
        if ok and not wanted:
            self._filtered[name] += 1
            return None, "filtered"
        result: Frame | None = None
        if ok:
            result, ok = self._guard(name, lambda code: code.process(given.copy()))
        self._delivered[name] += ok
        return result, "filtered" if ok else "callback_error"

    def _guard(
        self, name: str, call: Callable[[UserCode], Given]
    ) -> tuple[Given | None, bool]:
        """Run the user's code; whatever it raises is told, never passed on."""
        code = self._codes[name]
        if code.errors >= TOO_MANY:
            return None, False
        try:
            return call(code), True
        except Exception as error:
            log.exception("raised", extra=fields(callback=name, error=code.errors + 1))
            self._count_error(code, error)
            return None, False

    def _count_error(self, code: UserCode, error: Exception) -> None:
        self._tell(code.failed(error))
        if code.errors == TOO_MANY:
            self._tell(Event("callback_off", {"callback": code.plan.name}))
