"""Pixels and distances as numbers that a robot wants: 0 to 1, metres, points."""

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import FrameShapeError
from .frames import AnyArray

FloatImage = npt.NDArray[np.float32]
IntImage = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
Number = TypeVar("Number", np.float32, np.uint8)


class PointCloud(NamedTuple):
    """Points in the camera's frame, and the colour of each.

    Attributes:
        points: float32, (n, 3): x to the right, y down, z forward, metres.
        colors: uint8, (n, 3).
    """

    points: FloatImage
    colors: IntImage


def as_float(pixels: AnyArray) -> FloatImage:
    """Give pixels from 0 to 1; integers have their full range, floats that already.

    Raises:
        FrameShapeError: They are of another dtype.
    """
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    _check_integer(pixels)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def as_int(pixels: AnyArray) -> IntImage:
    """Give pixels from 0 to 255; integers have their full range, floats 0 to 1.

    Raises:
        FrameShapeError: They are of another dtype.
    """
    if pixels.dtype.kind == "f":
        levels: AnyArray = np.rint(np.clip(pixels, 0, 1) * 255)
        return levels.astype(np.uint8)
    _check_integer(pixels)
    shift = 8 * (pixels.dtype.itemsize - 1)
    highest: AnyArray = np.right_shift(pixels, shift)
    return highest.astype(np.uint8)


def as_rgb(pixels: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Give three colours a pixel: grey is expanded, a fourth one (alpha) left out.

    Raises:
        FrameShapeError: It is no image.
    """
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1):
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    if pixels.ndim == 3 and pixels.shape[2] in {3, 4}:
        return pixels[..., :3].copy()
    raise FrameShapeError(f"shape {pixels.shape} is no image of 1, 3 or 4 colours")


def as_metres(depth: AnyArray, scale: float) -> FloatImage:
    """Give distances in metres: floats are that already, integers times `scale`."""
    if depth.dtype.kind == "f":
        return depth.astype(np.float32)
    return np.multiply(depth, scale, dtype=np.float32)


def as_picture(metres: FloatImage) -> IntImage:
    """Give distances for the eye: grey as RGB, the farthest 255, unknown ones 0."""
    known = np.isfinite(metres) & (metres > 0)
    farthest = float(metres[known].max()) if known.any() else 1.0
    levels: AnyArray = np.where(known, metres, 0) * (255 / farthest)
    return as_rgb(np.rint(levels).astype(np.uint8))


def as_points(metres: FloatImage, rgb: IntImage, intrinsics: Matrix) -> PointCloud:
    """Give a point for each pixel whose distance is known; distances are along z."""
    rows, columns = np.nonzero(np.isfinite(metres) & (metres > 0))
    z = metres[rows, columns]
    pixels = np.stack([columns, rows, np.ones_like(rows)]).astype(np.float64)
    rays = np.linalg.inv(intrinsics) @ pixels
    points: FloatImage = (rays * z).T.astype(np.float32)
    return PointCloud(points, rgb[rows, columns])


def _check_integer(pixels: AnyArray) -> None:
    if pixels.dtype.kind != "u":
        raise FrameShapeError(f"an image of dtype {pixels.dtype}, expected u1, u2 or f")
