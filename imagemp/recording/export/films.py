"""Recorded frames as a film, shown at the times of the sensor's clock. Needs PyAV."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import FrameShapeError, ImagempError, RecordingError
from ...frames import AnyArray
from ..disk import disk_errors
from ..video.decoding import imported
from .formats import OnFrame, part_of, plain
from .selecting import Selection

MICRO = Fraction(1, 1_000_000)
CONTAINERS = {"mkv": "matroska", "mp4": "mp4"}
CODECS = {"mkv": "ffv1", "mp4": "libx264"}  # unless another one is asked for
# What PyAV calls pixels of so many bytes and samples, and what a lossless codec.
FORMATS = {
    (1, 1): ("gray", "gray"),
    (1, 3): ("rgb24", "bgr0"),
    (1, 4): ("rgba", "bgra"),
    (2, 1): ("gray16le", "gray16le"),
    (2, 3): ("rgb48le", "gbrp16le"),
}


class Film:
    """A film being written.

    Args:
        container: `mkv` or `mp4`.
        codec: `ffv1` changes no pixel; `libx264` makes small files for u1.
        fps: For players that want to know; times are those of the frames.
    """

    def __init__(self, path: Path, container: str, codec: str, fps: float) -> None:
        self._av = imported()
        self._file = self._av.open(str(path), "w", format=CONTAINERS[container])
        self._codec, self._fps = codec, fps
        self._stream: Any = None
        self._source = ""
        self._last_us = -1

    def add(self, pixels: AnyArray, t_us: int) -> None:
        """Add a picture, (h, w) or (h, w, 3 or 4).

        Args:
            pixels: u1 or u2.
            t_us: When to show it, from the beginning; at least 1 after the last.

        Raises:
            FrameShapeError: The codec knows no such pixels.
        """
        pixels = plain(pixels)
        if self._stream is None:
            self._begin(pixels)
        frame = self._av.VideoFrame.from_ndarray(pixels, format=self._source)
        frame = frame.reformat(format=self._stream.pix_fmt)
        self._last_us = max(t_us, self._last_us + 1)
        frame.pts, frame.time_base = self._last_us, MICRO
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the codec still holds, and the end."""
        try:
            if self._stream is not None:
                self._file.mux(self._stream.encode())
        finally:
            self._file.close()

    def _begin(self, pixels: AnyArray) -> None:
        height, width = pixels.shape[:2]
        samples = pixels.shape[2] if pixels.ndim == 3 else 1
        kind = (pixels.itemsize, samples) if pixels.dtype.kind == "u" else None
        self._source, exact = FORMATS.get(kind, ("", "")) if kind else ("", "")
        is_exact = self._codec == "ffv1"
        if not self._source or (not is_exact and pixels.itemsize > 1):
            raise FrameShapeError(
                f"{self._codec}: pixels of {pixels.dtype} have no place in it",
                "use npy or tiff" if is_exact else "use mkv with --codec ffv1",
            )
        rate = Fraction(self._fps or 30).limit_denominator(1000)
        stream = self._file.add_stream(self._codec, rate=rate)
        stream.width, stream.height = width, height
        even = width % 2 == 0 and height % 2 == 0
        stream.pix_fmt = exact if is_exact else "yuv420p" if even else "yuv444p"
        stream.codec_context.time_base = MICRO
        self._stream = stream


def export_film(
    chosen: Selection, path: Path, on_frame: OnFrame, container: str, codec: str = ""
) -> None:
    """Write a film.

    Args:
        chosen: The frames.
        path: Where to.
        on_frame: Told of each.
        container: `mkv` or `mp4`.
        codec: Empty: ffv1 in mkv, libx264 in mp4.

    Raises:
        RecordingError: PyAV is not there, or the container takes no such codec.
        FrameShapeError: The codec knows no such pixels.
        DiskError: It cannot be written.
    """
    av = imported()
    with disk_errors(path), part_of(path) as part:
        try:
            film = Film(part, container, codec or CODECS[container], chosen.fps)
            with closing(film):
                for page, pixels in chosen.pictures():
                    film.add(pixels, (page.t_sensor_ns - chosen.t_first_ns) // 1000)
                    on_frame(1)
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, ImagempError | OSError):
                raise
            raise RecordingError(f"{path}: {container}: {error}") from error
