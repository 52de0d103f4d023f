"""Recorded frames in formats of others: PNG, .npy, plain TIFF.

Frames are read and written one by one. Each is compared with its CRC on the way. A
file appears under its name when it is whole, and replaces none unless told to.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from ...errors import DiskError, FrameShapeError, RecordingError
from ...frames import AnyArray
from ..disk import disk_errors
from .selecting import Selection

CLASSIC = 2**32 - 2**24  # bytes; room is left for the tags
IMAGEJ = ("u1", "u2", "f4")
OnFrame = Callable[[int], None]
Export = Callable[[Selection, Path, OnFrame], None]


def export_png(chosen: Selection, path: Path, on_frame: OnFrame) -> None:
    """Write a PNG for each frame into a folder, called after its seq.

    Raises:
        FrameShapeError: PNG knows no such pixels.
        DiskError: One cannot be written.
    """
    import cv2

    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        for page, pixels in chosen.pictures():
            _, text = cv2.imencode(".png", for_opencv(pixels))
            whole_file(path / f"{page.seq:08}.png", bytes(text))
            on_frame(1)


def export_npy(chosen: Selection, path: Path, on_frame: OnFrame) -> None:
    """Write one array, frames first, in the shape and type that the source gave.

    Raises:
        DiskError: It cannot be written.
    """
    target: AnyArray | None = None
    with disk_errors(path), part_of(path) as part:
        for number, pixels in enumerate(chosen.arrays()):
            if target is None:
                shape = (chosen.count, *pixels.shape)
                target = np.lib.format.open_memmap(
                    part, mode="w+", dtype=pixels.dtype, shape=shape
                )
            target[number] = pixels
            on_frame(1)


def export_tiff(chosen: Selection, path: Path, on_frame: OnFrame) -> None:
    """Write a plain TIFF, uncompressed; a BigTIFF if it does not fit 4 GiB.

    ImageJ gets a stack with the time between frames and their seq as labels, where it
    knows the type of the pixels.

    Raises:
        DiskError: It cannot be written.
    """
    import tifffile

    _, first = next(chosen.pictures())
    first = plain(first)
    is_big = first.nbytes * chosen.count > CLASSIC
    for_imagej = not is_big and is_known_to_imagej(first)
    axes = "TYX" if first.ndim == 2 else "TYXS"
    told = {"axes": axes, **imagej_metadata(chosen)} if for_imagej else None
    with disk_errors(path), part_of(path) as part:
        pages = (plain(pixels) for _, pixels in chosen.pictures())
        with tifffile.TiffWriter(part, bigtiff=is_big, imagej=for_imagej) as writer:
            writer.write(
                counted(pages, on_frame),
                shape=(chosen.count, *first.shape),
                dtype=first.dtype,
                photometric="rgb" if first.ndim == 3 else "minisblack",
                metadata=told,
            )


def is_known_to_imagej(pixels: AnyArray) -> bool:
    """Whether ImageJ opens such pixels as a stack."""
    if pixels.ndim == 3:
        return pixels.dtype == np.uint8 and pixels.shape[2] == 3
    return pixels.dtype.str[1:] in IMAGEJ


def imagej_metadata(chosen: Selection) -> dict[str, object]:
    """Give what ImageJ shows beside the pixels."""
    labels = [f"seq {page.seq}" for _, page in chosen.pages()]
    told: dict[str, object] = {"Labels": labels}
    if chosen.fps:
        told |= {"finterval": 1 / chosen.fps, "fps": chosen.fps}
    return told


def for_opencv(pixels: AnyArray) -> AnyArray:
    """Give a picture as OpenCV has it; colours in its order.

    Raises:
        FrameShapeError: PNG knows no such pixels.
    """
    import cv2

    pixels = plain(pixels)
    if pixels.dtype.str[1:] not in ("u1", "u2"):
        raise FrameShapeError(
            f"png: pixels of {pixels.dtype} have no place in it", "use npy or tiff"
        )
    if pixels.ndim == 2:
        return pixels
    swap = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.cvtColor(pixels, swap)


def plain(pixels: AnyArray) -> AnyArray:
    """Give bool as black and white, all else as it is."""
    return pixels.astype(np.uint8) * 255 if pixels.dtype == np.bool_ else pixels


def counted(pictures: Iterable[AnyArray], on_frame: OnFrame) -> Iterator[AnyArray]:
    """Pass pictures on, and tell of each."""
    for picture in pictures:
        yield picture
        on_frame(1)


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Give where to write; it becomes `path` if nothing goes wrong, else it goes."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def whole_file(path: Path, text: bytes) -> None:
    """Write a file."""
    with part_of(path) as part:
        part.write_bytes(text)


def check_target(path: Path, *, is_folder: bool, force: bool) -> None:
    """Raise unless there is nothing that would be overwritten.

    Raises:
        RecordingError: There is something, or something of another kind.
        DiskError: The folder it belongs in is not there.
    """
    if not path.absolute().parent.is_dir():
        raise DiskError(f"{path.absolute().parent}: no such folder")
    if path.exists() and path.is_dir() != is_folder:
        raise RecordingError(f"{path}: is {'no' if is_folder else 'a'} folder")
    is_empty = is_folder and path.is_dir() and next(path.iterdir(), None) is None
    if path.exists() and not (force or is_empty):
        raise RecordingError(f"{path}: is there already", "--force overwrites it")
