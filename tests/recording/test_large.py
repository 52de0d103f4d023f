"""Recordings of many gigabytes: in segments, and in one file beyond 4 GiB."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from imagemp.frames import AnyArray, Frame, FrameInfo
from imagemp.recording.plan import RecordingPlan, SegmentLimits
from imagemp.recording.reading import read_pixels
from imagemp.recording.tiff.chain import walk_pages
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec
from tests.recording.shots import log_column

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
GIB = 2**30
SMALL, LARGE = (400, 450), (1080, 1920, 3)


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Path]:
    """Give a folder with room for 12 GiB, emptied afterwards."""
    if shutil.disk_usage(tmp_path).free < 12 * GIB:
        pytest.skip(f"less than 12 GiB free in {tmp_path}")
    folder = tmp_path / "large"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def numbered(shape: tuple[int, ...], index: int) -> AnyArray:
    """Give noise that begins with the number of the frame."""
    noise = np.frombuffer(np.random.default_rng(0).bytes(99_991), "u1")
    picture = np.resize(noise, shape)
    picture.reshape(-1)[:8] = np.frombuffer(index.to_bytes(8, "little"), "u1")
    return picture


def record(folder: Path, shape: tuple[int, ...], n: int, limits: SegmentLimits) -> None:
    """Record n frames."""
    base = numbered(shape, 0)
    plan = RecordingPlan(FrameSpec.image(shape), limits=limits)
    with Recording.create(folder, plan) as recording:
        for index in range(n):
            number = np.frombuffer(index.to_bytes(8, "little"), "u1")
            base.reshape(-1)[:8] = number
            recording.append(Frame({"image": base}, FrameInfo(seq=index, index=index)))


def number_of(picture: AnyArray) -> int:
    """Give the number that a picture begins with."""
    return int.from_bytes(picture.reshape(-1)[:8].tobytes(), "little")


def by_libtiff(path: Path, page: int, shape: tuple[int, ...]) -> AnyArray:
    """Have libtiff decode one page."""
    command = ["tiffinfo", "-d", f"-{page}", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    strip = re.search(r"Strip 0:\n([0-9a-f \n]+)", told.stdout)
    assert strip is not None
    return np.frombuffer(bytes.fromhex(strip[1]), "u1").reshape(shape)


def by_opencv(path: Path, page: int) -> AnyArray:
    """Have OpenCV read one page."""
    flags = cv2.IMREAD_UNCHANGED
    done, found = cv2.imreadmulti(str(path), start=page, count=1, flags=flags)
    assert done
    picture: AnyArray = found[0]
    return picture[..., ::-1] if picture.ndim == 3 else picture


def by_pillow(path: Path, page: int) -> AnyArray:
    """Have Pillow read one page."""
    with Image.open(path) as image:
        image.seek(page)
        return np.asarray(image).copy()


def test_thirty_thousand_pages_in_segments_are_all_read(roomy: Path) -> None:
    record(roomy, SMALL, 30_000, SegmentLimits(segment_pages=7_000))

    paths = sorted(roomy.glob("*.tif"))
    assert sum(path.stat().st_size for path in paths) > 5 * GIB
    seqs = [page.seq for path in paths for page in walk_pages(path)]
    assert seqs == list(range(30_000))
    assert log_column(roomy, "seq") == [str(n) for n in seqs]
    read = []
    for path in paths:
        with tifffile.TiffFile(path) as tiff:
            read += [number_of(page.asarray()) for page in tiff.pages]
        first = len(read) - len(list(walk_pages(path)))
        for page in (0, 1_000, 1_999):
            expected = numbered(SMALL, first + page)
            assert np.array_equal(by_opencv(path, page), expected)
            assert np.array_equal(by_libtiff(path, page, SMALL), expected)
            assert np.array_equal(by_pillow(path, page), expected)
    assert read == seqs


def test_one_file_beyond_4_gib_is_read_to_its_end(roomy: Path) -> None:
    n = 720
    record(roomy, LARGE, n, SegmentLimits(0, 0, 0))

    path = roomy / "frames-0000.tif"
    assert path.stat().st_size > 4 * GIB
    pages = list(walk_pages(path))
    assert [page.seq for page in pages] == list(range(n))
    assert pages[-1].data_at > 4 * GIB
    expected = numbered(LARGE, n - 1)
    with tifffile.TiffFile(path) as tiff:
        numbers = [number_of(page.asarray()) for page in tiff.pages]
        assert np.array_equal(tiff.pages[-1].asarray(), expected)
    assert numbers == list(range(n))
    assert np.array_equal(by_opencv(path, n - 1), expected)
    assert np.array_equal(by_libtiff(path, n - 1, LARGE), expected)
    assert np.array_equal(by_pillow(path, n - 1), expected)
    assert np.array_equal(read_pixels(path, pages[-1]), expected)
