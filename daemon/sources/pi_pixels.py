"""What lies in a libcamera buffer, and how it gets into the planes of a frame.

libcamera names formats as DRM does, from the highest byte down: BGR888 has red
first in memory. Rows are `stride` bytes apart, which may be more than a row has.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame
from imagemp.spec import FrameSpec, Plane

FORMATS = {"grey": "YUV420", "rgb": "BGR888", "yuv420": "YUV420"}
"""What to ask libcamera for, by what the user wants; it may give another."""

Y_FIRST = ("YUV420", "YVU420", "NV12", "NV21", "R8")
BYTES_RGB = {"BGR888": 3, "RGB888": 3, "XBGR8888": 4, "XRGB8888": 4}

Copy = Callable[[AnyArray, Frame], None]
"""Fills a frame's planes from a camera's buffer, bytes in one dimension."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """How a picture lies in a camera's buffer.

    Attributes:
        format: libcamera's name, `YUV420`.
        width: In pixels, without what pads a row.
        stride: Bytes from one row to the next.
    """

    format: str
    width: int
    height: int
    stride: int

    def plane(
        self, data: AnyArray, at: int = 0, stride: int = 0, shape: tuple[int, ...] = ()
    ) -> AnyArray:
        """Give a view of rows of bytes; all the picture's, unless told otherwise."""
        rows, *rest = shape or (self.height, self.width)
        inner = tuple(int(np.prod(rest[i + 1 :])) for i in range(len(rest)))
        strides = (stride or self.stride, *inner)
        return np.ndarray((rows, *rest), np.uint8, data.data, at, strides)


def copier(wanted: str, buffer: Buffer) -> tuple[FrameSpec, Copy]:
    """Give what frames look like, and how to fill them.

    Args:
        wanted: `grey`, `rgb`, `yuv420` or `raw`.
        buffer: What the camera gives.

    Raises:
        SourceError: The one cannot be had from the other.
    """
    makers = {"grey": _grey, "rgb": _rgb, "yuv420": _yuv420, "raw": _raw}
    made = makers[wanted](buffer)
    if made is None:
        raise SourceError(
            f"source.format: {wanted} cannot be had, the camera gives {buffer.format}",
            "another source.format",
        )
    return made


def _grey(buffer: Buffer) -> tuple[FrameSpec, Copy] | None:
    """Give the luminance alone: the Y plane, as it is."""
    if buffer.format not in Y_FIRST:
        return None

    def copy(data: AnyArray, frame: Frame) -> None:
        np.copyto(frame.image, buffer.plane(data))

    return FrameSpec.image((buffer.height, buffer.width)), copy


def _rgb(buffer: Buffer) -> tuple[FrameSpec, Copy] | None:
    spec = FrameSpec.image((buffer.height, buffer.width, 3))
    if buffer.format in ("NV12", "NV21"):
        return spec, _from_nv12(buffer)
    samples = BYTES_RGB.get(buffer.format)
    if samples is None:
        return None
    shape = (buffer.height, buffer.width, samples)
    is_reversed = "BGR" not in buffer.format

    def copy(data: AnyArray, frame: Frame) -> None:
        picture = buffer.plane(data, shape=shape)[:, :, :3]
        np.copyto(frame.image, picture[:, :, ::-1] if is_reversed else picture)

    return spec, copy


def _from_nv12(buffer: Buffer) -> Copy:
    import cv2

    order = {"NV12": cv2.COLOR_YUV2RGB_NV12, "NV21": cv2.COLOR_YUV2RGB_NV21}
    half = (buffer.height // 2, buffer.width // 2, 2)

    def copy(data: AnyArray, frame: Frame) -> None:
        colours = buffer.plane(data, buffer.height * buffer.stride, shape=half)
        grey, how = buffer.plane(data), order[buffer.format]
        cv2.cvtColorTwoPlane(grey, colours, how, dst=frame.image)

    return copy


def _yuv420(buffer: Buffer) -> tuple[FrameSpec, Copy] | None:
    """Give luminance and both colours as planes `y`, `u` and `v`."""
    if buffer.format not in Y_FIRST[:4]:
        return None
    half = (buffer.height // 2, buffer.width // 2)
    full, quarter = buffer.height * buffer.stride, half[0] * buffer.stride // 2
    names = ("u", "v") if buffer.format in ("YUV420", "NV12") else ("v", "u")

    def colours(data: AnyArray) -> tuple[AnyArray, AnyArray]:
        if buffer.format.startswith("NV"):
            both = buffer.plane(data, full, shape=(*half, 2))
            return both[:, :, 0], both[:, :, 1]
        stride = buffer.stride // 2
        first = buffer.plane(data, full, stride, half)
        return first, buffer.plane(data, full + quarter, stride, half)

    def copy(data: AnyArray, frame: Frame) -> None:
        np.copyto(frame["y"], buffer.plane(data))
        for name, plane in zip(names, colours(data), strict=True):
            np.copyto(frame[name], plane)

    whole = (buffer.height, buffer.width)
    shapes = (("y", whole), ("u", half), ("v", half))
    return FrameSpec(tuple(Plane(name, shape, "u1") for name, shape in shapes)), copy


def _raw(buffer: Buffer) -> tuple[FrameSpec, Copy] | None:
    """Give what the sensor saw, 16 bits a pixel, its mosaic of colours in place."""
    if not re.fullmatch(r"(S[RGB]{4}|R)1[0246]", buffer.format):
        return None
    row = (buffer.height, buffer.width * 2)

    def copy(data: AnyArray, frame: Frame) -> None:
        np.copyto(frame.image.view(np.uint8), buffer.plane(data, shape=row))

    return FrameSpec.image((buffer.height, buffer.width), "<u2"), copy
