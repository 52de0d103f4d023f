"""One pipeline in a window: its newest frame as colours, and what is told of it."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from imagemp.errors import ControlError, FrameShapeError
from imagemp.frames import AnyArray, FrameInfo
from imagemp.images import as_rgb
from imagemp.receiver import Receiver

from .accounting import causes_text
from .reports import Body, gate_text, rate_text
from .status import fill

Colours = npt.NDArray[np.uint8]
GROWS = 1.25  # windows on a screen of 100 dots an inch are 4 % larger than asked for
RATE_S = 2.0  # the rate that is shown is over the last so many seconds


class Pane:
    """Takes the newest frame of one pipeline whenever it is asked to.

    Args:
        name: The pipeline's.
        ring: What was asked for: `source`, `encoder`, `callback:NAME`.
        receiver: Of policy `latest`.
        plane: Which of several; None: the frame's image.

    Attributes:
        pixels: The newest frame's plane, a copy; None before the first.
        problem: Why there is no picture; empty if all is well.
        shown: How many frames have been taken.
    """

    def __init__(
        self, name: str, ring: str, receiver: Receiver, plane: str | None
    ) -> None:
        self.name, self._ring, self._plane = name, ring, plane
        self._receiver: Receiver | None = receiver
        self._info = FrameInfo()
        self._report: Body = {}
        self.pixels: AnyArray | None = None
        self.problem, self.shown = "", 0
        self._times: deque[float] = deque()
        self._first_s = self._last_s = 0.0

    def refresh(self, timeout_s: float = 0) -> bool:
        """Take the newest frame; whether there is one that was not shown yet."""
        if self._receiver is None:
            return False
        try:
            frame = self._receiver.receive(timeout_s)
        except ControlError as error:
            self.problem, self._receiver = str(error), None
            return False
        if frame is None:
            return False
        with frame:
            pixels = frame.image if self._plane is None else frame.get(self._plane)
            there, info = ", ".join(frame), frame.info
            kept = None if pixels is None else pixels.copy()
        if kept is None:
            self.problem = f"no plane {self._plane}: there is {there}"
            return False
        if not frame.is_whole:
            return False
        self.pixels, self._info, self.problem = kept, info, ""
        self._count(time.monotonic())
        return True

    def hear(self, report: Body) -> None:
        """Take the newest report of this pipeline."""
        self._report = report

    @property
    def has_heard(self) -> bool:
        """Whether a report has come."""
        return bool(self._report)

    def lines(self) -> Sequence[str]:
        """Tell the frame and its time, the rates and queues, and what was lost."""
        head = f"{self.name}  {self._ring}"
        if self._info.t_unix_ns:
            when = datetime.fromtimestamp(self._info.t_unix_ns / 1e9, UTC).astimezone()
            head += f"  {when:%H:%M:%S}.{when.microsecond // 1000:03}"
            head += f"  seq {self._info.seq}"
        if self.problem or self.pixels is None:
            return head, self.problem or "no frame yet"
        shown = f"  shown {self.fps():.1f} fps" if self.fps() else ""
        return head + shown, self._queues(), self._losses()

    def fps(self) -> float:
        """Frames shown a second, of late."""
        spans = len(self._times) - 1
        return spans / (self._times[-1] - self._times[0]) if spans > 0 else 0.0

    def summary(self) -> dict[str, float]:
        """Give what it has shown in all, and how fast."""
        seconds = self._last_s - self._first_s
        return {
            "shown": self.shown,
            "seconds": round(seconds, 3),
            "fps": round((self.shown - 1) / seconds, 2) if seconds else 0.0,
        }

    def _queues(self) -> str:
        report = self._report
        if not report:
            return f"ring {self._info.ring_used}  overflow {self._info.overflow_used}"
        told = [rate_text(report)]
        told += [f"{name} {fill(report.get(name))}" for name in ("ring", "overflow")]
        return "  ".join(told)

    def _losses(self) -> str:
        """Tell what is dropped, missed, or not recorded; nothing if all is well."""
        counts = self._report.get("counts") or {}
        causes = {loss: causes_text(counts.get(loss)) for loss in ("dropped", "missed")}
        told = [f"{loss} {text}" for loss, text in causes.items() if text != "0"]
        gates = (self._report.get("encoders") or {}).items()
        told += [f"{name} {text}" for name, gate in gates if (text := gate_text(gate))]
        return "  ".join(told)

    def _count(self, now_s: float) -> None:
        self.shown += 1
        self._first_s, self._last_s = self._first_s or now_s, now_s
        self._times.append(now_s)
        while now_s - self._times[0] > RATE_S:
            self._times.popleft()


def fitted(pixels: AnyArray, width: int, height: int) -> Colours:
    """Give RGBA as large as fits, its proportions kept; pixels are not blended.

    Where there is little room to grow it stays as large as it is, which is exact and
    quick. Anything but u1 is stretched from its lowest value to its highest.

    Raises:
        FrameShapeError: It is no picture.
    """
    if pixels.ndim not in {2, 3} or 0 in pixels.shape:
        raise FrameShapeError(f"shape {pixels.shape} is no picture")
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    scale = 1 if 1 <= scale < GROWS else scale
    rows, columns = (
        (np.arange(max(1, round(n * scale))) / scale).astype(np.intp).clip(max=n - 1)
        for n in pixels.shape[:2]
    )
    chosen = pixels if scale == 1 else pixels[rows[:, np.newaxis], columns]
    rgb = as_rgb(chosen if chosen.dtype == np.uint8 else stretched(chosen))
    rgba = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    rgba[..., :3] = rgb
    return rgba


def stretched(pixels: AnyArray) -> Colours:
    """Give numbers of any kind as 0 to 255; what is not finite is 0.

    Raises:
        FrameShapeError: They are no numbers.
    """
    if pixels.dtype.kind not in "biuf":
        raise FrameShapeError(f"dtype {pixels.dtype} is no picture")
    values = pixels.astype(np.float32)
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(values.shape, np.uint8)
    low, high = float(values[known].min()), float(values[known].max())
    levels: AnyArray = (np.where(known, values, low) - low) * (255 / (high - low or 1))
    return levels.astype(np.uint8)
