"""Reading what sessions left: which there are, their frames, the pixels of a page.

Knows numpy only where pixels are asked for, so that imagectl may list sessions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RecordingError
from .folder import MAIN, SEGMENT, log_path, segment_paths
from .manifest import MANIFEST, Manifest, read_manifest
from .tiff.chain import walk_frames
from .tiff.pagerecord import PageRecord, opened

if TYPE_CHECKING:
    from ..frames import AnyArray


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


def frames(
    folder: Path, encoder: str = MAIN
) -> Iterator[tuple[Path, list[PageRecord]]]:
    """Give the pages of each whole frame of a session, and their file."""
    for path in segment_paths(folder, encoder):
        for frame in walk_frames(path):
            yield path, frame


def read_pixels(path: Path, page: PageRecord) -> "AnyArray":
    """Give a page's pixels as TIFF has them: (h, w), or (h, w, 3 or 4).

    Raises:
        RecordingError: The page's numbers contradict each other.
    """
    from .tiff.codec import sample_dtype, unpacked

    shape = (page.rows, page.columns, page.samples)
    with opened(path) as file:
        data = file.read(page.data_at, page.nbytes)
    try:
        dtype = sample_dtype(page.sample_format, page.bits)
        pixels = unpacked(data, shape, dtype, (page.compressed, page.predictor))
    except RecordingError as error:
        raise RecordingError(f"{path}: page {page.page}: {error}") from error
    return pixels[:, :, 0] if page.samples == 1 else pixels
