"""A matplotlib figure of panes side by side, drawn by blitting.

The background is drawn once for each size of the window; after that only pictures
and text are.
"""

import math
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemp.errors import FrameShapeError, ImagempError

from .pane import Pane, fitted
from .reports import pipeline_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from imagemp.client import Telemetry

    from .pixels import Pixels

SIDE, HEAD, DPI = 512, 44, 100  # pixels; HEAD is for three lines of text
SPARE = 2  # a screen of 95.9 dots an inch makes 512 pixels 511
CUT = 0.4  # of a pixel: inches become pixels again by cutting


class WindowError(ImagempError, RuntimeError):
    """No window can be opened here."""

    code = "E_DISPLAY"


def picture() -> "Figure":
    """Give a figure for a file; no display is needed.

    Raises:
        WindowError: matplotlib is not there.
    """
    _check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    return figure


def opened() -> "Figure":
    """Give the figure of a new window; it is shown by `Window.run`.

    Raises:
        WindowError: There is no display, or nothing that can draw on it.
    """
    _check_matplotlib()
    instead = "imagectl view --save frame.png"
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise WindowError(
            "no display: neither DISPLAY nor WAYLAND_DISPLAY is set",
            f"over SSH connect with ssh -X, or use {instead}",
        )
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.rcParams["toolbar"] = "None"
    figure = plt.figure("imagectl view", dpi=DPI, facecolor="black")
    if plt.get_backend().lower() == "agg":
        raise WindowError(
            "matplotlib cannot open a window: the display does not answer, or there "
            "is no toolkit for it",
            f"sudo apt-get install python3-tk, or use {instead}",
        )
    return figure


class Window:
    """Shows panes in a figure."""

    def __init__(self, figure: "Figure", panes: list[Pane]) -> None:
        self._figure, self._panes = figure, panes
        self._canvas: Any = figure.canvas  # an Agg one: blitting has no type
        self._columns = math.ceil(math.sqrt(len(panes)))
        rows = math.ceil(len(panes) / self._columns)
        spare = 0 if self._canvas.manager is None else SPARE
        figure.set_size_inches(
            ((SIDE + spare) * self._columns + CUT) / DPI,
            ((SIDE + HEAD + spare) * rows + CUT) / DPI,
            forward=True,
        )
        self._rows = rows
        self._pictures: list[Pixels] = [self._new_picture() for _ in panes]
        self._texts: list[Text] = [self._new_text() for _ in panes]
        self._background: Any = None

    def save(self, path: Path) -> None:
        """Draw what there is, and write it as a picture."""
        for place in range(len(self._panes)):
            self._update(place)
        for artist in (*self._pictures, *self._texts):
            artist.set_animated(False)
        self._figure.savefig(path, dpi=DPI, facecolor="black")

    def run(
        self, telemetry: "Telemetry", fps: float, duration_s: float | None = None
    ) -> None:
        """Show it until the window is closed, or the time is over.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; the window is closed.
        """
        from matplotlib import pyplot as plt

        self._canvas.mpl_connect("draw_event", self._on_draw)
        # A toolkit's loop waits for its own events alone: its timer sets our pace.
        timer = self._canvas.new_timer(interval=1)
        timer.single_shot = True
        due_s, period_s = time.monotonic(), 1 / fps
        ends_s = math.inf if duration_s is None else due_s + duration_s
        interrupted = threading.Event()

        def tick() -> None:
            nonlocal due_s
            if interrupted.is_set() or time.monotonic() >= ends_s:
                plt.close(self._figure)
                return
            self._step(telemetry)
            due_s = max(due_s + period_s, time.monotonic())
            timer.interval = round((due_s - time.monotonic()) * 1000)
            timer.start()

        timer.add_callback(tick)
        timer.start()
        # What a handler raises inside Tk is printed and forgotten.
        before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
        try:
            plt.show(block=True)
        finally:
            signal.signal(signal.SIGINT, before)
        if interrupted.is_set():
            raise KeyboardInterrupt

    def _step(self, telemetry: "Telemetry") -> None:
        """Take what is new, and draw if there is anything."""
        heard = False
        while (message := telemetry.receive(0)) is not None:
            name = pipeline_of(*message)
            for pane in self._panes:
                if pane.name == name:
                    pane.hear(message[1])
                    heard = True
        fresh = [pane.refresh() for pane in self._panes]
        if self._background is not None and (heard or any(fresh)):
            self._draw()

    def _on_draw(self, _: object) -> None:
        """Keep the background of a window that is new, or has another size."""
        self._background = self._canvas.copy_from_bbox(self._figure.bbox)
        self._draw()

    def _draw(self) -> None:
        self._canvas.restore_region(self._background)
        for place in range(len(self._panes)):
            self._update(place)
            self._figure.draw_artist(self._pictures[place])
            self._figure.draw_artist(self._texts[place])
        self._canvas.blit(self._figure.bbox)

    def _update(self, place: int) -> None:
        """Put the newest frame and its lines where they belong."""
        pane, image, text = self._panes[place], *self._at(place)
        left, top, width, height, head = self._box(place)
        if pane.pixels is not None:
            try:
                colours = fitted(pane.pixels, width, height)
            except FrameShapeError as error:
                pane.problem = str(error)
            else:
                middle = left + (width - colours.shape[1]) // 2
                image.put(colours, middle, top - head)
        text.set_position((left + 4, top - 4))
        text.set_text("\n".join(pane.lines()))

    def _at(self, place: int) -> "tuple[Pixels, Text]":
        return self._pictures[place], self._texts[place]

    def _box(self, place: int) -> tuple[int, int, int, int, int]:
        """Give left, top, width and height of a picture, and of the text above."""
        row, column = divmod(place, self._columns)
        box, ratio = self._figure.bbox, self._canvas.device_pixel_ratio
        head, width = round(HEAD * ratio), round(box.width) // self._columns
        whole = round(box.height) // self._rows
        top = round(box.height) - row * whole
        return column * width, top, max(1, width), max(1, whole - head), head

    def _new_picture(self) -> "Pixels":
        from .pixels import Pixels

        pixels = Pixels()
        pixels.set_animated(True)
        self._figure.add_artist(pixels)
        return pixels

    def _new_text(self) -> "Text":
        from matplotlib.transforms import IdentityTransform

        return self._figure.text(
            *(0, 0, ""),
            color="white",
            family="monospace",
            size=7,
            va="top",
            transform=IdentityTransform(),
            animated=True,
        )


def _check_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise WindowError(
            "matplotlib is not there",
            "pip install 'imagempd[view]', or sudo apt-get install python3-matplotlib",
        ) from error
