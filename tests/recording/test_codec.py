"""Strips: smaller where they can be, and the same pixels again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from imagemp.errors import RecordingError
from imagemp.frames import AnyArray, Frame, FrameInfo, numpy_dtype
from imagemp.recording.plan import Compression
from imagemp.recording.reading import read_pixels
from imagemp.recording.tiff.bigtiff import PageWriter
from imagemp.recording.tiff.chain import walk_pages
from imagemp.recording.tiff.codec import Codec
from imagemp.recording.tiff.tags import Compressed, Predictor
from imagemp.spec import FrameSpec, Plane
from tests.recording.proofs import crc_matches
from tests.recording.shots import shot

ZLIB, ZSTD = Compression("zlib"), Compression("zstd")
KINDS = pytest.mark.parametrize("compression", [ZLIB, ZSTD], ids=["zlib", "zstd"])


def scene(plane: Plane, sigma: float = 2.0) -> AnyArray:
    """Give something with structure and noise, as a camera would."""
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    smooth = 120 + 60 * np.sin(x / 20) + 50 * np.cos(y / 25)
    noise = np.random.default_rng(0).normal(0, sigma, plane.shape)
    picture: AnyArray = smooth.reshape(plane.shape) + noise
    return picture.astype(numpy_dtype(plane.dtype))


def packed(plane: Plane, compression: Compression) -> int:
    """Give the size of a scene's strip."""
    raw = scene(plane).reshape(-1).view(np.uint8)
    return len(Codec(plane, compression).strip(raw))


def stored(path: Path, spec: FrameSpec, compression: Compression) -> list[AnyArray]:
    """Write three frames and read them back."""
    writer = PageWriter.create(path, spec.planes, "", (), compression)
    for index in range(3):
        writer.append(shot(spec, index))
    writer.close()
    pages = list(walk_pages(path))
    assert all(crc_matches(path, page) for page in pages)
    return [read_pixels(path, page) for page in pages]


@KINDS
@pytest.mark.parametrize(
    ("dtype", "predictor"),
    [
        ("u1", Predictor.HORIZONTAL),
        (">u2", Predictor.HORIZONTAL),
        ("<i4", Predictor.HORIZONTAL),
        ("<f2", Predictor.FLOAT),
        ("<f4", Predictor.FLOAT),
        ("<f8", Predictor.FLOAT),
        ("<c8", Predictor.NONE),
        ("?", Predictor.NONE),
        ("S3", Predictor.NONE),
        ([["xyz", "<f4", [3]], ["id", "<u2"]], Predictor.NONE),
    ],
    ids=str,
)
def test_numbers_are_predicted_as_tiff_has_it_and_come_back(
    tmp_path: Path, compression: Compression, dtype: str, predictor: Predictor
) -> None:
    spec = FrameSpec((Plane("image", (6, 8), dtype),))

    found = stored(tmp_path / "a.tif", spec, compression)

    (page, *_) = walk_pages(tmp_path / "a.tif")
    assert page.predictor == predictor
    assert page.compressed == Compressed[compression.kind.upper()]
    for index, pixels in enumerate(found):
        expected = shot(spec, index).image
        little = expected.astype(expected.dtype.newbyteorder("<"))
        assert pixels.tobytes() == little.tobytes()


@pytest.mark.parametrize("shape", [(6, 8, 3), (6, 8, 4), (9,), (2, 5, 7), (6, 8, 1)])
@KINDS
def test_every_shape_comes_back(
    tmp_path: Path, compression: Compression, shape: tuple[int, ...]
) -> None:
    for dtype in ("u1", "<f4"):
        spec = FrameSpec.image(shape, dtype)
        found = stored(tmp_path / f"{dtype}.tif", spec, compression)

        expected = [shot(spec, index).image.tobytes() for index in range(3)]
        assert [pixels.tobytes() for pixels in found] == expected


@KINDS
@pytest.mark.parametrize("dtype", ["u1", "<u2", "<f4"])
def test_the_predictor_makes_a_picture_smaller(
    compression: Compression, dtype: str
) -> None:
    plane = Plane("image", (120, 160), dtype)
    plain = Compression(compression.kind, predictor=False)

    sizes = packed(plane, compression), packed(plane, plain), scene(plane).nbytes

    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize(("kind", "level"), [("zlib", 12), ("zstd", 19)])
def test_a_higher_level_makes_it_smaller(kind: str, level: int) -> None:
    plane = Plane("image", (120, 160), "u1")
    lowest, none, highest = (
        packed(plane, Compression(kind, chosen, predictor=False))  # type: ignore[arg-type]
        for chosen in (1, None, level)
    )

    assert highest < lowest == none


@KINDS
def test_pixels_that_cannot_be_made_smaller_are_stored_all_the_same(
    tmp_path: Path, compression: Compression
) -> None:
    spec = FrameSpec.image((100, 100))
    noise = np.random.default_rng(0).integers(0, 256, (100, 100)).astype("u1")
    path = tmp_path / "a.tif"
    writer = PageWriter.create(path, spec.planes, "", (), compression)
    writer.append(Frame({"image": noise}, FrameInfo()))
    writer.close()

    (page,) = walk_pages(path)

    assert page.nbytes > noise.nbytes
    assert np.array_equal(read_pixels(path, page), noise)


def test_threads_may_share_a_codec() -> None:
    plane = Plane("image", (120, 160), "u1")
    raw = [scene(plane, sigma).reshape(-1).view(np.uint8) for sigma in range(8)]
    codec = Codec(plane, ZLIB)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(codec.strip, raw * 4))

    assert [bytes(one) for one in together] == [bytes(codec.strip(r)) for r in raw] * 4


@KINDS
@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_strip_that_is_damaged_is_named(
    tmp_path: Path, compression: Compression, cut: int
) -> None:
    spec, path = FrameSpec.image((60, 80)), tmp_path / "a.tif"
    stored(path, spec, compression)
    page = next(walk_pages(path))
    with path.open("r+b") as file:
        file.seek(page.data_at + cut % page.nbytes)
        file.write(b"\xff" * 40 if cut >= 0 else b"\xff")

    if crc_matches(path, page):
        pytest.fail("the damage is not seen")
    if cut >= 0:
        with pytest.raises(RecordingError, match="page 0"):
            read_pixels(path, page)
