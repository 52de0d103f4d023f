"""Frames appended to one BigTIFF, a page for each plane, uncompressed.

All pages of a frame go out in one writev, each its IFD and then its pixels,
already linked among themselves. Only then is the link of the page before written,
8 aligned bytes: until that moment the frame is not in the file, after it the whole
frame is. So a crash leaves at most one frame's bytes that no reader sees.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import imagecodecs
import numpy as np

from ..errors import FrameShapeError, RecordingError
from ..frames import AnyArray, Frame, FrameInfo, numpy_dtype
from ..spec import Plane
from .chain import Tail, crc_matches, last_good
from .disk import FILE_MODE, NEW_FILE, disk_error, disk_errors, write_all
from .ifd import Entry, Ifd, Picture
from .tags import HEADER, LINK, STAMP, Kind, Tag, aligned

PADDING = bytes(16)
SPARE = 4096  # more than the short tags of the first page


class PageWriter:
    """One file, open for appending; made by `create` or `resume`.

    Attributes:
        path: The file.
        frames: Whole frames in it.
        pages: Pages in it, planes times frames.
        nbytes: Its size; the next frame goes there.
        frame_nbytes: What a frame takes, but for the text on the first page.
        began_ns: `t_sensor_ns` of its first frame; None as long as it has none.
        next_index: `index` of its last frame + 1; 0 as long as it has none.
    """

    def __init__(
        self,
        path: Path,
        fd: int,
        planes: Sequence["PlaneWriter"],
        description: str,
        tail: Tail,
    ) -> None:
        self.path = path
        self._fd = fd
        self._planes = planes
        self._description = description
        self.frames, self.pages = tail.frames, tail.pages
        self.nbytes, self._link_at = tail.end, tail.link_at
        self.began_ns = tail.first.t_sensor_ns if tail.first else None
        self.next_index = tail.last.index + 1 if tail.last else 0
        self.frame_nbytes = frame_nbytes(planes)

    @classmethod
    def create(cls, path: Path, planes: Sequence[Plane], description: str = "") -> Self:
        """Make a new file.

        Args:
            path: Must not be there yet.
            planes: What each frame has, in the order of the pages.
            description: JSON for the first page.

        Raises:
            DiskError: It is there, or cannot be written; `errno` says why.
        """
        writers = plane_writers(planes)
        with disk_errors(path):
            fd = os.open(path, NEW_FILE, FILE_MODE)
            try:
                write_all(fd, [HEADER], 0)
            except OSError:
                os.close(fd)
                path.unlink()
                raise
        return cls(path, fd, writers, description, Tail(None, None, len(HEADER)))

    @classmethod
    def resume(cls, path: Path, planes: Sequence[Plane], description: str = "") -> Self:
        """Go on in a file whose writer was killed.

        What follows its last whole frame is cut off, if it is no more than the one
        frame that can have been under way.

        Raises:
            RecordingError: More than that follows: the file is damaged, not torn.
            DiskError: The file cannot be read or written.
        """
        writers = plane_writers(planes)
        with disk_errors(path):
            tail = last_good(path)
            ghost = tail.size - tail.end
            if ghost > frame_nbytes(writers) + len(description) + SPARE:
                raise RecordingError(f"{path}: {ghost} bytes after the last frame")
            return cls(path, opened_and_cut(path, tail), writers, description, tail)

    def append(self, frame: Frame) -> None:
        """Write a frame; when this returns, a reader of the file finds it.

        The pixels go to the kernel from where they are, uncopied, unless they are
        not contiguous or not little-endian.

        Raises:
            DiskError: It cannot be written; the file is as it was before.
            FrameShapeError: The frame has not the planes that the file has.
        """
        chunks, end, link_at = self._render(frame)
        try:
            write_all(self._fd, chunks, self.nbytes)
            write_all(self._fd, [LINK.pack(self.nbytes)], self._link_at)
        except OSError as error:
            self._take_back()
            raise disk_error(self.path, error) from error
        if self.began_ns is None:
            self.began_ns = frame.info.t_sensor_ns
        self.next_index = frame.info.index + 1
        self.frames += 1
        self.pages += len(self._planes)
        self.nbytes, self._link_at = end, link_at

    def sync(self) -> None:
        """Return when all that was appended is on the disk; raises OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file, without waiting for the disk. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Close and delete the file: readers stumble over one without a frame."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _render(
        self, frame: Frame
    ) -> tuple[list[bytes | bytearray | AnyArray], int, int]:
        """Give what to write, where it will end, and where the next link goes."""
        chunks: list[bytes | bytearray | AnyArray] = []
        offset, link_at, last = self.nbytes, self._link_at, len(self._planes) - 1
        for plane in self._planes:
            ifd = plane.ifd
            if not self.pages and not plane.number:
                ifd = plane.first_ifd(self._description, frame.info.t_unix_ns)
            pixels = plane.raw(frame[plane.name])
            end = aligned(offset + ifd.nbytes + len(pixels))
            following = end if plane.number < last else 0
            head = ifd.at(offset, plane.stamp(frame.info, pixels), following)
            chunks += head, pixels, PADDING[: -len(pixels) % 16]
            link_at, offset = offset + ifd.link_at, end
        return chunks, offset, link_at

    def _take_back(self) -> None:
        # A disk that fails here too leaves bytes that `resume` and readers pass over.
        with suppress(OSError):
            os.pwrite(self._fd, LINK.pack(0), self._link_at)
            os.ftruncate(self._fd, self.nbytes)


