"""imagemp: the camera daemon that never loses a frame without saying so.

The public names, each imported when it is first asked for: the supervisor and
imagectl import this package too, and want no numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .callback import Callback as Callback
    from .camera import CameraReceiver as CameraReceiver
    from .client import Control as Control
    from .client import Telemetry as Telemetry
    from .frames import Frame as Frame
    from .frames import FrameInfo as FrameInfo
    from .private import running as running
    from .receiver import Receiver as Receiver
    from .spec import Field as Field
    from .spec import FrameSpec as FrameSpec
    from .spec import Plane as Plane

_WHERE = {
    "Callback": "callback",
    "CameraReceiver": "camera",
    "Control": "client",
    "Field": "spec",
    "Frame": "frames",
    "FrameInfo": "frames",
    "FrameSpec": "spec",
    "Plane": "spec",
    "Receiver": "receiver",
    "Telemetry": "client",
    "running": "private",
}
__all__ = [  # noqa: PLE0604 - the keys above, for `import *` and for help()
    *_WHERE
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(_WHERE)
