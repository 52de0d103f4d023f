"""Frames appended to one video, each in the file before `append` returns.

The codec gives one packet a frame, at once; head and packet go out in one writev.
Only then come the first four bytes of the head: until that moment no reader sees
the frame, after it the whole frame is there, and a kill -9 does not take it. A frame
is shown at the time of the sensor's clock, counted from the file's first frame.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Self

import imagecodecs

from ...errors import FrameShapeError
from ...frames import AnyArray, Frame, check_plane
from ..disk import FILE_MODE, NEW_FILE, disk_error, disk_errors, write_all
from ..plan import RecordingPlan
from ..tiff.pages import Strips, UserFields, packed_stamp
from .coder import Coder
from .files import CONTAINERS, USUAL_US, Seekable, shown_us, write_index
from .records import LINKED, SECOND_US, Shown


class VideoWriter:
    """One file, open for appending; made by `create`.

    An older file is never gone on with, for the codec's state is lost.

    Attributes:
        path: The file.
        frames: Frames in it.
        pages: The same: a frame is a page here.
        nbytes: Its size; the next frame goes there.
        began_ns: `t_sensor_ns` of its first frame; None as long as it has none.
        next_index: `index` of its last frame + 1; 0 as long as it has none.
    """

    def __init__(self, path: Path, fd: int, plan: RecordingPlan, coder: Coder) -> None:
        self.path = path
        self.frames = self.pages = self.nbytes = self.next_index = 0
        self.began_ns: int | None = None
        self._fd = fd
        self._coder = coder
        self._container = CONTAINERS[path.suffix]
        self._plane = plan.spec.planes[0]
        self._fields = UserFields(plan.spec.fields)
        self._period_us = round(SECOND_US / plan.fps) if plan.fps > 0 else USUAL_US
        self._seekable = Seekable()
        self._coded: tuple[Frame, bytes, bool] | None = None
        self._last_us = self._before_us = -1
        self._duration_at = 0  # of the last frame

    @classmethod
    def create(cls, path: Path, plan: RecordingPlan) -> Self:
        """Make a new file, which is empty until it has a frame.

        Raises:
            ConfigError: The codec takes no such frames, or is not here.
            DiskError: The file is there, or cannot be made; `errno` says why.
        """
        coder = Coder(plan, CONTAINERS[path.suffix])
        with disk_errors(path):
            fd = os.open(path, NEW_FILE, FILE_MODE)
        return cls(path, fd, plan, coder)

    def nbytes_with(self, frame: Frame, strips: Strips | None = None) -> int:  # noqa: ARG002
        """Give the size after this frame, which is encoded for that."""
        stamp = bytes(len(self._stamp(frame, b"")))
        data, _ = self._data(frame)
        head = self._container.head(Shown(0, 0, 0, is_key=True), len(data), stamp)
        return self.nbytes + len(head) + len(data)

    def append(self, frame: Frame, strips: Strips | None = None) -> None:  # noqa: ARG002
        """Write a frame; when this returns, a reader of the file finds it.

        Raises:
            DiskError: It cannot be written; the file is as it was before.
            FrameShapeError: The frame is not what the file holds.
        """
        data, is_key = self._data(frame)
        if self.began_ns is None:
            self.began_ns = frame.info.t_sensor_ns
        since_us = round((frame.info.t_sensor_ns - self.began_ns) / 1000)
        t_us = max(since_us, self._last_us + 1)  # players want times that ascend
        shown = Shown(self.frames, t_us, self._period_us, is_key)
        head = self._container.head(shown, len(data), self._stamp(frame, data))
        try:
            write_all(self._fd, [memoryview(head)[LINKED:], data], self.nbytes + LINKED)
            write_all(self._fd, [head[:LINKED]], self.nbytes)
        except OSError as error:
            self._take_back()
            raise disk_error(self.path, error) from error
        self._tell_duration(t_us)
        self._add(shown, self.nbytes + len(head), len(data))
        self.next_index = frame.info.index + 1
        self._coded = None

    def sync(self) -> None:
        """Return when all that was appended is on the disk; raises OSError."""
        os.fdatasync(self._fd)

    def finish(self) -> None:
        """No more frames come: tell players how long it is, and where to seek.

        A disk too full for that costs no frame: players then search.
        """
        if self.frames and self._fd >= 0:
            shown = shown_us(self._last_us, self._before_us)
            ends = self.nbytes, self._last_us + shown
            with suppress(OSError):
                write_index(self._fd, self.path.suffix, self._seekable, ends)
                self.nbytes = os.fstat(self._fd).st_size

    def close(self) -> None:
        """Close the file, without waiting for the disk. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Close and delete the file, which has no frame."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _data(self, frame: Frame) -> tuple[bytes, bool]:
        """Give a frame's packet; encode it unless that was done."""
        if self._coded is None or self._coded[0] is not frame:
            packet, is_key = self._coder.encode(self._pixels(frame))
            if not self.nbytes:
                self._write_header(packet)
            self._coded = frame, self._coder.data(packet), is_key
        return self._coded[1:]

    def _pixels(self, frame: Frame) -> AnyArray:
        pixels = frame.planes.get(self._plane.name)
        if pixels is None:
            name = self._plane.name
            raise FrameShapeError(f"plane {name}: the frame has no such plane")
        check_plane(self._plane, pixels)
        return pixels

    def _stamp(self, frame: Frame, data: bytes) -> bytes:
        crc = imagecodecs.deflate_crc32(data)
        fields = self._fields.pack(frame.info.fields) if self._fields.nbytes else b""
        return packed_stamp(frame.info, crc, 0, 1) + fields

    def _write_header(self, packet: bytes) -> None:
        header = self._coder.header(packet)
        try:
            write_all(self._fd, [header], 0)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, 0)
            raise disk_error(self.path, error) from error
        self.nbytes = len(header)

    def _add(self, shown: Shown, data_at: int, nbytes: int) -> None:
        if shown.is_key:
            self._seekable.add(shown.t_us, self.nbytes)
        back = self._container.duration_back
        self._duration_at = data_at - back if back else 0
        self._before_us = self._last_us if shown.number else shown.t_us
        self._last_us = shown.t_us
        self.frames = self.pages = shown.number + 1
        self.nbytes = data_at + nbytes

    def _tell_duration(self, t_us: int) -> None:
        """The frame before was shown until now; players that add up need that."""
        if self._duration_at:
            text = self._container.duration(t_us - self._last_us)
            with suppress(OSError):  # its time stands in the file as well
                write_all(self._fd, [text], self._duration_at)

    def _take_back(self) -> None:
        # A disk that fails here too leaves bytes that `conclude` and readers pass over.
        with suppress(OSError):
            os.pwrite(self._fd, bytes(LINKED), self.nbytes)
            os.ftruncate(self._fd, self.nbytes)
