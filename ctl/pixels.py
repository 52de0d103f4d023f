"""An array in a matplotlib figure, one element a pixel.

matplotlib's own images are resampled each time they are drawn, which takes half the
time of showing a frame.
"""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist

from .pane import Colours

if TYPE_CHECKING:
    from matplotlib.backend_bases import RendererBase


class Pixels(Artist):
    """Draws RGBA with its upper left corner at a pixel of the figure."""

    def __init__(self) -> None:
        super().__init__()
        self._rgba: Colours | None = None
        self._left = self._top = 0

    def put(self, rgba: Colours, left: int, top: int) -> None:
        """Draw this from now on; `top` counts from the lower edge of the figure."""
        self._rgba, self._left, self._top = rgba, left, top

    def draw(self, renderer: "RendererBase") -> None:
        if self._rgba is None or not self.get_visible():
            return
        context = renderer.new_gc()
        below = self._top - self._rgba.shape[0]
        upwards = np.ascontiguousarray(self._rgba[::-1])
        renderer.draw_image(context, self._left, below, upwards)
        context.restore()
