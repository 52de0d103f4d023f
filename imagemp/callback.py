"""What a user's callback is: a class with a few methods, or a plain function.

    class Blobs(Callback):
        def process(self, frame):
            self.send({"brightest": int(frame.image.max())})

A function is called with the deque of the last frames' arrays, newest last, and
a queue whose `put(body)` sends: `def blobs(buffer, queue): ...`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from .frames import AnyArray, Frame, FrameInfo
from .spec import FrameSpec

Result = Frame | AnyArray | Mapping[str, AnyArray] | None


class Callback:
    """Override what you need; all of it runs in one thread.

    Attributes:
        spec: What the frames look like.
        buffer: Copies of the last `buffer_length` frames, newest last.
        send: Publishes a message as telemetry; anything JSON can hold.
        trigger: Has what is around now recorded, by encoders with `pre_s` or
            `post_s`; a text may say why.
    """

    spec: FrameSpec
    buffer: deque[Frame]
    send: Callable[[Any], None]
    trigger: Callable[..., None]

    def set_up(self, settings: Mapping[str, Any]) -> None:
        """A session begins; `settings` is that table of the configuration."""

    def before_frame(self, info: FrameInfo) -> bool | None:
        """A frame is there, and not yet copied; False: it is not wanted."""

    def process(self, frame: Frame) -> Result:
        """Deal with a frame.

        `frame` is a copy, the newest of `buffer`. What is returned, a frame or
        its arrays, goes to whoever reads this callback's output; None: nothing.
        """

    def on_message(self, body: Any) -> None:  # noqa: ANN401 - the user's own
        """Deal with what `imagectl send` brought."""

    def tear_down(self) -> None:
        """The session is over."""


class FunctionCallback(Callback):
    """A plain function `(buffer, queue)` as a callback."""

    def __init__(self, function: Callable[[deque[AnyArray], "Outbox"], Result]) -> None:
        self._function = function

    def set_up(self, settings: Mapping[str, Any]) -> None:  # noqa: ARG002 - takes none
        self._arrays: deque[AnyArray] = deque(maxlen=self.buffer.maxlen)
        self._outbox = Outbox(self.send, self.trigger)

    def process(self, frame: Frame) -> Result:
        if (known := len(self._arrays)) < len(self.buffer):
            self._arrays.extend(f.image for f in islice(self.buffer, known, None))
        else:
            self._arrays.append(frame.image)
        return self._function(self._arrays, self._outbox)


class Outbox:
    """The queue a function callback puts its messages into; never full."""

    def __init__(
        self, send: Callable[[Any], None], trigger: Callable[..., None]
    ) -> None:
        self.put = self.put_nowait = send
        self.trigger = trigger
