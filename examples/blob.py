"""A callback: where the brightest blob of each frame is.

In the configuration:     target = "/path/to/blob.py:Blob", settings = { blur = 15 }
See what it sends:        python examples/subscribe.py callback.
Change it while it runs:  imagectl send blob '{"blur": 31}'
"""

from collections.abc import Mapping
from typing import Any

import cv2

from imagemp import Callback, Frame


class Blob(Callback):
    """Sends place and brightness; returns the frame with a ring drawn there."""

    def set_up(self, settings: Mapping[str, Any]) -> None:
        """Read the table `settings` of the configuration."""
        self.on_message(settings)

    def process(self, frame: Frame) -> Frame:
        """Look at a frame; it is a copy, so it may be drawn into."""
        image = frame.image
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        smooth = cv2.GaussianBlur(grey, (self.blur, self.blur), 0)
        _, peak, _, (x, y) = cv2.minMaxLoc(smooth)
        self.send({"seq": frame.info.seq, "x": x, "y": y, "brightness": peak})
        cv2.circle(image, (x, y), self.blur, 255, 2)
        return frame

    def on_message(self, body: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Take a new blur, in pixels; OpenCV wants it odd."""
        self.blur = int(body.get("blur", 15)) | 1
