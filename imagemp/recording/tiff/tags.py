"""The numbers in a page that writer and reader must agree on.

Knows no numpy, so that imagectl may walk a file.
"""

import struct
from enum import IntEnum


class Tag(IntEnum):
    """TIFF tags by number; private ones start at 65000."""

    NEW_SUBFILE_TYPE = 254
    IMAGE_WIDTH = 256
    IMAGE_LENGTH = 257
    BITS_PER_SAMPLE = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    IMAGE_DESCRIPTION = 270
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES_PER_PIXEL = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTE_COUNTS = 279
    PLANAR_CONFIGURATION = 284
    PAGE_NAME = 285
    SOFTWARE = 305
    DATE_TIME = 306
    PREDICTOR = 317
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    STAMP = 65100


class Kind(IntEnum):
    """How the value of a tag is to be read."""

    BYTE = 1
    ASCII = 2
    SHORT = 3
    LONG = 4
    LONG8 = 16


class SampleFormat(IntEnum):
    """What the bits of a sample mean."""

    UINT = 1
    INT = 2
    FLOAT = 3
    COMPLEX = 6


class Compressed(IntEnum):
    """How the pixels of a page are stored."""

    NONE = 1
    ZLIB = 8
    ZSTD = 50000  # libtiff's own, not Adobe's


class Predictor(IntEnum):
    """What was done to the pixels before they were compressed."""

    NONE = 1
    HORIZONTAL = 2  # each sample less the one before in its row
    FLOAT = 3  # the same, byte by byte, the highest bytes of a row first


WIDTHS: dict[int, int] = {
    Kind.BYTE: 1,
    Kind.ASCII: 1,
    Kind.SHORT: 2,
    Kind.LONG: 4,
    Kind.LONG8: 8,
}
ALIGN = 16  # pages start on a multiple of it

# Byte order, BigTIFF, 8-byte offsets, and where the first page is: none yet.
HEADER = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0)
FIRST_LINK_AT = 8

COUNT = struct.Struct("<Q")  # tags of a page
ENTRY = struct.Struct("<HHQ8s")  # code, kind, count, value or where it is
LINK = struct.Struct("<Q")  # where the next page is; 0: this is the last


def aligned(offset: int, to: int = ALIGN) -> int:
    """Give the first multiple of `to` that is not below `offset`."""
    return -(-offset // to) * to
