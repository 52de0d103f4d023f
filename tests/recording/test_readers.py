"""Other people's readers get back every byte."""

import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageSequence

from imagemp.frames import AnyArray
from imagemp.recording.plan import UNCOMPRESSED, Compression
from imagemp.recording.tiff.bigtiff import PageWriter
from imagemp.spec import FrameSpec
from tests.recording.shots import shot

TIFFINFO = shutil.which("tiffinfo")
GREY = [FrameSpec.image((6, 8), dtype) for dtype in ("u1", "<u2", "<f4")]
COLOUR = [FrameSpec.image((6, 8, 3), dtype) for dtype in ("u1", "<u2", "<f4")]
ODD = [
    FrameSpec.image((6, 8, 4), "u1"),
    FrameSpec.image((5, 7), "?"),
    FrameSpec.image((5, 7), "<i8"),
    FrameSpec.image((5, 7), "<c8"),
    FrameSpec.image((9,), "<f8"),
    FrameSpec.image((2, 5, 7), "<u2"),
]


ZLIB = [Compression("zlib"), Compression("zlib", predictor=False)]
ZSTD = [Compression("zstd"), Compression("zstd", predictor=False)]
NONE = UNCOMPRESSED


def label(chosen: FrameSpec | Compression) -> str:
    if isinstance(chosen, Compression):
        return f"{chosen.kind}{'' if chosen.predictor else '-plain'}"
    plane = chosen.planes[0]
    return f"{plane.dtype}-{'x'.join(map(str, plane.shape))}"


def each(choices: list[Compression]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("compression", choices, ids=label)


def written(
    folder: Path, spec: FrameSpec, compression: Compression = UNCOMPRESSED
) -> tuple[Path, list[AnyArray]]:
    """Write three frames, and give them beside the file."""
    path, frames = folder / "frames.tif", [shot(spec, index) for index in range(3)]
    writer = PageWriter.create(path, spec.planes, '{"fps": 30}', (), compression)
    for frame in frames:
        writer.append(frame)
    writer.close()
    return path, [frame.image for frame in frames]


def assert_same(found: list[AnyArray], expected: list[AnyArray]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.tobytes() == other.tobytes()


@each([NONE, *ZLIB, *ZSTD])
@pytest.mark.parametrize("spec", GREY + COLOUR + ODD, ids=label)
def test_tifffile_reads_back_what_was_written(
    tmp_path: Path, spec: FrameSpec, compression: Compression
) -> None:
    path, expected = written(tmp_path, spec, compression)

    with tifffile.TiffFile(path) as tiff:
        found = [page.asarray() for page in tiff.pages]

    assert_same(found, expected)


@each([NONE, *ZLIB])
@pytest.mark.parametrize("spec", GREY + COLOUR, ids=label)
def test_opencv_reads_back_what_was_written(
    tmp_path: Path, spec: FrameSpec, compression: Compression
) -> None:
    path, expected = written(tmp_path, spec, compression)

    done, found = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)

    assert done
    assert_same([one[..., ::-1] if one.ndim == 3 else one for one in found], expected)


def test_opencv_does_not_open_what_check_says_it_cannot(tmp_path: Path) -> None:
    path, _ = written(tmp_path, GREY[0], ZSTD[0])

    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is None


@each([NONE, *ZLIB, *ZSTD])
@pytest.mark.parametrize("spec", [*GREY, COLOUR[0]], ids=label)
def test_pillow_reads_back_what_was_written(
    tmp_path: Path, spec: FrameSpec, compression: Compression
) -> None:
    path, expected = written(tmp_path, spec, compression)

    with Image.open(path) as image:
        found = [np.asarray(page).copy() for page in ImageSequence.Iterator(image)]

    assert_same(found, expected)


@pytest.mark.skipif(TIFFINFO is None, reason="tiffinfo (libtiff-tools) is not here")
@each([NONE, *ZLIB, *ZSTD])
@pytest.mark.parametrize("spec", GREY + COLOUR + ODD, ids=label)
def test_libtiff_reads_back_what_was_written(
    tmp_path: Path, spec: FrameSpec, compression: Compression
) -> None:
    path, expected = written(tmp_path, spec, compression)

    command = [str(TIFFINFO), "-d", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603

    strips = re.findall(r"Strip 0:\n([0-9a-f \n]+)", told.stdout)
    assert [bytes.fromhex(one) for one in strips] == [a.tobytes() for a in expected]
    warnings = [line for line in told.stderr.splitlines() if "tag 65100" not in line]
    assert warnings == []


def test_a_big_endian_plane_is_turned_round(tmp_path: Path) -> None:
    path, expected = written(tmp_path, FrameSpec.image((6, 8), ">u2"))

    assert np.array_equal(tifffile.imread(path, key=2), expected[2])


def test_what_tiff_has_no_number_for_is_stored_as_bytes(tmp_path: Path) -> None:
    spec = FrameSpec.image((4,), "S3")
    path, expected = written(tmp_path, spec)

    found = tifffile.imread(path, key=1)

    assert found.shape == (1, 12)
    assert found.tobytes() == expected[1].tobytes()


def test_the_first_page_says_what_the_file_is(tmp_path: Path) -> None:
    path, _ = written(tmp_path, GREY[0])

    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags

        assert tags["ImageDescription"].value == '{"fps": 30}'
        assert tags["Software"].value == "imagemp"
        assert tags["DateTime"].value == "2027:01:15 08:00:00"
