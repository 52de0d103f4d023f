"""The pixels of recorded frames, whatever they are recorded as."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from ...errors import RecordingError
from ...frames import AnyArray
from ..disk import disk_errors
from ..reading import read_pixels
from ..records import Record
from ..tiff.pagerecord import PageRecord, has_its_pixels, opened
from ..video.decoding import read_video
from ..video.files import has_its_data, is_video, walk_video
from ..video.records import VideoRecord

HINT = "imagectl recordings repair leaves it out"


def pictures_of(
    found: Iterable[tuple[Path, Record]], *, as_grey: bool = False
) -> Iterator[tuple[Record, AnyArray]]:
    """Give each page and its pixels, (h, w) or (h, w, 3 or 4).

    Args:
        found: Pages and their files, in the order in which they were recorded.
        as_grey: Give (h, w) where a codec made colours of what was grey.

    Raises:
        RecordingError: The pixels are not those that were written; or they are in a
            video, and PyAV is not there.
        DiskError: They cannot be read.
    """
    for path, group in groupby(found, key=itemgetter(0)):
        if is_video(path):
            wanted = [page for _, page in group if isinstance(page, VideoRecord)]
            yield from decoded(path, wanted, as_grey=as_grey)
        else:
            for _, page in group:
                if isinstance(page, PageRecord):
                    yield page, checked_pixels(path, page)


def checked_pixels(path: Path, page: PageRecord) -> AnyArray:
    """Read a page's pixels.

    Raises:
        RecordingError: They are not those that were written.
        DiskError: They cannot be read.
    """
    with disk_errors(path), opened(path) as file:
        if not has_its_pixels(file, page):
            raise RecordingError(
                f"{path}: seq {page.seq}: its pixels are damaged", HINT
            )
        return read_pixels(path, page)


def decoded(
    path: Path, wanted: list[VideoRecord], *, as_grey: bool
) -> Iterator[tuple[VideoRecord, AnyArray]]:
    """Decode some frames of a video.

    Raises:
        RecordingError: One of them, or one that it is decoded from, is damaged.
        DiskError: They cannot be read.
    """
    offsets = {record.offset for record in wanted}
    first = key_before(path, wanted[0])
    shown = read_video(path, first.t_us, as_grey=as_grey)
    is_good = False
    with disk_errors(path), opened(path) as file, closing(shown):
        for record in walk_video(path):
            if record.offset < first.offset:
                continue
            is_good = (is_good or record.is_key) and has_its_data(file, record)
            if record.offset not in offsets:
                continue
            pixels = next((p for t_us, p in shown if t_us == record.t_us), None)
            if pixels is None or not is_good:
                problem = f"{path}: seq {record.seq}: it cannot be decoded"
                raise RecordingError(problem, HINT)
            yield record, pixels
            if record.offset == wanted[-1].offset:
                return


def key_before(path: Path, wanted: VideoRecord) -> VideoRecord:
    """Give the key frame that decoding a frame begins with."""
    found = wanted
    for record in walk_video(path):
        if record.is_key:
            found = record
        if record.offset == wanted.offset:
            break
    return found
