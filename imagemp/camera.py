"""A pipeline as a camera: RGB, depth and intrinsics of its newest frame.

    with CameraReceiver("cam0") as camera:
        rgb = camera.get_rgb_image()          # grabs, then retrieves
        depth = camera.retrieve_depth_map()   # of the same frame

The methods are those of airo-camera-toolkit's RGB, RGBD and stereo RGBD receivers.
"""

import time
from pathlib import Path
from typing import Self

import numpy as np

from .errors import Evicted, FrameShapeError, ImagempError
from .frames import AnyArray, Frame
from .images import (
    FloatImage,
    IntImage,
    Matrix,
    PointCloud,
    as_float,
    as_int,
    as_metres,
    as_picture,
    as_points,
    as_rgb,
)
from .receiver import Receiver

LEFT, RIGHT = "left", "right"
COLOUR_PLANES = {LEFT: ("left", "image", "rgb"), RIGHT: ("right",)}
INTRINSICS = {
    LEFT: ("intrinsics", "intrinsics_left"),
    RIGHT: ("intrinsics_right", "intrinsics"),
}
MILLIMETRES = 0.001


class NoFrameError(ImagempError, TimeoutError):
    """No frame came in time."""

    code = "E_TIMEOUT"


class CameraReceiver:
    """Gives images of one pipeline, whatever sessions begin and end there.

    Each `get_*` grabs a frame; each `retrieve_*` looks at the one grabbed last. All
    arrays are copies, for keeping. `view` is `left` or `right` of a stereo source,
    with one plane for each; any other source has a left view alone. For one thread.

    Args:
        pipeline: Whose frames.
        blocking: Wait for a frame that was not grabbed yet. Else `grab` gives the
            newest, the same again if there is no other; it waits for the first alone.
        timeout_s: How long to wait; None: for ever.
        depth_scale: Metres in one unit of a depth plane of integers.
        ring: `source`, or `callback:NAME` for what a callback returns.
        runtime_dir: The daemon's runtime directory, if it is not the usual one.

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
        runtime_dir: str | Path | None = None,
    ) -> None:
        self._name, self._blocking, self._timeout_s = pipeline, blocking, timeout_s
        self._depth_scale = depth_scale
        self._frame: Frame | None = None
        self._receiver = Receiver(
            pipeline, "latest", ring=ring, follow=True, runtime_dir=runtime_dir
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

    def intrinsics_matrix(self, view: str = LEFT) -> Matrix:
        """Give [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], pixels.

        Raises:
            FrameShapeError: The source tells no field `intrinsics`, 3 x 3, nor
                `intrinsics_left` or `intrinsics_right`.
        """
        return self._matrix(INTRINSICS[view], 3)

    @property
    def pose_of_right_view_in_left_view(self) -> Matrix:
        """4 x 4, metres; a field of this name."""
        return self._matrix(("pose_of_right_view_in_left_view",), 4)

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

    def grab_images(self) -> None:
        """Do what `grab` does, under the toolkit's later name."""
        self.grab()

    def get_rgb_image(self, view: str = LEFT) -> FloatImage:
        """Grab, and give the image: (height, width, 3), 0 to 1."""
        self.grab()
        return self.retrieve_rgb_image(view)

    def get_rgb_image_as_int(self, view: str = LEFT) -> IntImage:
        """Grab, and give the image: (height, width, 3), 0 to 255."""
        self.grab()
        return self.retrieve_rgb_image_as_int(view)

    def get_depth_map(self) -> FloatImage:
        """Grab, and give the distances: (height, width), metres."""
        self.grab()
        return self.retrieve_depth_map()

    def get_depth_image(self) -> IntImage:
        """Grab, and give the distances for the eye: (height, width, 3), 0 to 255."""
        self.grab()
        return self.retrieve_depth_image()

    def get_colored_point_cloud(self) -> PointCloud:
        """Grab, and give a point for each pixel whose distance is known."""
        self.grab()
        return self.retrieve_colored_point_cloud()

    def retrieve_rgb_image(self, view: str = LEFT) -> FloatImage:
        """Give the grabbed image: (height, width, 3), 0 to 1. Grey is expanded."""
        return as_rgb(as_float(self._colours(view)))

    def retrieve_rgb_image_as_int(self, view: str = LEFT) -> IntImage:
        """Give the grabbed image: (height, width, 3), 0 to 255. Grey is expanded."""
        return as_rgb(as_int(self._colours(view)))

    def retrieve_depth_map(self) -> FloatImage:
        """Give the grabbed distances: (height, width), metres.

        Floats are metres already; integers are taken times `depth_scale`.

        Raises:
            FrameShapeError: There is no plane `depth`.
        """
        return as_metres(self._plane(("depth",)), self._depth_scale)

    def retrieve_depth_image(self) -> IntImage:
        """Give the grabbed distances for the eye: the farthest 255, unknown ones 0."""
        return as_picture(self.retrieve_depth_map())

    def retrieve_confidence_map(self) -> FloatImage:
        """Give how sure the source is of each distance: (height, width), 0 to 1.

        Raises:
            FrameShapeError: There is no plane `confidence`.
        """
        return as_float(self._plane(("confidence",)))

    def retrieve_colored_point_cloud(self) -> PointCloud:
        """Give a point for each pixel of the grabbed frame whose distance is known."""
        image = self.retrieve_rgb_image_as_int()
        return as_points(self.retrieve_depth_map(), image, self.intrinsics_matrix())

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

    def _colours(self, view: str = LEFT) -> AnyArray:
        return self._plane(COLOUR_PLANES[view])

    def _matrix(self, names: tuple[str, ...], size: int) -> Matrix:
        fields = self._grabbed().info.fields
        for name in names:
            if np.shape(fields.get(name, ())) == (size, size):
                return np.array(fields[name], np.float64)
        raise FrameShapeError(
            f"{self._name}: frames have no field {names[0]!r} of shape {size, size}",
            "a source of your own may add it: see examples/rgbd.py",
        )

    def _plane(self, names: tuple[str, ...]) -> AnyArray:
        planes = self._grabbed().planes
        for name, plane in planes.items():
            if name in names:
                return plane
        raise FrameShapeError(
            f"{self._name}: no plane {' or '.join(names)}; there is {', '.join(planes)}"
        )
