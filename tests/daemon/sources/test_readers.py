"""Tests of the readers of arrays: TIFF, folders of images, .npy."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from imagemp.daemon.sources.readers import open_reader
from imagemp.errors import SourceError
from imagemp.frames import AnyArray

RANDOM = np.random.default_rng(7)
GREY = RANDOM.integers(0, 256, (4, 30, 40), np.uint8)
GREY16 = RANDOM.integers(0, 65536, (4, 30, 40), np.uint16)
RGB = RANDOM.integers(0, 256, (4, 30, 40, 3), np.uint8)
FLOAT = RANDOM.random((4, 30, 40), np.float32)


def read_all(path: Path) -> list[AnyArray]:
    """Read every frame of a file."""
    taken = []
    with closing(open_reader(path)) as reader:
        while reader.advance():
            out = np.empty(reader.shape, reader.dtype)
            reader.read(out)
            taken.append(out)
    return taken


@pytest.mark.parametrize("stack", [GREY, GREY16, RGB, FLOAT], ids=lambda s: s.dtype)
@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib", "predictor": True}, {"byteorder": ">"}],
    ids=str,
)
def test_every_page_of_a_tiff_is_a_frame(
    tmp_path: Path, stack: AnyArray, options: dict[str, Any]
) -> None:
    photometric = "rgb" if stack.ndim == 4 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric=photometric, **options)

    taken = read_all(tmp_path / "a.tif")

    assert np.array_equal(taken, stack)
    assert taken[0].dtype == stack.dtype


def test_a_big_stack_of_imagej_has_one_page_and_all_frames(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY16, imagej=True, truncate=True)

    assert np.array_equal(read_all(tmp_path / "a.tif"), GREY16)


@pytest.mark.parametrize("stack", [GREY16, RGB, FLOAT[:, 0]], ids=lambda s: s.shape)
def test_the_first_axis_of_a_npy_is_the_frames(tmp_path: Path, stack: AnyArray) -> None:
    np.save(tmp_path / "a.npy", stack)

    assert np.array_equal(read_all(tmp_path / "a.npy"), stack)


def test_a_npy_of_another_byte_order_is_turned(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY16.astype(">u2"))

    reader = open_reader(tmp_path / "a.npy")

    assert reader.dtype == "<u2"
    assert np.array_equal(read_all(tmp_path / "a.npy"), GREY16)


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for name, image in zip(["2", "10", "a3", "1"], GREY, strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._1.png").write_bytes(b"macOS was here")

    assert np.array_equal(read_all(tmp_path), GREY[[3, 0, 1, 2]])


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "webp", "tif"])
def test_colour_images_come_as_rgb(tmp_path: Path, suffix: str) -> None:
    flat = np.full((16, 16, 3), (250, 120, 10), np.uint8)
    if suffix == "tif":
        tifffile.imwrite(tmp_path / "a.tif", flat, photometric="rgb")
    else:
        cv2.imwrite(str(tmp_path / f"a.{suffix}"), flat[..., ::-1])

    (taken,) = read_all(tmp_path)

    assert np.allclose(taken, flat, atol=6)


def test_grey_of_16_bits_and_alpha_stay_as_they_are(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), GREY16[0])
    cv2.imwrite(str(tmp_path / "rgba.png"), np.dstack([RGB[0], GREY[0]]))

    assert np.array_equal(read_all(tmp_path / "grey.png")[0], GREY16[0])
    (rgba,) = read_all(tmp_path / "rgba.png")
    assert np.array_equal(rgba, np.dstack([RGB[0][..., ::-1], GREY[0]]))


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), GREY[0])
    cv2.imwrite(str(tmp_path / "2.png"), GREY[1, :20])

    with pytest.raises(SourceError, match=r"2\.png: frame 1: is \(20, 40\)") as caught:
        read_all(tmp_path)

    assert "one shape" in caught.value.hint


def test_an_image_that_is_damaged_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), GREY[0])
    (tmp_path / "2.png").write_bytes(b"\x89PNG but not really")

    with pytest.raises(SourceError, match=r"2\.png: cannot be decoded"):
        read_all(tmp_path)


def test_a_page_of_another_size_is_named(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY[0], photometric="minisblack", contiguous=False)
        tiff.write(GREY[1, :20], photometric="minisblack", contiguous=False)

    with pytest.raises(SourceError, match=r"a\.tif: frame 1: is \(20, 40\)"):
        read_all(tmp_path / "a.tif")


def test_a_page_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[2].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 100)

    with pytest.raises(SourceError, match=r"a\.tif: frame 2: cannot be decoded: .+"):
        read_all(path)


def test_a_tiff_that_breaks_off_gives_what_it_has_and_says_where(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for image in GREY:
            tiff.write(image, photometric="minisblack", contiguous=False)
    with tifffile.TiffFile(path) as tiff:
        os.truncate(path, tiff.pages[3].offset)
    reader = open_reader(path)

    taken = [reader.advance() for _ in range(3)]

    assert taken == [True] * 3
    with pytest.raises(SourceError, match="breaks off before frame 3"):
        reader.advance()
    reader.close()


def test_a_page_whose_pixels_are_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY[0], photometric="minisblack")
    with tifffile.TiffFile(path) as tiff:
        os.truncate(path, tiff.pages[0].dataoffsets[0] + 600)

    with pytest.raises(SourceError, match=r"a\.tif: frame 0: cannot be decoded"):
        read_all(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tif", b"", "not a whole TIFF file"),
        ("a.tif", b"II*\0\x08\0\0\0", "no pages"),
        ("a.npy", b"", "not a whole .npy file"),
        ("a.npy", b"\x93NUMPY\x01\x00v\x00{", "not a whole .npy file"),
        ("a.png", b"", "cannot be decoded"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SourceError, match=f"{name}: .*{message}"):
        open_reader(tmp_path / name)


@pytest.mark.parametrize("shape", [(0, 4, 5), (7,), (3, 0, 5)])
def test_a_npy_without_frames_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))

    with pytest.raises(SourceError, match=r"a\.npy: .*shape"):
        open_reader(tmp_path / "a.npy")


def test_a_npy_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-100])

    with pytest.raises(SourceError, match=r"not a whole \.npy file"):
        open_reader(tmp_path / "a.npy")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")

    with pytest.raises(SourceError, match=r"a\.mp4: is a pipe"):
        open_reader(tmp_path / "a.mp4")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no images in this folder"):
        open_reader(tmp_path)
