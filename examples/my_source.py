"""A source of your own: a noisy line scanner.

In the configuration:  kind = "/path/to/my_source.py:LineScanner", pixels = 2048
"""

import numpy as np

from imagemp import Field, Frame, FrameSpec
from imagemp.daemon.sources.base import Grab, Source
from imagemp.daemon.sources.pace import Pace


class LineScanner(Source):
    """Lines of 12-bit noise, 100 a second, with the lamp's heat in a field."""

    def open(self) -> FrameSpec:
        """Take hold of the device; say what its frames look like."""
        pixels = self.settings.get("pixels", 2048)
        self.fps = self.settings.get("fps", 100.0)
        self.pace = Pace(self.fps)
        self.random = np.random.default_rng(self.settings.get("seed"))
        return FrameSpec.image((pixels,), "<u2", (Field("lamp_c", "f8"),))

    def grab(self, wake: int) -> Grab | None:
        """Wait for the next line; None at once if `wake` has something to say."""
        if not self.pace.wait(wake):
            return None
        t_sensor_ns, missed = self.pace.take_newest()
        return Grab(t_sensor_ns, missed, fields={"lamp_c": self.random.normal(40, 1)})

    def retrieve(self, frame: Frame) -> None:
        """Fill the slot of the ring that it is given."""
        frame.image[:] = self.random.integers(0, 4096, frame.image.shape)

    def close(self) -> None:
        """Let go; there is nothing to let go of here."""
