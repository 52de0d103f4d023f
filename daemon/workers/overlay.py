"""Text burned into frames at capture: time, rate, queues, seq.

It is drawn straight into the ring's slot, so every reader has it, and the recording.
"""

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from imagemp.config import OverlayConfig
from imagemp.errors import ConfigError
from imagemp.frames import AnyArray, Frame, FrameInfo, numpy_dtype
from imagemp.spec import FrameSpec, is_picture

SHOW = "overlay.show"
WHITE, BLACK = (255, 255, 255, 255), (0, 0, 0, 255)
PAD = 2  # pixels of black around a line


class Overlay:
    """Writes one line for each thing to show into a corner of every plane.

    Args:
        settings: What to show, and how.
        spec: Of the frames to come.

    Raises:
        ConfigError: A plane is no picture of u1.
    """

    def __init__(self, settings: OverlayConfig, spec: FrameSpec) -> None:
        check_planes(spec)
        self._show, self._rate = settings.show, FrameRate(settings.rate_frames)
        self._pen = Pen(settings.size, settings.position)

    def draw(self, frame: Frame, queues: Callable[[], list[str]]) -> None:
        """Write into a frame that is filled and not yet published.

        Args:
            frame: A slot of the ring; its planes are writable.
            queues: Says how long each queue is; asked only if that is shown.
        """
        lines = self._lines(frame.info, queues)
        for picture in frame.values():
            self._pen.write(picture, lines)

    def _lines(self, info: FrameInfo, queues: Callable[[], list[str]]) -> list[str]:
        lines: list[str] = []
        for what in self._show:
            if what == "time":
                lines.append(local_time(info.t_unix_ns))
            elif what == "rate":
                lines.append(self._rate.after(info))
            elif what == "queues":
                lines += queues()
            else:
                lines.append(f"seq {info.seq}")
        return lines


class FrameRate:
    """Captured frames a second, by the sensor's clock, over the last ones.

    Args:
        frames: How many periods to average over.
    """

    def __init__(self, frames: int) -> None:
        self._last: deque[tuple[int, int]] = deque(maxlen=frames + 1)

    def after(self, info: FrameInfo) -> str:
        """Say the rate with this frame; one that was dropped before it counts too."""
        self._last.append((info.seq, info.t_sensor_ns))
        seq, t_ns = self._last[0]
        if info.t_sensor_ns <= t_ns:
            return "- fps"
        return f"{(info.seq - seq) * 1e9 / (info.t_sensor_ns - t_ns):.1f} fps"


class Pen:
    """White letters on black: they can be read on any picture.

    Args:
        size: Factor; at 1 a capital is 22 pixels high.
        position: `top-left` and so on.
    """

    def __init__(self, size: float, position: str) -> None:
        import cv2

        self._font, self._size = cv2.FONT_HERSHEY_SIMPLEX, size
        self._is_low = position.startswith("bottom")
        self._is_right = position.endswith("right")
        self._weight = max(1, round(size))
        (_, above), below = cv2.getTextSize("0", self._font, size, self._weight)
        self._above, self._height = PAD + above, 2 * PAD + above + below

    def write(self, picture: AnyArray, lines: list[str]) -> None:
        """Draw the lines; what does not fit is cut off at its end."""
        import cv2

        rows, columns = picture.shape[:2]
        y = max(0, rows - len(lines) * self._height) if self._is_low else 0
        for line in lines:
            (width, _), _ = cv2.getTextSize(line, self._font, self._size, self._weight)
            width += 2 * PAD
            x = max(0, columns - width) if self._is_right else 0
            corner = (x + width - 1, y + self._height - 1)
            cv2.rectangle(picture, (x, y), corner, BLACK, cv2.FILLED)
            start = (x + PAD, y + self._above)
            cv2.putText(
                picture, line, start, self._font, self._size, WHITE, self._weight
            )
            y += self._height


def check_planes(spec: FrameSpec) -> None:
    """Refuse planes that nothing can be written into, by name."""
    for plane in spec.planes:
        if (dtype := numpy_dtype(plane.dtype)) != np.uint8:
            raise ConfigError(SHOW, f"plane {plane.name} must be of u1, is of {dtype}")
        if not is_picture(plane.shape):
            problem = f"plane {plane.name} must be a picture, is of shape {plane.shape}"
            raise ConfigError(SHOW, problem)


def local_time(t_unix_ns: int) -> str:
    """Give a time of the wall clock as people here have it, with milliseconds."""
    seconds, rest = divmod(t_unix_ns, 1_000_000_000)
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    return f"{clock}.{rest // 1_000_000:03d}"
