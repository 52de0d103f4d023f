"""Every error imagemp raises on purpose, under one root.

Each also derives from the builtin a stranger would expect, and carries the
`code` that control replies and telemetry events name it by.
"""

from typing import ClassVar


class ImagempError(Exception):
    """Root of all errors that imagemp raises on purpose.

    Attributes:
        code: The wire's name of this kind of error.
        hint: What the user can do about it; empty if the message says it all.
    """

    code: ClassVar[str] = "E_INTERNAL"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ImagempError, ValueError):
    """A setting cannot be used as it stands."""

    code = "E_CONFIG"

    def __init__(self, key: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{key}: {problem}" if key else problem, hint)
        self.key = key


class SourceError(ImagempError, RuntimeError):
    """A source cannot be opened, or has failed while it ran."""

    code = "E_CAMERA"


class CallbackError(ImagempError, RuntimeError):
    """A user's callback cannot be loaded, or raised."""

    code = "E_CALLBACK"


class DiskError(ImagempError, OSError):
    """A recording cannot be written."""

    code = "E_DISK"


class RecordingError(ImagempError, ValueError):
    """A file is not a recording, or not a whole one."""

    code = "E_RECORDING"


class FrameShapeError(ImagempError, ValueError):
    """An array does not fit the plane it is meant for."""

    code = "E_FRAME_SHAPE"


class RingError(ImagempError, RuntimeError):
    """The ring cannot be made, mapped or used as asked."""

    code = "E_RING"


class Evicted(RingError):  # noqa: N818 - told to a reader, not its mistake
    """This reader fell too far behind; what it held may be overwritten."""

    code = "E_EVICTED"


class LinkClosedError(ImagempError, ConnectionError):
    """The other end of a link is gone."""

    code = "E_LINK"


class ControlError(ImagempError, RuntimeError):
    """The daemon refused an order, or could not carry it out.

    Attributes:
        code: As the daemon named it, `E_BUSY`.
        retryable: Whether the same order may succeed later.
    """

    def __init__(
        self, code: str, message: str, hint: str = "", *, retryable: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.code = code  # type: ignore[misc]
        self.retryable = retryable


class DaemonUnreachableError(ImagempError, ConnectionError):
    """No daemon answers; the message says why."""

    code = "E_UNREACHABLE"
