"""One plane of each frame as a page: its directory, its strip, its stamp."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import imagecodecs
import numpy as np

from ...errors import FrameShapeError
from ...frames import AnyArray, Frame, FrameInfo, fields_dtype, numpy_dtype
from ...spec import Field, Plane
from ..plan import UNCOMPRESSED, Compression
from ..stamp import STAMP
from .codec import Buffer, Codec
from .ifd import Entry, Ifd, Picture
from .tags import Compressed, Kind, Tag, aligned

SPARE = 1024  # what a codec adds to pixels that it cannot make smaller, and a percent
MOST = 2**32 - 1  # what a count in the stamp may be


class Strip(NamedTuple):
    """The pixels of a page as they are in the file, and their CRC-32."""

    data: Buffer
    crc: int


Strips = Sequence[Strip]


class PlaneWriter:
    """Turns one plane of each frame into a page. Any thread may use it.

    Attributes:
        name: Of the plane.
        number: Which plane of the frame it is, from 0.
        ifd: The directory of its pages, but for the first page of a file.
        page_nbytes: What a page takes, at most if it is compressed.
    """

    def __init__(
        self, plane: Plane, place: tuple[int, int], codec: Codec, extra: int
    ) -> None:
        self.name = plane.name
        self.number, self._planes = place
        self._codec = codec
        self._shape, self._dtype = plane.shape, numpy_dtype(plane.dtype)
        picture, size = Picture.of(plane), STAMP.size + extra
        self._entries = [
            *picture.entries(codec.compressed, codec.predictor),
            Entry.text(Tag.PAGE_NAME, plane.name),
            Entry(Tag.STAMP, Kind.BYTE, size, bytes(size)),
        ]
        self.ifd = Ifd(self._entries)
        is_raw = codec.compressed is Compressed.NONE
        spare = 0 if is_raw else SPARE + picture.nbytes // 100
        self.page_nbytes = aligned(self.ifd.nbytes + picture.nbytes + spare)

    def first_ifd(self, description: str, t_unix_ns: int) -> Ifd:
        """Give the directory of the first page of a file."""
        taken = datetime.fromtimestamp(t_unix_ns // 10**9, UTC)
        return Ifd(
            [
                *self._entries,
                Entry.text(Tag.IMAGE_DESCRIPTION, description),
                Entry.text(Tag.SOFTWARE, "imagemp"),
                Entry.text(Tag.DATE_TIME, f"{taken:%Y:%m:%d %H:%M:%S}"),
            ]
        )

    def check(self, frame: Frame) -> AnyArray:
        """Give the plane's pixels in a frame; raises `FrameShapeError`."""
        pixels = frame.planes.get(self.name)
        if pixels is None:
            raise FrameShapeError(f"plane {self.name}: the frame has no such plane")
        if pixels.shape != self._shape or pixels.dtype != self._dtype:
            raise FrameShapeError(
                f"plane {self.name}: is {pixels.shape} {pixels.dtype}, "
                f"expected {self._shape} {self._dtype}"
            )
        return pixels

    def strip(self, pixels: AnyArray) -> Strip:
        """Give the bytes for the file: uncompressed, a view wherever one can be had."""
        little = pixels.astype(pixels.dtype.newbyteorder("<"), order="C", copy=False)
        data = self._codec.strip(little.reshape(-1).view(np.uint8))
        return Strip(data, imagecodecs.deflate_crc32(data))  # type: ignore[arg-type]

    def stamp(self, info: FrameInfo, crc: int) -> bytes:
        """Give the value of the private tag, but for the user's fields."""
        return packed_stamp(info, crc, self.number, self._planes)


class Pages:
    """How all planes of a frame become pages. Any thread may use it.

    Attributes:
        writers: One for each plane, in the order of the pages.
        nbytes: What a frame takes, at most if it is compressed, but for the text on
            the first page.

    Raises:
        FrameShapeError: A plane holds nothing.
    """

    def __init__(
        self,
        planes: Sequence[Plane],
        fields: Sequence[Field] = (),
        compression: Compression = UNCOMPRESSED,
    ) -> None:
        self._fields = UserFields(fields)
        self.writers = [
            PlaneWriter(
                plane, (n, len(planes)), Codec(plane, compression), self._fields.nbytes
            )
            for n, plane in enumerate(planes)
        ]
        self.nbytes = sum(writer.page_nbytes for writer in self.writers)

    def check(self, frame: Frame) -> None:
        """Raise `FrameShapeError` unless the frame has these planes."""
        for writer in self.writers:
            writer.check(frame)

    def strips(self, frame: Frame) -> Strips:
        """Give a frame's strips; raises `FrameShapeError`."""
        return [writer.strip(writer.check(frame)) for writer in self.writers]

    def fields(self, info: FrameInfo) -> bytes:
        """Give what ends the stamp of each page of a frame."""
        return self._fields.pack(info.fields) if self._fields.nbytes else b""

    def nbytes_of(self, strips: Strips) -> int:
        """Give what a frame with these strips takes, but for the first of a file."""
        return sum(
            aligned(writer.ifd.nbytes + len(strip.data))
            for writer, strip in zip(self.writers, strips, strict=True)
        )


def packed_stamp(info: FrameInfo, crc: int, plane: int, planes: int) -> bytes:
    """Give a stamp, but for the user's fields; its check is yet to be set."""
    return STAMP.pack(
        info.seq,
        info.index,
        info.t_sensor_ns,
        info.t_arrival_ns,
        info.t_unix_ns,
        crc,
        min(info.missed_before, MOST),
        info.ring_used,
        info.overflow_used,
        plane,
        planes,
        0,
    )


class UserFields:
    """A user's fields at the end of a stamp: packed, in the order of the spec."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._dtype = fields_dtype(tuple(fields))
        self.nbytes = self._dtype.itemsize

    def pack(self, values: Mapping[str, Any]) -> bytes:
        """Give their bytes; a value that is missing is 0."""
        record = np.zeros((), self._dtype)
        for name in self._dtype.names or ():
            if name in values:
                record[name] = values[name]
        return record.tobytes()

    def unpack(self, packed: bytes) -> dict[str, Any]:
        """Give what `pack` was given; nothing if these are the bytes of others."""
        if not self.nbytes or len(packed) != self.nbytes:
            return {}
        record = np.frombuffer(packed, self._dtype)[0]
        return {name: record[name] for name in self._dtype.names or ()}
