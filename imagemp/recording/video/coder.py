"""Frames to packets: what PyAV encodes, one packet for each frame, at once.

No codec here may look ahead or hold a frame back, for then it could not be said of
any frame that it is recorded: no B-frames, no lookahead, no threads by frame.
Colours are those of JPEG, BT.601 in full range: OpenCV takes all video for BT.601,
whatever the file says, and grey stays what it was.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np

from ...config.video import GREY, GREY16, INSTALL, RGB, pixel_kind, unfit
from ...errors import ConfigError, RecordingError
from ...frames import AnyArray, numpy_dtype, plain_dtype
from ...spec import FrameSpec
from ..plan import RecordingPlan, VideoPlan
from .records import Container

USUAL_FPS, LEAST_FPS, MOST_FPS = 30, 0.01, 1000  # for rate control and x264's level
KEY_EVERY_S, MOST_BETWEEN_KEYS = 2, 250  # what a player can seek to
FULL_RANGE, BT601, BT709, SRGB = 2, 5, 1, 13  # as FFmpeg counts them
MJPEG_MIDDLE, MJPEG_LAST = 8, 31  # MJPEG's quantiser for quality 50, and its coarsest
PARAMETERS = (7, 8, 9)  # NAL units that the header has, or nobody needs
SOURCES = {GREY: "gray", GREY16: "gray16le", RGB: "rgb24"}  # what PyAV calls them


@dataclass(frozen=True, slots=True)
class Kind:
    """What one codec takes and gives.

    Attributes:
        formats: What it makes of pixels, by what PyAV calls them.
        is_h264: Its packets begin with their parameters.
        key_frames_only: Each frame stands for itself.
    """

    formats: Mapping[str, str]
    is_h264: bool = False
    key_frames_only: bool = False


YUV = {"gray": "yuv420p", "rgb24": "yuv420p"}
YUVJ = {"gray": "yuvj420p", "rgb24": "yuvj420p"}
EXACT = {"gray": "gray", "gray16le": "gray16le", "rgb24": "bgr0"}
KINDS = {
    "libx264": Kind(YUV, is_h264=True),
    "h264_v4l2m2m": Kind(YUV, is_h264=True),
    "mjpeg": Kind(YUVJ, key_frames_only=True),
    "ffv1": Kind(EXACT, key_frames_only=True),
}


class Coder:
    """One encoder, for one file: its first frame is a key frame.

    Args:
        plan: Which codec, and how.
        container: Kind of file.

    Raises:
        ConfigError: It cannot encode such frames, or is not there.
    """

    def __init__(self, plan: RecordingPlan, container: Container) -> None:
        self._av = imported()
        self._plan = video = plan.video or VideoPlan()
        self._container, self._kind = container, KINDS[video.codec]
        self._source = source_format(video, plan.spec)
        self._target = self._kind.formats[self._source]
        self._size = plan.spec.planes[0].shape[1::-1]
        rate = min(max(plan.fps, LEAST_FPS), MOST_FPS) if plan.fps else USUAL_FPS
        self._rate = Fraction(rate).limit_denominator(1001)
        self._reformat = self._av.video.reformatter.VideoReformatter().reformat
        self._frames = 0
        self._made = io.BytesIO()
        self._file = self._av.open(
            self._made, "w", format=container.muxer, options=container.options
        )
        self._file.metadata["comment"] = plan.text()
        try:
            self._context = self._opened()
        except (self._av.FFmpegError, ValueError) as error:
            problem = f"{video.codec} cannot be used here: {error}"
            raise ConfigError("encoder.codec", problem) from error

    def encode(self, pixels: AnyArray) -> tuple[bytes, bool]:
        """Give a frame's packet, and whether it is a key frame.

        The pixels are the caller's again when this returns.

        Raises:
            RecordingError: The codec holds the frame back.
        """
        frame = self._av.VideoFrame.from_numpy_buffer(rows_of(pixels), self._source)
        if self._target != self._source:
            frame = self._reformat(
                frame,
                format=self._target,
                dst_colorspace=BT601,
                src_color_range=FULL_RANGE,
                dst_color_range=FULL_RANGE,
            )
        frame.pts, frame.time_base = self._frames, 1 / self._rate
        packets = self._context.encode(frame)
        if len(packets) != 1:
            problem = f"{len(packets)} packets for frame {self._frames}, must be 1"
            raise RecordingError(f"{self._plan.codec}: {problem}")
        self._frames += 1
        return bytes(packets[0]), packets[0].is_keyframe

    def data(self, packet: bytes) -> bytes:
        """Give a packet as files have it."""
        if not self._kind.is_h264:
            return packet
        units = [unit for unit in nal_units(packet) if unit[0] & 31 not in PARAMETERS]
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)

    def header(self, first: bytes) -> bytes:
        """Give the header of a file that begins with this packet."""
        if self._kind.is_h264:
            width, height = self._size
            stream = self._file.add_mux_stream(
                "h264", rate=self._rate, width=width, height=height
            )
            packet = self._av.Packet(first)
            packet.stream, packet.is_keyframe = stream, True
            packet.pts = packet.dts = 0
            packet.time_base = 1 / self._rate
            self._file.mux(packet)
            self._file.close()  # it writes the header when it has seen a packet
        return self._container.header(self._made.getvalue())

    def _opened(self) -> Any:  # noqa: ANN401 - PyAV is imported late
        if self._kind.is_h264:
            context = self._av.CodecContext.create(self._plan.codec, "w")
            self._set(context)
            context.open()
            return context
        stream = self._file.add_stream(self._plan.codec, rate=self._rate)
        self._set(stream.codec_context)
        self._file.start_encoding()
        return stream.codec_context

    def _set(self, context: Any) -> None:  # noqa: ANN401
        context.width, context.height = self._size
        context.pix_fmt = self._target
        context.framerate, context.time_base = self._rate, 1 / self._rate
        context.color_range, context.colorspace = FULL_RANGE, BT601
        context.color_primaries, context.color_trc = BT709, SRGB
        context.thread_type, context.thread_count = "SLICE", 0
        gop = min(round(KEY_EVERY_S * self._rate), MOST_BETWEEN_KEYS)
        context.gop_size = 1 if self._kind.key_frames_only else max(gop, 1)
        SETTINGS[self._plan.codec](context, self._plan)


def set_libx264(context: Any, plan: VideoPlan) -> None:  # noqa: ANN401
    """Set what the plan says; `zerolatency` holds no frame back."""
    own = {"preset": plan.preset, "crf": str(plan.crf), "tune": "zerolatency"}
    context.options = own


def set_v4l2m2m(context: Any, plan: VideoPlan) -> None:  # noqa: ANN401
    """Set what the plan says."""
    context.bit_rate = plan.bitrate


def set_mjpeg(context: Any, plan: VideoPlan) -> None:  # noqa: ANN401
    """Set the quantiser that is nearest to libjpeg's tables of this quality."""
    quality = plan.quality
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    quantiser = round(MJPEG_MIDDLE * percent / 100)
    context.qmin = context.qmax = min(max(quantiser, 1), MJPEG_LAST)


