"""What is known of one frame of a video without decoding it.

Each frame lies in the file behind a head of its own: its stamp, as pages of a TIFF
have it, and what the container wants before the data. A CRC-32 in the stamp tells
whether all of the head is as it was written. Knows no numpy.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..stamp import CHECK, CHECK_AT, STAMP, Stamped, read_stamp
from ..tiff.pagerecord import OpenFile

ALIGN = 8  # frames start on a multiple of it
LINKED = 4  # bytes of a head that are written last: with them the frame is there
MAX_STAMP = 1 << 20  # bytes, the user's fields among them
SECOND_US = 1_000_000

Patch = tuple[int, bytes]  # where, what
Key = tuple[int, int]  # when a key frame is shown, where it starts
Blank = tuple[int, int]  # where, how many bytes, that a check does not vouch for


class VideoRecord(Stamped, frozen=True, kw_only=True):
    """One frame: where it lies, when it is shown, and what its stamp says.

    Attributes:
        page: Counts frames of the file, from 0.
        offset: Where its head starts.
        data_at: Where its packet starts.
        nbytes: Size of the packet.
        t_us: When it is shown, from the first frame of the file on.
        is_key: It can be decoded without those before.
    """

    page: int
    offset: int
    data_at: int
    nbytes: int
    t_us: int
    is_key: bool

    @property
    def end(self) -> int:
        """Where the next frame starts."""
        return self.data_at + self.nbytes


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame as a container has it.

    Attributes:
        number: Counts frames of the file, from 0.
        t_us: When it is shown, from the first frame of the file on.
        duration_us: How long, unless the next one comes sooner.
        is_key: It can be decoded without those before.
    """

    number: int
    t_us: int
    duration_us: int
    is_key: bool


class Container(Protocol):
    """How a kind of file holds frames.

    Attributes:
        suffix: Of its files.
        muxer: What FFmpeg calls it.
        options: For its muxer, which makes the header and nothing else.
        duration_back: So far before its data the duration of a frame stands; 0: it
            stands nowhere, players look at the next frame.
        mark: Each head has these bytes, and hardly anything else does.
        mark_at: Where in the head.
    """

    suffix: str
    muxer: str
    options: dict[str, str]
    duration_back: int
    mark: bytes
    mark_at: int

    def header(self, made: bytes) -> bytes:
        """Give the header for a file of ours, from that of the muxer."""

    def head(self, shown: Shown, nbytes: int, stamp: bytes) -> bytearray:
        """Give what stands before the data of a frame, so that it ends aligned."""

    def duration(self, duration_us: int) -> bytes:
        """Give what stands there."""

    def begins_at(self, file: OpenFile) -> int:
        """Say where the frames of a file begin; 0 if it is not whole, or not ours."""

    def read(self, file: OpenFile, number: int, offset: int) -> VideoRecord | None:
        """Read the frame at `offset`; None unless it is a whole one of ours."""

    def filler(self, nbytes: int) -> bytes:
        """Give what makes players pass over so many bytes that begin with it.

        Args:
            nbytes: A multiple of `ALIGN`.
        """

    def after_filler(self, file: OpenFile, offset: int) -> int:
        """Say where a filler ends that stands at `offset`; 0 if none does."""

    def index(
        self, file: OpenFile, keys: Sequence[Key], end: int, duration_us: int
    ) -> list[Patch]:
        """Say what to write where, for players to know the length and to seek.

        Args:
            file: One of ours, with its header.
            keys: Where to seek to, in order.
            end: Where its frames end.
            duration_us: Of all of them.
        """


def seal(head: bytearray, stamp_at: int, blanks: Sequence[Blank] = ()) -> bytearray:
    """Set the check of the stamp that lies at `stamp_at` of a head."""
    CHECK.pack_into(head, stamp_at + CHECK_AT, check_of(head, stamp_at, blanks))
    return head


def is_sealed(head: bytes, stamp_at: int, blanks: Sequence[Blank] = ()) -> bool:
    """Whether a head is as it was written."""
    (check,) = CHECK.unpack_from(head, stamp_at + CHECK_AT)
    return bool(check == check_of(head, stamp_at, blanks))


def check_of(head: bytes | bytearray, stamp_at: int, blanks: Sequence[Blank]) -> int:
    """Give the CRC-32 of a head, its check and `blanks` counted as 0."""
    plain = bytearray(head)
    for at, size in [(stamp_at + CHECK_AT, CHECK.size), *blanks]:
        plain[at : at + size] = bytes(size)
    return zlib.crc32(plain)


def padded(stamp: bytes, around: int) -> bytes:
    """Fill a stamp up, so that with `around` more bytes the frame ends aligned.

    The last byte says by how many.
    """
    more = ALIGN - (len(stamp) + around) % ALIGN
    return stamp + bytes([more]) * more


def stamped(text: bytes, **where: Any) -> VideoRecord:  # noqa: ANN401 - of all types
    """Give the record of a frame from its padded stamp, and from its container."""
    fields = text[STAMP.size : -text[-1]]
    return VideoRecord(**read_stamp(text), fields=fields, **where)
