"""What every source is: four small methods that the capture worker calls.

A user's own source derives from `Source` and is named in the configuration as
`package.module:Class` or `/path/file.py:Class`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from imagemp.errors import SourceError
from imagemp.frames import Frame
from imagemp.spec import FrameSpec


@dataclass(slots=True)
class Grab:
    """A frame is there: when it was taken, and what the source knows of it.

    Attributes:
        t_sensor_ns: CLOCK_BOOTTIME, start of exposure where the source knows it.
        missed: Frames that the sensor made and that never came, just before.
        exposure_us: 0.0 where the source does not know it.
        gain: 0.0 where the source does not know it.
        fields: Values of the spec's user fields, by name.
    """

    t_sensor_ns: int
    missed: int = 0
    exposure_us: float = 0.0
    gain: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)


class EndOfSource(Exception):  # noqa: N818 - an end, not an error
    """The source has no more frames to give."""


class BadFrameError(SourceError):
    """This one frame cannot be had; the next one may. It counts as dropped."""


class Source(ABC):
    """Gives frames, one `grab` and at most one `retrieve` each.

    Attributes:
        interruptible: False if `grab` cannot return when `wake` is readable; it
            is then called in a thread that does nothing else.
        is_live: False if frames wait for us, as in a file: none is missed while
            nobody grabs, and what failed once would fail again.
        scales_itself: True if it obeys the setting `scale`; otherwise its frames
            are resized after `retrieve`.
        notes: What the operator should know once it is open: what was asked of
            the camera and what it gave.
        fps: Frames a second as far as known once open; 0.0 if it has no rate. Controls
            may change it.
        first_seq: The seq of the first frame, set before `open`; not 0 after the
            capture worker was restarted within a session.
    """

    interruptible: bool = True
    is_live: bool = True
    scales_itself: ClassVar[bool] = False
    fps: float = 0.0
    first_seq: int = 0

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Keep the settings, the `[pipelines.NAME.source]` table. Opens nothing."""
        self.settings = settings
        self.notes: list[str] = []

    @abstractmethod
    def open(self) -> FrameSpec:
        """Take hold of the camera or file; say what its frames look like.

        Raises:
            SourceError: It cannot be had; the message says what and why.
        """

    @abstractmethod
    def grab(self, wake: int) -> Grab | None:
        """Wait for the next frame; None as soon as `wake` is readable.

        Never sleeps otherwise: waits on its own descriptor, or for its own next
        deadline, and on `wake` beside it.

        Raises:
            EndOfSource: There are no more frames.
            SourceError: The source failed.
        """

    @abstractmethod
    def retrieve(self, frame: Frame) -> None:
        """Fill `frame`'s planes, a ring's slot, with what was grabbed last.

        Not called for a grabbed frame that finds no slot.

        Raises:
            BadFrameError: It is damaged.
            SourceError: The source failed.
        """

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        """Set controls from one of the next frames on, all or none.

        Called between two frames; of a source that is not `interruptible` also while
        its `grab` blocks in the other thread.

        Raises:
            SourceError: It has no such control, or the value is out of range.
        """
        named = ", ".join(controls)
        raise SourceError(f"controls: this kind of source has none, not {named}")

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; may be called twice, and before `open`."""