class PlaneWriter:
    """Turns one plane of each frame into a page.

    Attributes:
        number: Which plane of the frame it is, from 0.
        ifd: The directory of its pages, but for the first page of a file.
        page_nbytes: What a page takes.
    """

    def __init__(self, plane: Plane, number: int, planes: int) -> None:
        self.name = plane.name
        self.number = number
        self._planes = planes
        self._shape, self._dtype = plane.shape, numpy_dtype(plane.dtype)
        picture = Picture.of(plane)
        self._entries = [
            *picture.entries(),
            Entry.text(Tag.PAGE_NAME, plane.name),
            Entry(Tag.STAMP, Kind.BYTE, STAMP.size, bytes(STAMP.size)),
        ]
        self.ifd = Ifd(self._entries)
        self.page_nbytes = aligned(self.ifd.nbytes + picture.nbytes)

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

    def raw(self, pixels: AnyArray) -> AnyArray:
        """Give the bytes as the file has them, a view wherever one can be had."""
        if pixels.shape != self._shape or pixels.dtype != self._dtype:
            raise FrameShapeError(
                f"plane {self.name}: is {pixels.shape} {pixels.dtype}, "
                f"expected {self._shape} {self._dtype}"
            )
        little = pixels.astype(pixels.dtype.newbyteorder("<"), order="C", copy=False)
        return little.reshape(-1).view(np.uint8)

    def stamp(self, info: FrameInfo, pixels: AnyArray) -> bytes:
        """Give the value of the private tag."""
        return STAMP.pack(
            info.seq,
            info.index,
            info.t_sensor_ns,
            info.t_unix_ns,
            imagecodecs.deflate_crc32(pixels),  # type: ignore[arg-type]
            self.number,
            self._planes,
        )


def repair(path: Path) -> int:
    """Cut off what follows the last whole frame with the right CRC; say how much.

    For files that nobody writes any more: after a power cut the end of a file may
    be linked and yet be zeros.
    """
    with disk_errors(path):
        tail = last_good(path, trusted=crc_matches)
        os.close(opened_and_cut(path, tail))
    return max(tail.size - tail.end, 0)


def opened_and_cut(path: Path, tail: Tail) -> int:
    """Open a file and end it with its last whole frame; mend a torn header.

    The link goes first: were the bytes cut first, a crash in between would leave
    a link to nowhere.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if tail.last is None:
            write_all(fd, [HEADER], 0)
        else:
            write_all(fd, [LINK.pack(0)], tail.link_at)
        os.ftruncate(fd, tail.end)
    except OSError:
        os.close(fd)
        raise
    return fd


def plane_writers(planes: Sequence[Plane]) -> list[PlaneWriter]:
    """Give what writes each plane, in order; raises `FrameShapeError`."""
    return [PlaneWriter(p, number, len(planes)) for number, p in enumerate(planes)]


def frame_nbytes(writers: Sequence[PlaneWriter]) -> int:
    """Give what a frame takes, but for the text on the first page."""
    return sum(writer.page_nbytes for writer in writers)
