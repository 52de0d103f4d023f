"""Frames in Matroska: each is a cluster with its stamp and a block.

FFmpeg's muxer makes the header. It does not write a cluster before it has seen the
next frame, so a kill -9 would take one that is recorded; hence these few elements.
The stamp is in a `Void`, which every reader passes over. Times are microseconds.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..stamp import CHECK, STAMP
from ..tiff.pagerecord import OpenFile
from .records import (
    ALIGN,
    MAX_STAMP,
    Key,
    Patch,
    Shown,
    VideoRecord,
    is_sealed,
    padded,
    seal,
    stamped,
)

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
SEEK_HEAD, SEEK = b"\x11\x4d\x9b\x74", b"\x4d\xbb"
SEEK_ID, SEEK_POSITION = b"\x53\xab", b"\x53\xac"
INFO, TIMESTAMP_SCALE, DURATION = b"\x15\x49\xa9\x66", b"\x2a\xd7\xb1", b"\x44\x89"
TRACKS, TAGS = b"\x16\x54\xae\x6b", b"\x12\x54\xc3\x67"
CLUSTER, TIMESTAMP, SIMPLE_BLOCK = b"\x1f\x43\xb6\x75", b"\xe7", b"\xa3"
CUES, CUE_POINT, CUE_TIME = b"\x1c\x53\xbb\x6b", b"\xbb", b"\xb3"
CUE_POSITIONS, CUE_TRACK, CUE_CLUSTER = b"\xb7", b"\xf7", b"\xf1"
VOID, CHECKSUM = b"\xec", b"\xbf"

SIZE = struct.Struct(">Q")
NUMBER = struct.Struct(">Q")
FLOAT = struct.Struct(">d")
LONG_SIZE = 1 << 56  # marks a size of 8 bytes
SHORT_SIZE = 0x80  # marks a size of 1 byte
SHORT_VOID = 128  # bytes; what is smaller has its size in one
UNKNOWN = 2 * LONG_SIZE - 1  # the size of a segment that is still written
SCALE_NS = 1000
SEEK_ROOM = 256  # more than a SEEK_HEAD takes
DURATION_NBYTES = len(DURATION) + SIZE.size + FLOAT.size

BLOCK = struct.Struct(">BhB")  # track, time in its cluster, flags
TRACK, BLOCK_TRACK, KEY = 1, 0x81, 0x80
TIME_AT = len(CLUSTER) + SIZE.size + len(TIMESTAMP) + SIZE.size
STAMP_AT = TIME_AT + NUMBER.size + len(VOID) + SIZE.size
BEHIND = len(SIMPLE_BLOCK) + SIZE.size + BLOCK.size  # between a stamp and the data
GLANCE = 1024  # more than most heads take


class Element(NamedTuple):
    """An element of a file: its kind, where it starts, its content, its end."""

    kind: bytes
    start: int
    content: int
    end: int


class Matroska:
    """How Matroska holds frames; see `Container`."""

    suffix = ".mkv"
    muxer = "matroska"
    options: dict[str, str] = {}  # noqa: RUF012 - never set
    duration_back = 0
    mark = CLUSTER
    mark_at = 0

    def header(self, made: bytes) -> bytes:
        """Keep what describes the stream; make room for index and duration."""
        parts = dict(elements(made))
        top = dict(elements(parts[SEGMENT]))
        info = [(kind, content) for kind, content in elements(top[INFO])]
        mine = (TIMESTAMP_SCALE, DURATION, VOID, CHECKSUM)
        kept = b"".join(element(*one) for one in info if one[0] not in mine)
        kept += element(TIMESTAMP_SCALE, NUMBER.pack(SCALE_NS)) + void(DURATION_NBYTES)
        whole = element(EBML, parts[EBML]) + SEGMENT + SIZE.pack(UNKNOWN)
        room_at = len(whole)
        whole += void(SEEK_ROOM) + element(INFO, kept)
        info_end = len(whole)
        whole += element(TRACKS, top[TRACKS]) + element(TAGS, top[TAGS])
        check = CHECK.pack(check_of_header(whole, room_at, info_end))
        return whole + void(2 * ALIGN + -len(whole) % ALIGN, check)

    def head(self, shown: Shown, nbytes: int, stamp: bytes) -> bytearray:
        """The cluster's kind comes first: as long as it is not linked, it is none."""
        text = padded(stamp, STAMP_AT + BEHIND + nbytes)
        inner = element(TIMESTAMP, NUMBER.pack(shown.t_us)) + element(VOID, text)
        inner += SIMPLE_BLOCK + SIZE.pack(LONG_SIZE + BLOCK.size + nbytes)
        inner += BLOCK.pack(BLOCK_TRACK, 0, KEY if shown.is_key else 0)
        size = SIZE.pack(LONG_SIZE + len(inner) + nbytes)
        return seal(bytearray(CLUSTER + size + inner), STAMP_AT)

    def duration(self, duration_us: int) -> bytes:  # noqa: ARG002 - has no place
        return b""

    def begins_at(self, file: OpenFile) -> int:
        parts = list(parts_of(file))
        names = [part.kind for part in parts]
        if [*names[:1], *names[2:]] != [SEGMENT, INFO, TRACKS, TAGS, VOID]:
            return 0
        segment, _, info, _, _, last = parts
        check = file.read(last.content, CHECK.size)
        whole = file.read(0, last.start)
        found = check_of_header(whole, segment.content, info.end)
        is_whole = check == CHECK.pack(found) and last.end <= file.size
        return last.end if is_whole else 0

    def read(self, file: OpenFile, number: int, offset: int) -> VideoRecord | None:
        head = file.read(offset, GLANCE)
        if not head.startswith(CLUSTER) or len(head) < STAMP_AT + STAMP.size:
            return None
        (size,) = SIZE.unpack_from(head, STAMP_AT - SIZE.size)
        behind = STAMP_AT + size - LONG_SIZE
        whole = behind + BEHIND
        if not STAMP_AT + STAMP.size < behind <= MAX_STAMP:
            return None
        head = head[:whole] if whole <= len(head) else file.read(offset, whole)
        if len(head) < whole or not is_sealed(head, STAMP_AT):
            return None
        (t_us,) = NUMBER.unpack_from(head, TIME_AT)
        (size,) = SIZE.unpack_from(head, behind + len(SIMPLE_BLOCK))
        nbytes = size - LONG_SIZE - BLOCK.size
        if offset + whole + nbytes > file.size:
            return None
        return stamped(
            head[STAMP_AT:behind],
            page=number,
            offset=offset,
            data_at=offset + whole,
            nbytes=nbytes,
            t_us=t_us,
            is_key=bool(head[-1] & KEY),
        )

    def filler(self, nbytes: int) -> bytes:
        if nbytes < SHORT_VOID:
            return VOID + bytes([SHORT_SIZE + nbytes - 2])
        return VOID + SIZE.pack(LONG_SIZE + nbytes - len(VOID) - SIZE.size)

    def after_filler(self, file: OpenFile, offset: int) -> int:
        head = file.read(offset, len(VOID) + SIZE.size)
        if not head.startswith(VOID) or len(head) < len(VOID) + 1:
            return 0
        if head[1] > SHORT_SIZE:
            end = offset + 2 + head[1] - SHORT_SIZE
        elif head[1] == LONG_SIZE >> 56 and len(head) == len(VOID) + SIZE.size:
            (size,) = SIZE.unpack_from(head, len(VOID))
            end = offset + len(head) + size - LONG_SIZE
        else:
            return 0
        return end if end <= file.size else 0

    def index(
        self, file: OpenFile, keys: Sequence[Key], end: int, duration_us: int
    ) -> list[Patch]:
        """Cues at the end; before the frames, where these are, and the duration."""
        segment, seek_room, info, tracks, tags, _ = parts_of(file)
        base = segment.content
        cues = b"".join(cue(t_us, start - base) for t_us, start in keys)
        places = [(part.kind, part.start - base) for part in (info, tracks, tags)]
        seeks = b"".join(seek(*place) for place in [*places, (CUES, end - base)])
        spare = SEEK_ROOM - len(element(SEEK_HEAD, seeks))
        length = element(DURATION, FLOAT.pack(duration_us))
        return [
            (end, element(CUES, cues)),
            (seek_room.start, element(SEEK_HEAD, seeks + void(spare))),
            (info.end - DURATION_NBYTES, length),
        ]


