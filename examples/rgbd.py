"""An RGB-D camera of your own, and a program that looks through it.

In the configuration:  kind = "/path/to/rgbd.py:Wall", width = 320, height = 240
While a session is on: python examples/rgbd.py cam0 10
"""

import math
import sys

import numpy as np

from imagemp import CameraReceiver, Field, Frame, FrameSpec, Plane
from imagemp.daemon.sources.base import Grab, Source
from imagemp.daemon.sources.pace import Pace


class Wall(Source):
    """A wall, farther away on the right, that comes and goes."""

    def open(self) -> FrameSpec:
        """Say what a frame has: two planes, and the intrinsics beside them."""
        width, height = (
            self.settings.get("width", 320),
            self.settings.get("height", 240),
        )
        self.fps = self.settings.get("fps", 30.0)
        self.pace, self.n = Pace(self.fps), self.first_seq
        self.slant_mm = np.linspace(0, 500, width)
        self.intrinsics = np.array(
            [[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]
        )
        rgb, depth = Plane("rgb", (height, width, 3), "u1"), (height, width)
        fields = (Field("intrinsics", "f8", (3, 3)),)
        return FrameSpec((rgb, Plane("depth", depth, "<u2")), fields)

    def grab(self, wake: int) -> Grab | None:
        """Wait for the next frame; None at once if `wake` has something to say."""
        if not self.pace.wait(wake):
            return None
        t_sensor_ns, missed = self.pace.take_newest()
        self.n += 1
        return Grab(t_sensor_ns, missed, fields={"intrinsics": self.intrinsics})

    def retrieve(self, frame: Frame) -> None:
        """Fill the slot of the ring; the depth in millimetres."""
        nearest_mm = 1500 + 500 * math.sin(self.n / 20)
        frame["depth"][:] = nearest_mm + self.slant_mm
        frame["rgb"][:] = (frame["depth"] >> 4)[..., None]  # the nearer, the darker

    def close(self) -> None:
        """Let go; there is nothing to let go of here."""


def main(pipeline: str, count: str) -> None:
    """Say what is in the middle of the picture, so many times."""
    with CameraReceiver(pipeline, timeout_s=10) as camera:
        width, height = camera.resolution
        x, y = width // 2, height // 2
        for _ in range(int(count)):
            colour = camera.get_rgb_image()[y, x]
            metres = camera.retrieve_depth_map()[y, x]
            ray = np.linalg.inv(camera.intrinsics_matrix()) @ (x, y, 1)
            say(camera.current_frame_id, colour.round(2), (ray * metres).round(3))


def say(*words: object) -> None:
    """Print a line."""
    print(*words)  # noqa: T201 - that is its job


if __name__ == "__main__":
    main(*sys.argv[1:])
