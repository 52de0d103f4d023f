"""Frames in a fragmented MP4: each is a box with its stamp, a `moof` and an `mdat`.

FFmpeg's muxer makes the header. It does not write a fragment before it has seen the
next frame, so a kill -9 would take one that is recorded; hence these few boxes. The
stamp is in a `uuid` box, which every reader passes over. Times are microseconds.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from uuid import UUID

from ..stamp import CHECK, STAMP
from ..tiff.pagerecord import OpenFile
from .records import (
    ALIGN,
    MAX_STAMP,
    SECOND_US,
    Key,
    Patch,
    Shown,
    VideoRecord,
    is_sealed,
    padded,
    seal,
    stamped,
)

BOX = struct.Struct(">I4s")  # its size, its name
LONG_SIZE = struct.Struct(">Q")  # stands behind, if the size before is 1
LONG_BOX = 2**32
FREE = b"free"
OURS = UUID("d0a9a7f5-6f0e-4f65-9c0b-1b7d3c1c6a2e").bytes
STAMP_AT = BOX.size + len(OURS)  # in the box that begins a frame

MFHD = struct.Struct(">II")  # flags, number of the fragment from 1
TFHD = struct.Struct(">II")  # flags, track
TFDT = struct.Struct(">IQ")  # version, when it is shown
TRUN = struct.Struct(">IIIIII")  # flags, frames, data, duration, size, flags of a frame
TFDT_AT = 5 * BOX.size + MFHD.size + TFHD.size
TRUN_AT = TFDT_AT + TFDT.size + BOX.size
MOOF_NBYTES = TRUN_AT + TRUN.size
AROUND = STAMP_AT + MOOF_NBYTES + BOX.size  # a head but for its stamp
BASE_IS_MOOF = 0x020000
FIELDS_OF_TRUN = 0x000701
TRACK = 1
KEY, NOT_KEY = 0x0200_0000, 0x0101_0000

MEHD = struct.Struct(">IQ")  # version, how long all fragments are
MVHD_SCALE_AT = 12  # in `mvhd`: units in a second
VERSION_1 = 1 << 24
DURATION = struct.Struct(">I")
GLANCE = 1024  # more than most heads take
LONGEST = 2**32 - 1  # a duration; what lies further apart has its time nonetheless


MUXER = {
    "movflags": "empty_moov+default_base_moof",
    "video_track_timescale": str(SECOND_US),
}


class Mp4:
    """How an MP4 holds frames; see `Container`."""

    suffix = ".mp4"
    muxer = "mp4"
    options = MUXER
    duration_back = BOX.size + 3 * DURATION.size
    mark = b"uuid" + OURS
    mark_at = BOX.size - len(b"uuid")

    def header(self, made: bytes) -> bytes:
        """Keep type and description; make room for the duration."""
        (ftyp,), (moov,) = found(made, b"ftyp"), found(made, b"moov")
        parts = [content for name, content in children(moov) if name != b"mvex"]
        names = [name for name, _ in children(moov) if name != b"mvex"]
        (mvex,) = found(moov, b"mvex")
        whole = b"".join(map(box, names, parts))
        whole += box(b"mvex", box(b"mehd", MEHD.pack(VERSION_1, 0)) + mvex)
        whole = box(b"ftyp", ftyp) + box(b"moov", whole)
        check = CHECK.pack(check_of_header(whole))
        room = -(len(whole) + BOX.size + CHECK.size) % ALIGN
        return whole + box(FREE, check + bytes(room))

    def head(self, shown: Shown, nbytes: int, stamp: bytes) -> bytearray:
        """A box with the stamp comes first: linked last, it hides those behind."""
        text = padded(stamp, AROUND + nbytes)
        head = box(b"uuid", OURS + text) + moof(shown, nbytes)
        head += BOX.pack(BOX.size + nbytes, b"mdat")
        return seal(bytearray(head), STAMP_AT, [self._blank(len(head))])

    def duration(self, duration_us: int) -> bytes:
        return DURATION.pack(min(duration_us, LONGEST))

    def begins_at(self, file: OpenFile) -> int:
        starts, names = [0], []
        size, name = BOX.unpack(file.read(0, BOX.size).ljust(BOX.size, b"\0"))
        while name in (b"ftyp", b"moov", FREE) and size >= BOX.size:
            starts.append(starts[-1] + size)
            names.append(name)
            head = file.read(starts[-1], BOX.size).ljust(BOX.size, b"\0")
            size, name = BOX.unpack(head)
        if names[:3] != [b"ftyp", b"moov", FREE] or starts[3] > file.size:
            return 0
        check = file.read(starts[2] + BOX.size, CHECK.size)
        whole = file.read(0, starts[2])
        return starts[3] if check == CHECK.pack(check_of_header(whole)) else 0

    def read(self, file: OpenFile, number: int, offset: int) -> VideoRecord | None:
        head = file.read(offset, GLANCE)
        size, name = BOX.unpack(head[: BOX.size].ljust(BOX.size, b"\0"))
        if name != b"uuid" or not STAMP_AT + STAMP.size < size <= MAX_STAMP:
            return None
        whole = size + MOOF_NBYTES + BOX.size
        head = head[:whole] if whole <= len(head) else file.read(offset, whole)
        if len(head) < whole or head[BOX.size : STAMP_AT] != OURS:
            return None
        if not is_sealed(head, STAMP_AT, [self._blank(whole)]):
            return None
        _, t_us = TFDT.unpack_from(head, size + TFDT_AT)
        *_, nbytes, flags = TRUN.unpack_from(head, size + TRUN_AT)
        if offset + whole + nbytes > file.size:
            return None
        return stamped(
            head[STAMP_AT:size],
            page=number,
            offset=offset,
            data_at=offset + whole,
            nbytes=nbytes,
            t_us=t_us,
            is_key=flags == KEY,
        )

    def filler(self, nbytes: int) -> bytes:
        if nbytes < LONG_BOX:
            return BOX.pack(nbytes, FREE)
        return BOX.pack(1, FREE) + LONG_SIZE.pack(nbytes)

    def after_filler(self, file: OpenFile, offset: int) -> int:
        head = file.read(offset, BOX.size + LONG_SIZE.size)
        if head[BOX.size - len(FREE) : BOX.size] != FREE:
            return 0
        size, _ = BOX.unpack_from(head)
        if size == 1 and len(head) == BOX.size + LONG_SIZE.size:
            (size,) = LONG_SIZE.unpack_from(head, BOX.size)
        is_whole = size >= BOX.size and offset + size <= file.size
        return offset + size if is_whole else 0

    def index(
        self,
        file: OpenFile,
        keys: Sequence[Key],  # noqa: ARG002 - players find the fragments by themselves
        end: int,  # noqa: ARG002
        duration_us: int,
    ) -> list[Patch]:
        """The duration only."""
        made = file.read(0, self.begins_at(file))
        (moov,) = found(made, b"moov")
        (mvhd,) = found(moov, b"mvhd")
        (scale,) = DURATION.unpack_from(mvhd, MVHD_SCALE_AT)
        length = MEHD.pack(VERSION_1, -(-duration_us * scale // SECOND_US))
        return [(made.rindex(b"mehd") + len(b"mehd"), length)]

    def _blank(self, size: int) -> tuple[int, int]:
        return size - self.duration_back, DURATION.size


def check_of_header(whole: bytes) -> int:
    """Give the CRC-32 of a header up to the box that has it; durations count as 0."""
    at = whole.rfind(b"mehd") + len(b"mehd")
    return zlib.crc32(whole[:at] + bytes(MEHD.size) + whole[at + MEHD.size :])


def moof(shown: Shown, nbytes: int) -> bytes:
    """Give the box that describes one frame, whose data stands right behind it."""
    duration = min(shown.duration_us, LONGEST)
    data, flags = MOOF_NBYTES + BOX.size, KEY if shown.is_key else NOT_KEY
    return box(
        b"moof",
        box(b"mfhd", MFHD.pack(0, shown.number + 1))
        + box(
            b"traf",
            box(b"tfhd", TFHD.pack(BASE_IS_MOOF, TRACK))
            + box(b"tfdt", TFDT.pack(VERSION_1, shown.t_us))
            + box(b"trun", TRUN.pack(FIELDS_OF_TRUN, 1, data, duration, nbytes, flags)),
        ),
    )


def box(name: bytes, content: bytes) -> bytes:
    """Give a box with this in it."""
    return BOX.pack(BOX.size + len(content), name) + content


def children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give name and content of each box in a box that is whole."""
    at = 0
    while at < len(content):
        size, name = BOX.unpack_from(content, at)
        yield name, content[at + BOX.size : at + size]
        at += size


def found(content: bytes, name: bytes) -> list[bytes]:
    """Give the content of each box of this name."""
    return [inner for one, inner in children(content) if one == name]
