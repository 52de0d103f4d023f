"""Callbacks that run in the encoder's process: the 2-process form.

What they raise never costs a frame of the recording: it is told, counted, and
after too many the callback is switched off for the session.
"""

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from imagemp.frames import Frame
from imagemp.spec import FrameSpec

from .orders import Event, Told
from .user_code import CallbackPlan, UserCode, triggered, voice_of

log = logging.getLogger(__name__)
TOO_MANY = 5
MAX_SAID = 500  # characters of an error that are told: a packet has an end


class InlineCallbacks:
    """The inline callbacks of one encoder.

    Attributes:
        input: Whose returned frames are recorded; "" for the source's own.
        seen: Frames they were shown, by processes before this one as well.
    """

    def __init__(self, tell: Callable[[Told], bool]) -> None:
        self._tell = tell
        self.input, self.seen = "", 0
        self._codes: dict[str, UserCode] = {}
        self._delivered: dict[str, int] = {}
        self._errors: dict[str, int] = {}
        self._behind: dict[str, int] = {}
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
        self._errors = {plan.name: 0 for plan in plans}
        self._behind = {plan.name: 0 for plan in plans}
        for plan in plans:
            self._codes[plan.name] = UserCode(plan)
        for name, code in self._codes.items():
            code.voice = self._voices.get(name)
            code.on_trigger = partial(self._trigger, session, name)

    def open(self, spec: FrameSpec) -> None:
        """The frames look like this."""
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

    def process(self, frame: Frame, *, is_newest: bool = True) -> tuple[Frame, str]:
        """Run all; give the frame to record, or why there is none.

        Those of policy `latest` let a frame go that is not the newest, unless what
        they return is recorded.
        """
        self.seen += 1
        recorded, cause = frame, ""
        for name, waiting in self._codes.items():
            if not is_newest and waiting.plan.policy == "latest" and name != self.input:
                self._behind[name] += 1
                continue
            result, ok = self._guard(name, lambda code: code.process(frame.copy()))
            self._delivered[name] += ok
            if name != self.input:
                continue
            if result is None:
                cause = "filtered" if ok else "callback_error"
            else:
                result.info = frame.info
                recorded = result
        return recorded, cause

    def refuse(self, error: Exception) -> str:
        """What `input` returned cannot be recorded; give the cause."""
        self._count_error(self.input, error)
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
        """Per callback: frames delivered, errors, messages sent and unsent."""
        return {
            name: {
                "delivered": self._delivered[name],
                "errors": self._errors[name],
                "behind": self._behind[name],
                "sent": code.sent,
                "unsent": code.unsent,
            }
            for name, code in self._codes.items()
        }

    def close(self) -> None:
        """The session is over for them; their numbers stay. May be called twice."""
        for name in self._codes:
            self._guard(name, UserCode.close)

    def _trigger(self, session: str, name: str, note: str) -> None:
        self._tell(triggered(session, name, note))

    def _guard(
        self, name: str, call: Callable[[UserCode], Frame | None]
    ) -> tuple[Frame | None, bool]:
        """Run the user's code; whatever it raises is told, never passed on."""
        if self._errors[name] >= TOO_MANY:
            return None, False
        try:
            return call(self._codes[name]), True
        except Exception as error:
            log.exception("callback %s: error %d", name, self._errors[name] + 1)
            self._count_error(name, error)
            return None, False

    def _count_error(self, name: str, error: Exception) -> None:
        self._errors[name] += 1
        said = f"{type(error).__name__}: {error}"[:MAX_SAID]
        self._tell(Event("callback_error", {"callback": name, "message": said}))
        if self._errors[name] == TOO_MANY:
            self._tell(Event("callback_off", {"callback": name}))
