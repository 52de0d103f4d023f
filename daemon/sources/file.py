"""A replay: videos, TIFF stacks, folders of images, .npy arrays.

Frames are as the file has them, in RGB order if they are in colour; grey stays
grey. Every frame is given: a reader that is late gets it late, never not at all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from imagemp.errors import SourceError
from imagemp.frames import Frame
from imagemp.spec import FrameSpec

from .base import EndOfSource, Grab, Source
from .pace import Clock, Pace
from .reader import Reader
from .readers import open_reader
from .settings import Rate, read_settings

FPS_WITHOUT_RATE = 30.0  # folders, .npy and most TIFF stacks know no rate


class FileSettings(Struct, frozen=True):
    """Which file, and how fast.

    Attributes:
        fps: None for the file's own, 30 if it has none; 0 for as fast as the
            frames are taken.
        loop: Begin again after the last frame.
    """

    path: str
    fps: Rate | None = None
    loop: bool = False


class FileSource(Source):
    """Gives the frames of a file, the first one being number `first_seq`.

    So a capture worker that was restarted goes on where the last one was.
    """

    is_live = False
    reader: Reader | None = None

    def __init__(self, settings: Mapping[str, Any], clock: Clock | None = None) -> None:
        super().__init__(settings)
        self.clock = clock
        self.pace = Pace(0, clock)
        self.loop = False

    def open(self) -> FrameSpec:
        asked = read_settings(FileSettings, self.settings)
        reader = self.reader = open_reader(Path(asked.path).expanduser())
        self.loop = asked.loop
        self.fps = (reader.fps or FPS_WITHOUT_RATE) if asked.fps is None else asked.fps
        self.pace = Pace(self.fps, self.clock)
        self.skip(reader, self.first_seq)
        return FrameSpec.image(reader.shape, reader.dtype)

    def grab(self, wake: int) -> Grab | None:
        if not self.pace.wait(wake):
            return None
        if self.reader is None or not self.advance(self.reader):
            raise EndOfSource(self.settings["path"])
        return Grab(self.pace.take_next())

    def retrieve(self, frame: Frame) -> None:
        if self.reader is None:
            raise SourceError(f"{self.settings['path']}: is not open")
        self.reader.read(frame.image)

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.reader = None

    def advance(self, reader: Reader) -> bool:
        """Go to the next frame, which may be the first one again."""
        if reader.advance():
            return True
        if self.loop:
            reader.rewind()
        return self.loop and reader.advance()

    def skip(self, reader: Reader, count: int) -> None:
        """Leave out the first frames."""
        if self.loop and reader.n:
            count %= reader.n
        for _ in range(count):
            if not self.advance(reader):
                return
