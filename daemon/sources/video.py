"""A video file, through OpenCV."""

import logging
from pathlib import Path

import numpy as np

from imagemp.errors import SourceError
from imagemp.frames import AnyArray

from .colour import copy_as_rgb
from .quiet import quiet_opencv
from .reader import Reader

log = logging.getLogger(__name__)

# pixel formats that OpenCV hands over as they are only if told not to convert
GREY = {b"Y800", b"Y1\x00\x10"}
# Headers count frames by duration and rate, or frames that an edit hides: what
# is short by less than this share may be whole.
DOUBTFUL_SHARE = 0.1


class VideoReader(Reader):
    """Frames in RGB, u1; grey video stays grey, u1 or u2.

    OpenCV decodes in `advance` and converts in `read`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        quiet_opencv()
        import cv2

        self.capture = cv2.VideoCapture()
        self.image: AnyArray | None = None
        self.is_primed = False
        self.rewind()
        self.fps = max(0.0, self.capture.get(cv2.CAP_PROP_FPS))
        self.n = max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        first = self.decoded()
        self.be_like(first.shape, first.dtype)

    def advance(self) -> bool:
        if not self.is_primed and not self.capture.grab():
            self.check_end()
            return False
        self.is_primed = False
        self.at += 1
        return True

    def rewind(self) -> None:
        """Open it anew: seeking is not exact in every container."""
        import cv2

        self.at = -1
        self.capture.release()
        if not self.capture.open(str(self.path), cv2.CAP_FFMPEG):
            raise SourceError(
                f"{self.path}: not a video that OpenCV can read",
                "if it is a whole file: is its codec known to FFmpeg?",
            )
        pixels = int(self.capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT))
        if pixels.to_bytes(4, "little", signed=True) in GREY:
            self.capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self.is_primed = self.capture.grab()
        if not self.is_primed:
            raise SourceError(f"{self.path}: not one frame of it can be decoded")

    def read(self, out: AnyArray) -> None:
        image = self.decoded()
        self.check(image.shape, image.dtype, f"{self.path}: frame {self.at}")
        copy_as_rgb(image, out)

    def close(self) -> None:
        self.capture.release()

    def decoded(self) -> AnyArray:
        """Give what was grabbed last, in OpenCV's order of colours."""
        is_there, image = self.capture.retrieve(self.image)
        if not is_there:
            raise SourceError(f"{self.path}: frame {self.at} cannot be decoded")
        self.image = np.asarray(image)
        return self.image

    def check_end(self) -> None:
        """Raise if the end came much before what the header promises."""
        given = self.at + 1
        if given >= self.n:
            return
        said = f"{self.path}: ends after frame {self.at}, its header promises {self.n}"
        if self.n - given > max(2, self.n * DOUBTFUL_SHARE):
            raise SourceError(f"{said}; frame {given} cannot be decoded")
        log.warning("%s", said)
