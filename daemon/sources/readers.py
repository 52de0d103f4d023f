"""Readers of files that are stacks of arrays, and the choice among all readers."""

import os
import re
import stat
import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from imagemp.errors import SourceError
from imagemp.frames import AnyArray

from .colour import copy_as_rgb
from .quiet import quiet_opencv
from .reader import Reader
from .video import VideoReader

TIFF = {".tif", ".tiff", ".btf", ".tf8"}
IMAGES = TIFF | {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm", ".pnm"}
# what tifffile and the codecs below it raise for bytes that make no sense
DECODE_ERRORS = (
    ValueError,
    RuntimeError,
    OSError,
    LookupError,
    TypeError,
    struct.error,
)


def open_reader(path: Path) -> Reader:
    """Open a file, or a folder of images, by what it is called.

    Raises:
        SourceError: It is missing, unreadable, damaged, or holds no frames.
    """
    check_readable(path)
    if path.is_dir():
        return ImagesReader(path)
    suffix = path.suffix.lower()
    if suffix in TIFF:
        return TiffReader(path)
    if suffix == ".npy":
        return NpyReader(path)
    if suffix in IMAGES:
        return ImagesReader(path)
    return VideoReader(path)


class NpyReader(Reader):
    """A .npy array, mapped; its first axis is the frames."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self.frames: AnyArray | None = np.load(path, mmap_mode="r")
        except (ValueError, OSError, EOFError) as error:
            raise SourceError(f"{path}: not a whole .npy file: {error}") from error
        if self.frames.ndim < 2 or not len(self.frames):
            raise SourceError(
                f"{path}: shape {self.frames.shape} has no frames",
                "the first axis is the frames, the others are one frame",
            )
        self.n = len(self.frames)
        self.be_like(self.frames.shape[1:], self.frames.dtype)

    def read(self, out: AnyArray) -> None:
        if self.frames is not None:
            np.copyto(out, self.frames[self.at])

    def close(self) -> None:
        self.frames = None


class TiffReader(Reader):
    """A TIFF file; every page is a frame.

    The stacks of ImageJ that have one page and all pixels behind it are seen as
    what they are.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        from tifffile import TiffFile

        self.stack: AnyArray | None = None
        with ExitStack() as undo:
            try:
                self.tiff = undo.enter_context(TiffFile(path))
                self.look()
            except SourceError:
                raise
            except DECODE_ERRORS as error:
                raise SourceError(f"{path}: not a whole TIFF file: {error}") from error
            undo.pop_all()

    def advance(self) -> bool:
        if super().advance():
            return True
        if self.is_cut:
            raise SourceError(
                f"{self.path}: breaks off before frame {self.n}",
                "the file is incomplete: it names a further page that is not there",
            )
        return False

    def read(self, out: AnyArray) -> None:
        where = f"{self.path}: frame {self.at}"
        if self.stack is not None:
            np.copyto(out, self.stack[self.at])
            return
        try:
            page = self.tiff.pages[self.at]
            self.check(page.shape, np.dtype(page.dtype), where)
            page.asarray(out=out)
        except SourceError:
            raise
        except DECODE_ERRORS as error:
            raise SourceError(f"{where}: cannot be decoded: {error}") from error

    def close(self) -> None:
        self.tiff.close()
        self.stack = None

    def look(self) -> None:
        """Find out what frames there are."""
        self.n = len(self.tiff.pages)
        if not self.n:
            raise SourceError(f"{self.path}: the TIFF file has no pages")
        page = self.tiff.pages.first
        self.be_like(page.shape, np.dtype(page.dtype))
        self.fps = rate_of(self.tiff.imagej_metadata or {})
        self.is_cut = self.chain_is_broken()
        self.map_stack()

    def chain_is_broken(self) -> bool:
        """Tell whether the last page names a next one (tifffile only logs it)."""
        offset = self.tiff.pages.next_page_offset
        if offset is None:
            return False
        size = self.tiff.tiff.offsetsize
        self.tiff.filehandle.seek(offset)
        return self.tiff.filehandle.read(size) != bytes(size)

    def map_stack(self) -> None:
        """Map the pixels if one page stands for many."""
        if self.n > 1:
            return
        series = self.tiff.series[0]
        count = series.size // self.tiff.pages.first.size
        if count > 1 and series.dataoffset is not None:
            self.n = count
            dtype = np.dtype(series.dtype).newbyteorder(self.tiff.byteorder)
            shape = (count, *self.shape)
            self.stack = np.memmap(self.path, dtype, "r", series.dataoffset, shape)


class ImagesReader(Reader):
    """A folder of images, in natural order (2 before 10), or a single image."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        quiet_opencv()
        self.files = images_in(path) if path.is_dir() else [path]
        self.n = len(self.files)
        if not self.n:
            raise SourceError(
                f"{path}: no images in this folder",
                f"known are {' '.join(sorted(IMAGES))}",
            )
        first = decode(self.files[0])
        self.be_like(first.shape, first.dtype)

    def read(self, out: AnyArray) -> None:
        file = self.files[self.at]
        image = decode(file)
        self.check(image.shape, image.dtype, f"{file}: frame {self.at}")
        if file.suffix.lower() in TIFF:
            np.copyto(out, image)
        else:
            copy_as_rgb(image, out)


def decode(file: Path) -> AnyArray:
    """Give the image in a file; in OpenCV's order of colours, but TIFF in RGB.

    Raises:
        SourceError: It cannot be read or decoded.
    """
    import cv2
    import tifffile

    check_readable(file)
    try:
        if file.suffix.lower() in TIFF:
            return np.asarray(tifffile.imread(file, key=0))
        image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    except (*DECODE_ERRORS, cv2.error) as error:
        raise SourceError(f"{file}: cannot be decoded: {error}") from error
    if image is None:
        raise SourceError(f"{file}: cannot be decoded: not an image that OpenCV knows")
    return image


def check_readable(path: Path) -> None:
    """Raise `SourceError` unless the file can be opened, or the folder listed."""
    try:
        if path.is_dir():
            os.scandir(path).close()
        elif not stat.S_ISREG(path.stat().st_mode):
            raise SourceError(f"{path}: is a pipe or a device, not a file")
        else:
            path.open("rb").close()
    except OSError as error:
        raise SourceError(
            f"{path}: {error.strerror}",
            "the daemon's user must be able to read it"
            if isinstance(error, PermissionError)
            else f"seen from {Path.cwd()}; better give the whole path",
        ) from error


def images_in(folder: Path) -> list[Path]:
    """Give the images of a folder, 2.png before 10.png."""
    found = (p for p in folder.iterdir() if p.suffix.lower() in IMAGES)
    shown = [p for p in found if not p.name.startswith(".") and p.is_file()]
    return sorted(shown, key=lambda p: (natural(p.name), p.name))


def natural(name: str) -> list[str | int]:
    """Give a key that sorts numbers inside a name by their value."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def rate_of(imagej: dict[str, object]) -> float:
    """Give the rate that ImageJ noted, 0.0 if it did not."""
    interval = imagej.get("finterval")
    return 1 / interval if isinstance(interval, float) and interval > 0 else 0.0
