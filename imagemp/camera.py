"""A pipeline as a camera: RGB, depth and intrinsics of its newest frame.

    with CameraReceiver("cam0") as camera:
        rgb = camera.get_rgb_image()          # grabs, then retrieves
        depth = camera.retrieve_depth_map()   # of the same frame

The methods are those of airo-camera-toolkit's RGB and RGBD receivers.
"""

import time
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import Evicted, FrameShapeError, ImagempError
from .frames import AnyArray, Frame
from .receiver import Receiver

FloatImage = npt.NDArray[np.float32]
IntImage = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
Number = TypeVar("Number", np.float32, np.uint8)

COLOUR_PLANES = ("image", "rgb")
MILLIMETRES = 0.001


class NoFrameError(ImagempError, TimeoutError):
    """No frame came in time."""

    code = "E_TIMEOUT"


class CameraReceiver:
    """Gives images of one pipeline, whatever sessions begin and end there.

    Each `get_*` grabs a frame; each `retrieve_*` looks at the one grabbed last. All
    arrays are copies, for keeping. For one thread.

    Args:
        pipeline: Whose frames.
        blocking: Wait for a frame that was not grabbed yet. Else `grab` gives the
            newest, the same again if there is no other; it waits for the first alone.
        timeout_s: How long to wait; None: for ever.
        depth_scale: Metres in one unit of a depth plane of integers.
        ring: `source`, or `callback:NAME` for what a callback returns.
        directory: The daemon's runtime directory, if it is not the usual one.

    Raises:
        DaemonUnreachableError: No daemon is there.
        ControlError: It refuses; the message says why.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        blocking: bool = True,
        timeout_s: float | None = None,
        depth_scale: float = MILLIMETRES,
        ring: str = "source",
        directory: str | Path | None = None,
    ) -> None:
        self._name, self._blocking, self._timeout_s = pipeline, blocking, timeout_s
        self._depth_scale = depth_scale
        self._frame: Frame | None = None
        self._receiver = Receiver(
            pipeline, "latest", ring=ring, follow=True, directory=directory
        )

    # -- what camera it is; the first of these waits for a frame

    @property
    def resolution(self) -> tuple[int, int]:
        """Width and height, pixels."""
        height, width = self._colours().shape[:2]
        return width, height

    @property
    def fps(self) -> float:
        """The nominal rate; 0.0 if it has none."""
        self._grabbed()
        return self._receiver.fps

    def intrinsics_matrix(self) -> Matrix:
        """Give [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], pixels.

        Raises:
            FrameShapeError: The source tells no field `intrinsics`, 3 x 3.
        """
        found = self._grabbed().info.fields.get("intrinsics")
        if found is None or np.shape(found) != (3, 3):
            raise FrameShapeError(
                f"{self._name}: frames have no field 'intrinsics' of shape (3, 3)",
                "a source of your own may add it: see examples/rgbd.py",
            )
        return np.array(found, np.float64)

    # -- frames

    def grab(self) -> None:
        """Take a frame for `retrieve_*` to look at.

        Raises:
            TimeoutError: None came within `timeout_s`.
        """
        may_wait = self._blocking or self._frame is None
        left_s = self._timeout_s if may_wait else 0.0
        until = None if left_s is None else time.monotonic() + left_s
        while (received := self._receiver.receive(left_s)) is not None:
            try:
                self._frame = received.copy()
            except Evicted:  # overwritten while we copied: the next one, then
                left_s = None if until is None else max(0.0, until - time.monotonic())
            else:
                return
        if may_wait:
            raise NoFrameError(
                f"{self._name}: no frame within {self._timeout_s} s",
                "is a session on? imagectl status",
            )

    def get_rgb_image(self) -> FloatImage:
        """Grab, and give the image: (height, width, 3), 0 to 1."""
        self.grab()
        return self.retrieve_rgb_image()

    def get_rgb_image_as_int(self) -> IntImage:
        """Grab, and give the image: (height, width, 3), 0 to 255."""
        self.grab()
        return self.retrieve_rgb_image_as_int()

    def get_depth_map(self) -> FloatImage:
        """Grab, and give the distances: (height, width), metres."""
        self.grab()
        return self.retrieve_depth_map()

    def retrieve_rgb_image(self) -> FloatImage:
        """Give the grabbed image: (height, width, 3), 0 to 1. Grey is expanded."""
        return as_rgb(as_float(self._colours()))

    def retrieve_rgb_image_as_int(self) -> IntImage:
        """Give the grabbed image: (height, width, 3), 0 to 255. Grey is expanded."""
        return as_rgb(as_int(self._colours()))

    def retrieve_depth_map(self) -> FloatImage:
        """Give the grabbed distances: (height, width), metres.

        Floats are metres already; integers are taken times `depth_scale`.

        Raises:
            FrameShapeError: There is no plane `depth`.
        """
        depth = self._plane(("depth",))
        if depth.dtype.kind == "f":
            return depth.astype(np.float32)
        return np.multiply(depth, self._depth_scale, dtype=np.float32)

    def get_current_timestamp(self) -> float:
        """Give the wall clock at the exposure of the grabbed frame, unix seconds."""
        return self._grabbed().info.t_unix_ns / 1e9

    @property
    def current_frame_id(self) -> int:
        """The grabbed frame's seq: it counts every frame that the source gave."""
        return self._grabbed().info.seq

    def get_current_frame_id(self) -> int:
        """Give `current_frame_id`, under the toolkit's name."""
        return self.current_frame_id

    def close(self) -> None:
        """Leave. May be called twice."""
        self._receiver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _grabbed(self) -> Frame:
        if self._frame is None:
            self.grab()
        assert self._frame is not None  # noqa: S101 - or grab had raised
        return self._frame

    def _colours(self) -> AnyArray:
        return self._plane(COLOUR_PLANES)

    def _plane(self, names: tuple[str, ...]) -> AnyArray:
        planes = self._grabbed().planes
        for name, plane in planes.items():
            if name in names:
                return plane
        raise FrameShapeError(
            f"{self._name}: no plane {' or '.join(names)}; there is {', '.join(planes)}"
        )


def as_float(pixels: AnyArray) -> FloatImage:
    """Give pixels from 0 to 1; integers have their full range, floats that already.

    Raises:
        FrameShapeError: They are of another dtype.
    """
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    _check_integer(pixels)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def as_int(pixels: AnyArray) -> IntImage:
    """Give pixels from 0 to 255; integers have their full range, floats 0 to 1.

    Raises:
        FrameShapeError: They are of another dtype.
    """
    if pixels.dtype.kind == "f":
        levels: AnyArray = np.rint(np.clip(pixels, 0, 1) * 255)
        return levels.astype(np.uint8)
    _check_integer(pixels)
    shift = 8 * (pixels.dtype.itemsize - 1)
    highest: AnyArray = np.right_shift(pixels, shift)
    return highest.astype(np.uint8)


def as_rgb(pixels: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Give three colours a pixel: grey is expanded, a fourth one (alpha) left out.

    Raises:
        FrameShapeError: It is no image.
    """
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1):
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    if pixels.ndim == 3 and pixels.shape[2] in {3, 4}:
        return pixels[..., :3].copy()
    raise FrameShapeError(f"shape {pixels.shape} is no image of 1, 3 or 4 colours")


def _check_integer(pixels: AnyArray) -> None:
    if pixels.dtype.kind != "u":
        raise FrameShapeError(f"an image of dtype {pixels.dtype}, expected u1, u2 or f")