def set_ffv1(context: Any, plan: VideoPlan) -> None:  # noqa: ANN401, ARG001
    """Ask for version 3, with threads by slice and a checksum of each."""
    context.options = {"level": "3", "slicecrc": "1"}


SETTINGS = {
    "libx264": set_libx264,
    "h264_v4l2m2m": set_v4l2m2m,
    "mjpeg": set_mjpeg,
    "ffv1": set_ffv1,
}


def prepare(plan: VideoPlan) -> None:
    """Import PyAV, which takes a while, before there are frames to be late for.

    Raises:
        ConfigError: It is not installed, or has no such codec.
    """
    if plan.codec not in imported().codecs_available:
        raise ConfigError("encoder.codec", f"PyAV has no {plan.codec} here")


def imported() -> ModuleType:
    """Give PyAV.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ConfigError(
            "encoder.format", f"video needs PyAV: {error}", INSTALL
        ) from None
    return av


def source_format(plan: VideoPlan, spec: FrameSpec) -> str:
    """Say what PyAV calls the pixels of such frames.

    Raises:
        ConfigError: This codec does not take them.
    """
    planes = [(p.shape, plain_dtype(numpy_dtype(p.dtype))) for p in spec.planes]
    if problem := unfit(plan.codec, planes):
        hint = "format tiff records anything; ffv1 any size, and grey of u2"
        raise ConfigError("encoder.format", f"{plan.format} with {problem}", hint)
    return SOURCES[pixel_kind(*planes[0])]


def rows_of(pixels: AnyArray) -> AnyArray:
    """Give pixels as PyAV takes them: the machine's byte order, rows without gaps."""
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(native)


def nal_units(packet: bytes) -> list[bytes]:
    """Split a packet where H.264's start codes are."""
    units = [unit.rstrip(b"\0") for unit in packet.split(b"\0\0\1")]
    return [unit for unit in units if unit]
