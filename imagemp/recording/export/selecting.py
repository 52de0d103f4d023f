"""One plane of some frames of a recording, to be read one after the other."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RecordingError
from ...frames import AnyArray, numpy_dtype
from ...spec import FrameSpec, Plane
from ..disk import disk_errors
from ..folder import MAIN, segment_paths
from ..mend.findings import FramePages
from ..mend.holdings import spec_in, take_stock
from ..mend.recorded import frames_in
from ..records import Record
from ..tiff.pagerecord import PageRecord
from ..video.files import is_video
from .pictures import pictures_of


@dataclass(frozen=True, slots=True)
class Selection:
    """Frames of one encoder, one plane of each.

    Attributes:
        number: Which plane it is, from 0.
        name: Its name.
        plane: What the source gave; None where no file says so.
        first: Which recorded frame is the first, from 0.
        count: How many there are, at least one.
        t_first_ns: Sensor time of the first.
        t_last_ns: Of the last.
    """

    folder: Path
    encoder: str
    number: int
    name: str
    plane: Plane | None
    first: int
    count: int
    t_first_ns: int
    t_last_ns: int

    @property
    def fps(self) -> float:
        """Frames a second on average; 0 for a single one."""
        passed = self.t_last_ns - self.t_first_ns
        return (self.count - 1) * 1e9 / passed if passed > 0 else 0.0

    def pages(self) -> Iterator[tuple[Path, Record]]:
        """Give the page of each frame, and its file."""
        found = frames_in(self.folder, self.encoder)
        for path, frame in islice(found, self.first, self.first + self.count):
            yield path, frame[self.number]

    def pictures(self) -> Iterator[tuple[Record, AnyArray]]:
        """Give each page and its pixels, (h, w) or (h, w, 3 or 4); bool as bool.

        Raises:
            RecordingError: The pixels are not those that were written.
            DiskError: They cannot be read.
        """
        plane = self.plane
        is_bool = plane is not None and numpy_dtype(plane.dtype) == np.bool_
        as_grey = plane is not None and len(plane.shape) == 2
        for page, pixels in pictures_of(self.pages(), as_grey=as_grey):
            yield page, pixels.view(np.bool_) if is_bool else pixels

    def arrays(self) -> Iterator[AnyArray]:
        """Give the pixels of each frame in the shape that the source gave.

        Raises:
            RecordingError: The pixels are not those that were written.
            DiskError: They cannot be read.
        """
        for _, pixels in self.pictures():
            if self.plane is None:
                yield pixels
                continue
            dtype = numpy_dtype(self.plane.dtype).newbyteorder("<")
            flat = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
            yield flat.view(dtype).reshape(self.plane.shape)


def select(
    folder: Path,
    chosen: slice = slice(None),
    encoder: str = MAIN,
    plane: str | None = None,
) -> Selection:
    """Choose frames.

    Args:
        folder: The session's.
        chosen: Recorded frames by number, as rows of the frame log, from 0.
        encoder: Whose recording.
        plane: The name of one; None: the first.

    Raises:
        RecordingError: There are no such frames, or no such plane; or they are in a
            video that is not as it should be.
    """
    with disk_errors(folder):
        check_videos(folder, encoder)
        times, pages = times_in(folder, encoder)
    first, end, _ = chosen.indices(len(times))
    if pages is None or first >= end:
        asked = f"{_text(chosen.start)}:{_text(chosen.stop)}"
        problem = f"{folder}: encoder {encoder}: no frames in {asked} of {len(times)}"
        raise RecordingError(problem)
    spec = spec_in(folder, encoder)
    names = plane_names(pages, spec)
    number = _number_of(plane, names, folder)
    return Selection(
        folder,
        encoder,
        number,
        names[number],
        spec.planes[number] if spec is not None else None,
        first,
        end - first,
        times[first],
        times[end - 1],
    )


def times_in(folder: Path, encoder: str) -> tuple["array[int]", FramePages | None]:
    """Give the sensor time of each frame, and the pages of the first."""
    times, pages = array("q"), None
    for _, frame in frames_in(folder, encoder):
        pages = pages or frame
        times.append(frame[0].t_sensor_ns)
    return times, pages


def check_videos(folder: Path, encoder: str) -> None:
    """Raise unless all that is in videos can be shown.

    No link leads around what is damaged in a video: who read on would show pixels
    that nobody recorded, or count frames otherwise than the frame log.

    Raises:
        RecordingError: One is damaged, or its end is missing.
        DiskError: One cannot be read.
    """
    if not any(is_video(path) for path in segment_paths(folder, encoder)):
        return
    stock = take_stock(folder, encoder)
    if stock.torn or not (stock.log is None or stock.log.is_right):
        which = ", ".join(found.path.name for found in stock.torn) or "the frame log"
        problem = f"{folder}: {which}: damaged, or still being written"
        raise RecordingError(problem, f"imagectl recordings repair {folder.name}")


def plane_names(frame: FramePages, spec: FrameSpec | None) -> list[str]:
    """Give the name of each plane that was recorded; a video has the first only."""
    names = [page.plane_name for page in frame if isinstance(page, PageRecord)]
    return names or ([spec.planes[0].name] if spec is not None else [""])


def _number_of(plane: str | None, names: Sequence[str], folder: Path) -> int:
    if plane is not None and plane not in names:
        known = ", ".join(names)
        raise RecordingError(f"{folder}: no plane {plane!r}; there is {known}")
    return names.index(plane) if plane is not None else 0


def _text(number: Any) -> str:  # noqa: ANN401 - of a slice
    return "" if number is None else str(number)
