"""Frames appended to one BigTIFF, a page for each plane.

All pages of a frame go out in one writev, each its IFD and then its pixels,
already linked among themselves. Only then is the link of the page before written,
8 aligned bytes: until that moment the frame is not in the file, after it the whole
frame is. So a crash leaves at most one frame's bytes that no reader sees.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from ...errors import RecordingError
from ...frames import Frame
from ...spec import Field, Plane
from ..disk import FILE_MODE, NEW_FILE, disk_error, disk_errors, write_all
from ..plan import UNCOMPRESSED, Compression
from .chain import Tail, last_good
from .codec import Buffer
from .pages import Pages, Strips
from .tags import HEADER, LINK, aligned

PADDING = bytes(16)
SPARE = 4096  # more than the short tags of the first page


class PageWriter:
    """One file, open for appending; made by `create` or `resume`.

    Attributes:
        path: The file.
        frames: Whole frames in it.
        pages: Pages in it, planes times frames.
        nbytes: Its size; the next frame goes there.
        began_ns: `t_sensor_ns` of its first frame; None as long as it has none.
        next_index: `index` of its last frame + 1; 0 as long as it has none.
    """

    def __init__(
        self, path: Path, fd: int, pages: Pages, description: str, tail: Tail
    ) -> None:
        self.path = path
        self._fd = fd
        self._pages = pages
        self._description = description
        self.frames, self.pages = tail.frames, tail.pages
        self.nbytes, self._link_at = tail.end, tail.link_at
        self.began_ns = tail.first.t_sensor_ns if tail.first else None
        self.next_index = tail.last.index + 1 if tail.last else 0

    @classmethod
    def create(
        cls,
        path: Path,
        planes: Sequence[Plane],
        description: str = "",
        fields: Sequence[Field] = (),
        compression: Compression = UNCOMPRESSED,
    ) -> Self:
        """Make a new file.

        Args:
            path: Must not be there yet.
            planes: What each frame has, in the order of the pages.
            description: JSON for the first page.
            fields: What else each frame has; kept in the private tag.
            compression: Of each page.

        Raises:
            DiskError: It is there, or cannot be written; `errno` says why.
        """
        pages = Pages(planes, fields, compression)
        with disk_errors(path):
            fd = os.open(path, NEW_FILE, FILE_MODE)
            try:
                write_all(fd, [HEADER], 0)
            except OSError:
                os.close(fd)
                path.unlink()
                raise
        return cls(path, fd, pages, description, Tail(None, None, len(HEADER)))

    @classmethod
    def resume(
        cls,
        path: Path,
        planes: Sequence[Plane],
        description: str = "",
        fields: Sequence[Field] = (),
        compression: Compression = UNCOMPRESSED,
    ) -> Self:
        """Go on in a file whose writer was killed.

        What follows its last whole frame is cut off, if it is no more than the one
        frame that can have been under way.

        Raises:
            RecordingError: More than that follows: the file is damaged, not torn.
            DiskError: The file cannot be read or written.
        """
        pages = Pages(planes, fields, compression)
        with disk_errors(path):
            tail = last_good(path)
            ghost = tail.size - tail.end
            if ghost > pages.nbytes + len(description) + SPARE:
                raise RecordingError(f"{path}: {ghost} bytes after the last frame")
            return cls(path, opened_and_cut(path, tail), pages, description, tail)

    def nbytes_with(self, frame: Frame, strips: Strips | None) -> int:  # noqa: ARG002
        """Give the size after one more frame; None: one that is not compressed."""
        return self.nbytes + (
            self._pages.nbytes if strips is None else self._pages.nbytes_of(strips)
        )

    def append(self, frame: Frame, strips: Strips | None = None) -> None:
        """Write a frame; when this returns, a reader of the file finds it.

        Uncompressed pixels go to the kernel from where they are, uncopied, unless
        they are not contiguous or not little-endian.

        Args:
            frame: Must have the planes that the file has.
            strips: Its pixels, as a press has made them; None: they are made here.

        Raises:
            DiskError: It cannot be written; the file is as it was before.
            FrameShapeError: The frame has not the planes that the file has.
        """
        strips = strips or self._pages.strips(frame)
        chunks, end, link_at = self._render(frame, strips)
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
        self.pages += len(strips)
        self.nbytes, self._link_at = end, link_at

    def finish(self) -> None:
        """Do nothing: the file is whole after each frame."""

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

    def _render(self, frame: Frame, strips: Strips) -> tuple[list[Buffer], int, int]:
        """Give what to write, where it will end, and where the next link goes."""
        info, fields, last = frame.info, self._pages.fields(frame.info), len(strips) - 1
        chunks: list[Buffer] = []
        offset, link_at = self.nbytes, self._link_at
        for plane, (data, crc) in zip(self._pages.writers, strips, strict=True):
            ifd, size = plane.ifd, len(data)
            if not self.pages and not plane.number:
                ifd = plane.first_ifd(self._description, info.t_unix_ns)
            end = aligned(offset + ifd.nbytes + size)
            following = end if plane.number < last else 0
            stamp = plane.stamp(info, crc) + fields
            chunks += ifd.at(offset, size, stamp, following), data
            if rest := size % 16:
                chunks.append(PADDING[rest:])
            link_at, offset = offset + ifd.link_at, end
        return chunks, offset, link_at

    def _take_back(self) -> None:
        # A disk that fails here too leaves bytes that `resume` and readers pass over.
        with suppress(OSError):
            os.pwrite(self._fd, LINK.pack(0), self._link_at)
            os.ftruncate(self._fd, self.nbytes)


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
