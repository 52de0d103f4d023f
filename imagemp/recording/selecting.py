"""One plane of some frames of a recording, to be read one after the other."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RecordingError
from ..frames import AnyArray, numpy_dtype
from ..spec import Plane
from .disk import disk_errors
from .folder import MAIN
from .holdings import spec_in
from .pagerecord import PageRecord, has_its_pixels, opened
from .reading import frames, read_pixels


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

    def pages(self) -> Iterator[tuple[Path, PageRecord]]:
        """Give the page of each frame, and its file."""
        found = frames(self.folder, self.encoder)
        for path, frame in islice(found, self.first, self.first + self.count):
            yield path, frame[self.number]

    def pictures(self) -> Iterator[tuple[PageRecord, AnyArray]]:
        """Give each page and its pixels, (h, w) or (h, w, 3 or 4); bool as bool.

        Raises:
            RecordingError: The pixels are not those that were written.
            DiskError: They cannot be read.
        """
        for path, page in self.pages():
            yield page, self._checked(path, page)

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

    def _checked(self, path: Path, page: PageRecord) -> AnyArray:
        with disk_errors(path), opened(path) as file:
            if not has_its_pixels(file, page):
                problem = f"{path}: seq {page.seq}: its pixels are damaged"
                raise RecordingError(
                    problem, "imagectl recordings repair leaves it out"
                )
            pixels = read_pixels(path, page)
        is_bool = self.plane is not None and numpy_dtype(self.plane.dtype) == np.bool_
        return pixels.view(np.bool_) if is_bool else pixels


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
        RecordingError: There are no such frames, or no such plane.
    """
    times, pages = array("q"), None
    with disk_errors(folder):
        for _, frame in frames(folder, encoder):
            pages = pages or frame
            times.append(frame[0].t_sensor_ns)
    first, end, _ = chosen.indices(len(times))
    if pages is None or first >= end:
        asked = f"{_text(chosen.start)}:{_text(chosen.stop)}"
        problem = f"{folder}: encoder {encoder}: no frames in {asked} of {len(times)}"
        raise RecordingError(problem)
    number = _plane_number(folder, pages, plane)
    return Selection(
        folder,
        encoder,
        number,
        pages[number].plane_name,
        _plane(folder, encoder, number),
        first,
        end - first,
        times[first],
        times[end - 1],
    )


def _plane_number(folder: Path, pages: list[PageRecord], name: str | None) -> int:
    names = [page.plane_name for page in pages]
    if name is not None and name not in names:
        known = ", ".join(names)
        raise RecordingError(f"{folder}: no plane {name!r}; there is {known}")
    return names.index(name) if name is not None else 0


def _plane(folder: Path, encoder: str, number: int) -> Plane | None:
    """Give what the source said of a plane."""
    spec = spec_in(folder, encoder)
    return spec.planes[number] if spec is not None else None


def _text(number: Any) -> str:  # noqa: ANN401 - of a slice
    return "" if number is None else str(number)
