"""Pixels to the bytes of a strip, and back.

A predictor stores what changes from one pixel to the next, which compresses far
better. TIFF has one for integers and one for floats; complex numbers, bool, and
what is stored as plain bytes are compressed without.
"""

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np

from ...errors import RecordingError
from ...frames import AnyArray, numpy_dtype
from ...spec import Plane
from ..plan import Compression
from .ifd import Picture, is_number
from .tags import Compressed, Predictor, SampleFormat

DEFAULT_LEVEL = 1  # more is many times slower, and smaller by a tenth at best
KINDS = {
    "none": Compressed.NONE,
    "zlib": Compressed.ZLIB,
    "zstd": Compressed.ZSTD,
}
LETTERS = {
    SampleFormat.UINT: "u",
    SampleFormat.INT: "i",
    SampleFormat.FLOAT: "f",
    SampleFormat.COMPLEX: "c",
}
Buffer = bytes | bytearray | AnyArray


class Codec:
    """Makes strips of one plane's pixels. Any thread may use it.

    Attributes:
        compressed: What the tag Compression says.
        predictor: What the tag Predictor says.
    """

    def __init__(self, plane: Plane, compression: Compression) -> None:
        picture = Picture.of(plane)
        self.compressed = KINDS[compression.kind]
        self.predictor = (
            predictor_of(plane) if compression.predictor else Predictor.NONE
        )
        if self.compressed is Compressed.NONE:
            self.predictor = Predictor.NONE
        self._level = compression.level or DEFAULT_LEVEL
        self._shape = (picture.rows, picture.columns, picture.samples)
        self._dtype = sample_dtype(picture.sample_format, picture.bits)

    def strip(self, raw: AnyArray) -> Buffer:
        """Compress the bytes of a plane; give them back as they are for `none`."""
        if self.compressed is Compressed.NONE:
            return raw
        if self.predictor is not Predictor.NONE:
            pixels = raw.view(self._dtype).reshape(self._shape)
            raw = DIFFERENCES[self.predictor](pixels, axis=1)
        encode = (
            imagecodecs.deflate_encode
            if self.compressed is Compressed.ZLIB
            else imagecodecs.zstd_encode
        )
        return encode(raw, self._level)  # type: ignore[arg-type]


def predictor_of(plane: Plane) -> Predictor:
    """Say which predictor fits the numbers of a plane."""
    dtype = numpy_dtype(plane.dtype)
    if not is_number(dtype):
        return Predictor.NONE
    fitting = {"u": Predictor.HORIZONTAL, "i": Predictor.HORIZONTAL}
    return (fitting | {"f": Predictor.FLOAT}).get(dtype.kind, Predictor.NONE)


def sample_dtype(sample_format: int, bits: int) -> np.dtype[Any]:
    """Give the dtype that a page's tags describe.

    Raises:
        RecordingError: There is none.
    """
    try:
        return np.dtype(f"<{LETTERS[SampleFormat(sample_format)]}{bits // 8}")
    except (TypeError, ValueError) as error:
        problem = f"format {sample_format} of {bits} bits"
        raise RecordingError(f"{problem} is no number") from error


def unpacked(
    strip: bytes | bytearray,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    tags: tuple[int, int],
) -> AnyArray:
    """Give the pixels of a strip.

    Args:
        strip: Its bytes.
        shape: Rows, columns, samples.
        dtype: Of a sample.
        tags: Compression and Predictor.

    Raises:
        RecordingError: They are not what the tags say.
    """
    try:
        compressed, predictor = Compressed(tags[0]), Predictor(tags[1])
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if compressed is not Compressed.NONE:
            strip = DECODERS[compressed](strip, out=nbytes)
        pixels: AnyArray = np.frombuffer(strip, dtype).reshape(shape)
        if predictor is not Predictor.NONE:
            pixels = SUMS[predictor](pixels, axis=1)
    except (ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise RecordingError(str(error)) from error
    return pixels


DIFFERENCES: dict[Predictor, Callable[..., AnyArray]] = {
    Predictor.HORIZONTAL: imagecodecs.delta_encode,
    Predictor.FLOAT: imagecodecs.floatpred_encode,
}
SUMS: dict[Predictor, Callable[..., AnyArray]] = {
    Predictor.HORIZONTAL: imagecodecs.delta_decode,
    Predictor.FLOAT: imagecodecs.floatpred_decode,
}
DECODERS: dict[Compressed, Callable[..., bytes | bytearray]] = {
    Compressed.ZLIB: imagecodecs.deflate_decode,
    Compressed.ZSTD: imagecodecs.zstd_decode,
}
