"""What is known of each frame of a file without its pixels, whatever its format."""

from collections.abc import Iterator
from pathlib import Path

from .tiff.chain import last_good, walk_frames
from .tiff.pagerecord import PageRecord
from .video.files import is_video, last_of, walk_video
from .video.records import VideoRecord

Record = PageRecord | VideoRecord


def records_of(path: Path) -> Iterator[Record]:
    """Give what is known of each frame of a file, by its first page, unchecked."""
    if is_video(path):
        yield from walk_video(path)
    else:
        yield from (frame[0] for frame in walk_frames(path))


def last_record(path: Path) -> Record | None:
    """Give what is known of the last frame of a file; None if it has none."""
    return last_of(path) if is_video(path) else last_good(path).last
