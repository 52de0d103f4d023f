"""The frames of a file of a recording, whatever its format."""

from collections.abc import Iterator
from pathlib import Path

from ..folder import MAIN, segment_paths
from ..tiff.chain import walk_frames
from ..video.files import is_video
from .findings import Found, FramePages, OnBytes
from .pagesalvage import salvage
from .videosalvage import salvage_video


def look_through_file(
    path: Path, *, pixels: bool = True, on_bytes: OnBytes = lambda _: None
) -> Found:
    """Look through a file; nothing in it is believed, nothing is changed.

    Args:
        path: The file.
        pixels: Compare all pixels with their CRC, as they are stored.
        on_bytes: Told how far it has come, every now and then.

    Raises:
        DiskError: It cannot be read, which says nothing about what is in it.
    """
    look = salvage_video if is_video(path) else salvage
    return look(path, pixels=pixels, on_bytes=on_bytes)


def good_frames(path: Path) -> Iterator[FramePages]:
    """Give the pages of each frame that readers should see, in order.

    Those of a TIFF are found by its links, which lead around what is damaged. A video
    has none, so it is looked through.
    """
    if is_video(path):
        yield from salvage_video(path).frames
    else:
        yield from map(tuple, walk_frames(path))


def frames_in(folder: Path, encoder: str = MAIN) -> Iterator[tuple[Path, FramePages]]:
    """Give the pages of each frame of a session that readers should see."""
    for path in segment_paths(folder, encoder):
        for frame in good_frames(path):
            yield path, frame
