"""A callback on computed frames, without a daemon, for `imagectl callback check`.

`python -m imagemp.daemon.rehearsal` reads a `Rehearsal` from stdin and writes what
came of it to stdout, both JSON. What the user's code prints goes to stderr.
"""

import faulthandler
import inspect
import os
import sys
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from imagemp.callback import Callback
from imagemp.errors import CallbackError, ImagempError, SourceError
from imagemp.frames import Frame, FrameInfo, numpy_dtype, spec_of
from imagemp.link import MAX_PACKET, pair
from imagemp.load import is_made_in, run_file
from imagemp.spec import FrameSpec

from .sources.base import Grab, Source
from .sources.load import make_source
from .sources.synthetic import SyntheticSettings
from .workers.consumer import percentiles
from .workers.user_code import CallbackPlan, UserCode, voice_of


class Rehearsal(Struct, frozen=True):
    """What to try.

    Attributes:
        target: As in the configuration; of a file the name may be missing.
        source: Keys of a synthetic source.
    """

    target: str
    frames: int = 100
    source: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    buffer_length: int = 5
    full_buffer: bool = False
    budget_ms: float = 0.0


class Outcome(Struct):
    """What came of it.

    Attributes:
        spec: What the frames looked like.
        calls: Of `process`.
        took_ms: `p50`, `p99` and `max` of these.
        fps: So many frames a second would leave it no rest; 0.0 without a call.
        returns: What the frames look like that it returned first.
        last_message: What it sent last.
        error: What it raised: `message`, `place` and `traceback`.
    """

    target: str
    spec: dict[str, Any]
    frames: int = 0
    filtered: int = 0
    calls: int = 0
    took_ms: dict[str, float] = {}
    fps: float = 0.0
    over_budget: int = 0
    returned: int = 0
    returns: dict[str, Any] | None = None
    messages: int = 0
    triggers: int = 0
    last_message: Any = None
    error: dict[str, str] | None = None


def main() -> None:
    """Do what stdin asks for."""
    faulthandler.enable()
    out = os.dup(1)
    os.dup2(2, 1)  # whatever the user's code prints
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Rehearsal)
    try:
        told = msgspec.json.encode(rehearse(asked))
    except ImagempError as error:
        refused = {"code": error.code, "message": str(error), "hint": error.hint}
        told = msgspec.json.encode({"refused": refused})
    with os.fdopen(out, "wb") as stdout:
        stdout.write(told)


def rehearse(asked: Rehearsal) -> Outcome:
    """Run the callback as a worker would; what it raises ends it, and is told.

    Raises:
        ImagempError: There is no such callback, or no such source.
    """
    plan = CallbackPlan(
        "check",
        target_of(asked.target),
        buffer_length=asked.buffer_length,
        full_buffer=asked.full_buffer,
        budget_ms=asked.budget_ms,
        settings=asked.settings,
    )
    with closing(source_of(asked.source)) as source:
        spec = source.open()
        return Trial(UserCode(plan), source, spec, plan.target).play(asked.frames)


def source_of(keys: Mapping[str, Any]) -> Source:
    """Give a synthetic source, as fast as its frames are taken unless told.

    Raises:
        SourceError: It has no such key, or not of this value.
    """
    known = {field.name for field in msgspec.structs.fields(SyntheticSettings)}
    for key in keys:
        if key not in known:
            hint = f"one of {', '.join(sorted(known))}"
            raise SourceError(f"source.{key}: a synthetic source has none", hint)
    return make_source({"fps": 0, **keys, "kind": "synthetic"})


def target_of(given: str) -> str:
    """Give the target; of a file that holds one callback it is that one.

    Raises:
        ImagempError: The file holds none, or several.
    """
    if not given.endswith(".py"):
        return given
    module = run_file(given)
    own = {n: o for n, o in vars(module).items() if is_made_in(module, n, o)}
    names = [
        n for n, o in own.items() if inspect.isclass(o) and issubclass(o, Callback)
    ]
    names = names or [n for n, o in own.items() if is_plain_callback(o)]
    if len(names) == 1:
        return f"{given}:{names[0]}"
    found = f"several callbacks, {', '.join(names)}" if names else "no callback"
    raise CallbackError(f"{given}: has {found}", f"name one: {Path(given).name}:NAME")


def is_plain_callback(found: object) -> bool:
    """Tell a function `(buffer, queue)` from others."""
    return inspect.isfunction(found) and len(inspect.signature(found).parameters) == 2


class Trial:
    """One rehearsal: computed frames go in, and all that comes out is counted."""

    def __init__(
        self, code: UserCode, source: Source, spec: FrameSpec, target: str
    ) -> None:
        self._code, self._source, self._spec = code, source, spec
        self._outcome = Outcome(target, spec.to_plain())
        code.took_ns, code.on_trigger = deque(), self._triggered

    def play(self, frames: int) -> Outcome:
        """Show it so many frames, from `set_up` to `tear_down`."""
        code, outcome = self._code, self._outcome
        here, self._ear = pair()
        self._never = os.eventfd(0)
        with here, self._ear, voice_of(os.dup(here.fileno())) as code.voice:
            self._ear.setblocking(False)
            try:
                code.open(self._spec)
                for seq in range(frames):
                    self._show(seq)
                code.close()
            except Exception as error:  # noqa: BLE001 - a stranger's code may raise any
                lines = traceback.format_exception(error)
                outcome.error = code.failed(error).details
                outcome.error["traceback"] = "".join(lines)
            self._hear()
        os.close(self._never)
        self._sum_up()
        return outcome

    def _show(self, seq: int) -> None:
        grab, outcome = self._source.grab(self._never), self._outcome
        assert isinstance(grab, Grab)
        frame = self._frame(grab, seq)
        outcome.frames += 1
        if not self._code.wants(frame.info):
            outcome.filtered += 1
            return
        result = self._code.process(frame)
        if result is not None:
            outcome.returned += 1
            outcome.returns = outcome.returns or spec_of(result.planes).to_plain()
        self._hear()

    def _frame(self, grab: Grab, seq: int) -> Frame:
        planes = {
            plane.name: np.empty(plane.shape, numpy_dtype(plane.dtype))
            for plane in self._spec.planes
        }
        now = grab.t_sensor_ns
        frame = Frame(planes, FrameInfo(seq, seq, now, now))
        self._source.retrieve(frame)
        return frame

    def _hear(self) -> None:
        """Take what it has sent by now."""
        with suppress(BlockingIOError):
            while True:
                body = msgspec.json.decode(self._ear.recv(MAX_PACKET))
                self._outcome.messages += 1
                self._outcome.last_message = body

    def _triggered(self, _note: str) -> None:
        self._outcome.triggers += 1

    def _sum_up(self) -> None:
        outcome, took_ns = self._outcome, self._code.took_ns
        outcome.calls, outcome.over_budget = len(took_ns), self._code.over_budget
        if took_ns:
            longest = round(max(took_ns) / 1e6, 3)
            outcome.took_ms = {**percentiles(took_ns), "max": longest}
            outcome.fps = round(len(took_ns) * 1e9 / sum(took_ns), 1)


if __name__ == "__main__":
    main()
