"""Which codec records what, in which file, by which keys; and whether it is here.

Knows no numpy; PyAV is imported only where a machine is looked at.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .machine import Finding
from .sections import EncoderConfig

GREY, GREY16, RGB = "u1 (h, w)", "u2 (h, w)", "u1 (h, w, 3)"
PI_ENCODER = "/dev/video11"
INSTALL = "pip install imagempd[video]"


@dataclass(frozen=True, slots=True)
class Codec:
    """What one codec takes.

    Attributes:
        formats: The files that it may be in.
        keys: Those of an encoder's keys that are about it.
        pixels: The kinds it takes.
        is_even: Width and height must be.
    """

    formats: tuple[str, ...]
    keys: tuple[str, ...]
    pixels: tuple[str, ...] = (GREY, RGB)
    is_even: bool = False


CODECS: Mapping[str, Codec] = {
    "libx264": Codec(("mkv", "mp4"), ("preset", "crf"), is_even=True),
    "ffv1": Codec(("mkv",), (), (GREY, RGB, GREY16)),
    "mjpeg": Codec(("mkv", "mp4"), ("quality",)),
    "h264_v4l2m2m": Codec(("mkv", "mp4"), ("bitrate",), is_even=True),
}
KEYS = tuple(key for codec in CODECS.values() for key in codec.keys)
DEFAULT_CODEC = "libx264"


def misplaced(encoder: EncoderConfig) -> tuple[str, str]:
    """Find a key of an encoder that has no meaning beside the others.

    Returns:
        Its name and what is wrong; twice "" if all have.
    """
    given = [key for key in KEYS if getattr(encoder, key) is not None]
    if encoder.format == "tiff":
        if encoder.codec is not None:
            given.insert(0, "codec")
        for key in given:
            value = getattr(encoder, key)
            return key, f"needs format mkv or mp4, is {value!r} beside tiff"
        return "", ""
    if encoder.compression != "none":
        problem = f"needs format tiff, is {encoder.compression!r} beside"
        return "compression", f"{problem} {encoder.format}"
    name = encoder.codec or DEFAULT_CODEC
    codec = CODECS[name]
    if encoder.format not in codec.formats:
        problem = f"few players open {name} in {encoder.format}: use mkv"
        return "format", f"{problem}; is {encoder.format!r} beside codec {name}"
    for key in given:
        if key not in codec.keys:
            owner = next(one for one, other in CODECS.items() if key in other.keys)
            value = getattr(encoder, key)
            return key, f"needs codec {owner}, is {value!r} beside {name}"
    return "", ""


def unfit(codec: str, planes: Sequence[tuple[Sequence[int], Any]]) -> str:
    """Say why a codec does not record such frames; "" if it does.

    Args:
        codec: Its name.
        planes: Shape and dtype of each plane.
    """
    kinds = [pixel_kind(*plane) for plane in planes]
    takes = CODECS[codec]
    if len(kinds) != 1 or kinds[0] not in takes.pixels:
        found = ", ".join(f"{dtype} {tuple(shape)}" for shape, dtype in planes)
        wanted = " or ".join(takes.pixels)
        return f"{codec} records one plane of {wanted}, is {found}"
    height, width = planes[0][0][:2]
    if takes.is_even and (height % 2 or width % 2):
        return f"{codec} needs an even width and height, is {width}x{height}"
    return ""


def pixel_kind(shape: Sequence[int], dtype: object) -> str:
    """Say which kind of pixels this is; "" for none that a codec takes."""
    kind = dtype.lstrip("|<>=") if isinstance(dtype, str) else ""
    if not shape or min(shape) < 1:
        return ""
    if len(shape) == 2:
        return {"u1": GREY, "u2": GREY16}.get(kind, "")
    return RGB if len(shape) == 3 and shape[2] == 3 and kind == "u1" else ""


def not_here(encoder: EncoderConfig, key: str) -> Iterator[Finding]:
    """Find what this machine lacks to record such a video."""
    if encoder.format == "tiff":
        return
    codec = encoder.codec or DEFAULT_CODEC
    if find_spec("av") is None:
        problem = f"{encoder.format} needs PyAV, which is not installed: {INSTALL}"
        yield Finding("error", f"{key}.format", problem)
    elif codec not in installed():
        problem = f"the PyAV that is installed has no {codec}"
        yield Finding("error", f"{key}.codec", problem)
    if codec == "h264_v4l2m2m" and not Path(PI_ENCODER).exists():
        problem = f"no {PI_ENCODER}: only a Raspberry Pi up to the 4 has this encoder"
        yield Finding("error", f"{key}.codec", problem)


def installed() -> Iterable[str]:
    """Give the names of all codecs that PyAV has."""
    import av

    return av.codecs_available