def check_of_header(whole: bytes, room_at: int, info_end: int) -> int:
    """Give the CRC-32 of a header up to its last element.

    What is written into its room, and the duration, count as 0.
    """
    plain = bytearray(whole)
    plain[room_at : room_at + SEEK_ROOM] = bytes(SEEK_ROOM)
    plain[info_end - DURATION_NBYTES : info_end] = bytes(DURATION_NBYTES)
    return zlib.crc32(plain)


def cue(t_us: int, position: int) -> bytes:
    """Say in which cluster a key frame is."""
    where = element(CUE_TRACK, bytes([TRACK]))
    where += element(CUE_CLUSTER, NUMBER.pack(position))
    time = element(CUE_TIME, NUMBER.pack(t_us))
    return element(CUE_POINT, time + element(CUE_POSITIONS, where))


def seek(kind: bytes, position: int) -> bytes:
    """Say where the element of this kind is."""
    where = element(SEEK_POSITION, NUMBER.pack(position))
    return element(SEEK, element(SEEK_ID, kind) + where)


def element(kind: bytes, content: bytes) -> bytes:
    """Give an element, its size in 8 bytes."""
    return kind + SIZE.pack(LONG_SIZE + len(content)) + content


def void(nbytes: int, begin: bytes = b"") -> bytes:
    """Give so many bytes that readers pass over, 9 at least; `begin` is in them."""
    return element(VOID, begin.ljust(nbytes - len(VOID) - SIZE.size, b"\0"))


def elements(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give kind and content of each element; the last may be of unknown size."""
    at = 0
    while at < len(content):
        kind = content[at : at + width(content[at])]
        at += len(kind)
        wide = width(content[at])
        size = int.from_bytes(content[at : at + wide], "big") - (1 << 7 * wide)
        at += wide
        end = len(content) if size == (1 << 7 * wide) - 1 else at + size
        yield kind, content[at:end]
        at = end


def width(first: int) -> int:
    """Give the bytes of a kind or size, from the first of them."""
    return 9 - first.bit_length()


def parts_of(file: OpenFile) -> Iterator[Element]:
    """Give the segment of a file of ours, and the parts of its header."""
    first = len(EBML) + SIZE.size
    head = file.read(0, first)
    if not head.startswith(EBML) or len(head) < first:
        return
    at = first + SIZE.unpack_from(head, len(EBML))[0] - LONG_SIZE
    for kinds in ((SEGMENT,), (VOID, SEEK_HEAD), (INFO,), (TRACKS,), (TAGS,), (VOID,)):
        head = file.read(at, len(SEGMENT) + SIZE.size)
        kind = next((kind for kind in kinds if head.startswith(kind)), b"")
        content = at + len(kind) + SIZE.size
        if not kind or len(head) < content - at:
            return
        size = SIZE.unpack_from(head, len(kind))[0] - LONG_SIZE
        yield Element(kind, at, content, content + size)
        at = content if kind == SEGMENT else content + size
