"""What picamera2 asks of libcamera's virtual cameras, which they do not have.

Their pipeline has no raw stream: the sensor's modes are those of the picture. It
wants NV12 in two planes, and picamera2 allocates one: a buffer gets both, in one
file.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import libcamera
from picamera2 import Picamera2
from picamera2.allocators import dmaallocator

real_allocate = dmaallocator.DmaAllocator.allocate
RealBuffer, Plane = libcamera.FrameBuffer, libcamera.FrameBuffer.Plane
BIT_DEPTH = 8


def raw_modes(self: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    role = libcamera.StreamRole.Viewfinder
    formats = self.camera.generate_configuration([role]).at(0).formats
    return [
        {"format": str(pixels), "size": (size.width, size.height)}
        for pixels in formats.pixel_formats
        for size in formats.sizes(pixels)
    ]


def sensor_modes(self: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    more = {"bit_depth": BIT_DEPTH, "fps": 30.0, "exposure_limits": (1, None, None)}
    return [
        {
            **mode,
            **more,
            "unpacked": mode["format"],
            "crop_limits": (0, 0, *mode["size"]),
        }
        for mode in raw_modes(self)
    ]


class TwoPlanes:
    """Makes buffers of two planes, for those streams in turn."""

    Plane = Plane

    def __init__(self, streams: Iterator[Any]) -> None:
        self.streams = streams

    def __call__(self, planes: Sequence[Any]) -> Any:  # noqa: ANN401
        stream = next(self.streams)
        grey, colours = planes[0], Plane()
        grey_nbytes = stream.stride * stream.size.height
        # `grey` itself: to set its fd would duplicate it, and picamera2 keys on it.
        colours.fd, colours.offset = grey.fd, grey_nbytes
        colours.length = stream.frame_size - grey_nbytes
        grey.length = grey_nbytes
        return RealBuffer([grey, colours])


class Libcamera:
    """libcamera, but for its buffers."""

    def __init__(self, streams: Iterator[Any]) -> None:
        self.FrameBuffer = TwoPlanes(streams)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(libcamera, name)


def allocate(self: Any, config: Any, use_case: Any) -> Any:  # noqa: ANN401
    streams = [
        stream
        for stream in config
        for _ in range(stream.buffer_count)
        if str(stream.pixel_format) == "NV12"
    ]
    if not streams:
        return real_allocate(self, config, use_case)
    dmaallocator.libcamera = Libcamera(iter(streams))
    try:
        return real_allocate(self, config, use_case)
    finally:
        dmaallocator.libcamera = libcamera


Picamera2._get_raw_modes = raw_modes
Picamera2.sensor_modes = property(sensor_modes)
dmaallocator.DmaAllocator.allocate = allocate
