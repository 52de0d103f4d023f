"""Lets `import picamera2` pass where there are no kms++ bindings.

Only a preview on a screen needs them.
"""

from typing import Any


class Anything:
    """Has every attribute."""

    def __getattr__(self, name: str) -> str:
        return name


PixelFormat = Anything()
PlaneType = Anything()


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name.startswith("__"):
        raise AttributeError(name)
    return Anything()
