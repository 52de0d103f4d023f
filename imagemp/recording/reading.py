"""Reading what sessions left: which there are, their pages, a sheet of pictures.

Knows numpy only where pixels are asked for, so that imagectl may list sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RecordingError
from .chain import walk_frames, walk_pages
from .folder import MAIN, SEGMENT, log_path, segment_paths
from .manifest import MANIFEST, Manifest, read_manifest
from .pagerecord import PageRecord, opened

if TYPE_CHECKING:
    from ..frames import AnyArray

THUMB_WIDTH = 320


@dataclass(frozen=True, slots=True)
class Session:
    """A session found on disk.

    Attributes:
        path: Its folder.
        manifest: None if it cannot be read.
        problem: Why it cannot be read.
    """

    path: Path
    manifest: Manifest | None
    problem: str = ""


def sessions(data_dir: Path) -> list[Session]:
    """Give all sessions of all pipelines, oldest first, unreadable ones too."""
    found = [path for path in data_dir.glob("*/*/") if is_session(path)]
    return [read_session(path) for path in sorted(found, key=lambda path: path.name)]


def unended(data_dir: Path, pipeline: str) -> list[Session]:
    """Give the sessions of a pipeline that nobody ended, oldest first.

    They say `running`, or nothing that can be read; one that is on does as well.
    """
    found = sorted(
        path for path in (data_dir / pipeline).glob("*/") if is_session(path)
    )
    states = [read_session(path) for path in found]
    return [s for s in states if s.manifest is None or s.manifest.state == "running"]


def is_session(folder: Path) -> bool:
    """Whether a session has left something in this folder, be it never so little."""
    known = {MANIFEST, f"{MANIFEST}.new", log_path(folder, MAIN).name}
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # not a folder, or not for us
        return False
    return any(name in known or SEGMENT.fullmatch(name) for name in names)


def read_session(path: Path) -> Session:
    """Give the session in a folder."""
    try:
        return Session(path, read_manifest(path))
    except RecordingError as error:
        return Session(path, None, str(error))


def pages(folder: Path, encoder: str = MAIN) -> Iterator[tuple[Path, PageRecord]]:
    """Give each page of a session and the file it is in."""
    for path in segment_paths(folder, encoder):
        for page in walk_pages(path):
            yield path, page


def frames(
    folder: Path, encoder: str = MAIN
) -> Iterator[tuple[Path, list[PageRecord]]]:
    """Give the pages of each whole frame of a session, and their file."""
    for path in segment_paths(folder, encoder):
        for frame in walk_frames(path):
            yield path, frame


def read_pixels(path: Path, page: PageRecord) -> AnyArray:
    """Give a page's pixels as TIFF has them: (h, w), or (h, w, 3 or 4).

    Raises:
        RecordingError: The page's numbers contradict each other.
    """
    from .codec import sample_dtype, unpacked

    shape = (page.rows, page.columns, page.samples)
    with opened(path) as file:
        data = file.read(page.data_at, page.nbytes)
    try:
        dtype = sample_dtype(page.sample_format, page.bits)
        pixels = unpacked(data, shape, dtype, (page.compressed, page.predictor))
    except RecordingError as error:
        raise RecordingError(f"{path}: page {page.page}: {error}") from error
    return pixels[:, :, 0] if page.samples == 1 else pixels


def contact_sheet(folder: Path, path: Path, columns: int = 4, rows: int = 3) -> Path:
    """Write a PNG of frames evenly spaced over a session; give its path back.

    First plane of each; bool and all but u1 are stretched from darkest to brightest.

    Raises:
        RecordingError: There is no frame, or the PNG cannot be written.
    """
    import cv2
    import numpy as np

    found = [(file, frame[0]) for file, frame in frames(folder)]
    if not found:
        raise RecordingError(f"{folder}: no frames")
    chosen = [found[at] for at in evenly_spaced(len(found), columns * rows)]
    thumbs = [thumbnail(read_pixels(*one), f"{one[1].seq}") for one in chosen]
    while len(thumbs) < columns * rows:
        thumbs.append(np.zeros_like(thumbs[0]))
    lines = [np.hstack(thumbs[at * columns :][:columns]) for at in range(rows)]
    if not cv2.imwrite(str(path), np.vstack(lines)):
        raise RecordingError(f"{path}: cannot be written")
    return path


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Choose numbers below `count`, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return [at * (count - 1) // max(wanted - 1, 1) for at in range(wanted)]


def thumbnail(pixels: AnyArray, label: str) -> AnyArray:
    """Give a small BGR picture with a label in its corner."""
    import cv2

    picture = stretched(pixels)
    height = max(1, picture.shape[0] * THUMB_WIDTH // picture.shape[1])
    picture = cv2.resize(picture, (THUMB_WIDTH, height), interpolation=cv2.INTER_AREA)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    else:
        picture = cv2.cvtColor(picture[:, :, :3], cv2.COLOR_RGB2BGR)
    white, place = (255, 255, 255), (6, max(height - 8, 1))
    return cv2.putText(picture, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, white)


def stretched(pixels: AnyArray) -> AnyArray:
    """Give a picture as u1, whatever its numbers mean."""
    import numpy as np

    if pixels.dtype == np.uint8 and pixels.max() > 1:  # not what was bool
        return pixels
    numbers = np.nan_to_num(np.abs(pixels) if pixels.dtype.kind == "c" else pixels)
    low, high = float(numbers.min()), float(numbers.max())
    scale = 255 / (high - low) if high > low else 0.0
    return ((numbers - low) * scale).astype(np.uint8)
