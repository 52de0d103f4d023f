"""What is asked of a camera that libcamera runs, and how picamera2 wants to hear it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from imagemp.errors import SourceError

from .pi_errors import mode_error
from .pi_pixels import FORMATS
from .settings import Count, Rate, Scale

Picam: TypeAlias = Any
"""A `picamera2.Picamera2`, which is imported late and has few types."""

ALIGN = 2  # colours come for two by two pixels
Part = Annotated[float, Meta(ge=0, le=1)]


BITS = {"rgb": 24, "raw": 16}  # a pixel, in the camera's buffers
YUV420_BITS = 12


class PiSettings(Struct, frozen=True):
    """Which camera, and what is asked of it; None leaves it as it is.

    Attributes:
        camera: A number, or libcamera's id, or a part of it.
        mode: Width, height and perhaps bits of a mode of the sensor, exactly.
        format: `raw` is what the sensor saw, in a frame of the mode's size.
        fps: 0 as None: the highest.
        roi: Left, top, width, height, as parts of the sensor.
        buffers: Frames that the camera may fill before one has come back.
        controls: libcamera's, by name.
    """

    camera: int | str = 0
    width: Count = 1280
    height: Count = 720
    scale: Scale = 1.0
    mode: Annotated[tuple[Count, ...], Meta(min_length=2, max_length=3)] | None = None
    format: Literal["grey", "rgb", "yuv420", "raw"] = "rgb"
    fps: Rate | None = None
    roi: tuple[Part, Part, Part, Part] | None = None
    buffers: Annotated[int, Meta(ge=2, le=64)] = 8
    hflip: bool = False
    vflip: bool = False
    controls: dict[str, Any] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what the camera shall give: even numbers."""
        width, height = (max(ALIGN, n // ALIGN * ALIGN) for n in self.exact_size)
        return width, height

    @property
    def buffers_nbytes(self) -> int:
        """What the camera's buffers take at least: the sensor's own are not in it."""
        width, height = self.size
        return self.buffers * width * height * BITS.get(self.format, YUV420_BITS) // 8

    @property
    def exact_size(self) -> tuple[int, int]:
        """Width and height as they were asked for."""
        return round(self.width * self.scale), round(self.height * self.scale)


def configuration(picam: Picam, asked: PiSettings) -> dict[str, Any]:
    """Give what picamera2's `configure` wants.

    Raises:
        SourceError: The sensor has no such mode, the camera no such control.
    """
    import libcamera

    check_controls(picam, asked.controls)
    mode = chosen_mode(picam, asked)
    more: dict[str, Any] = {}
    if asked.mode is not None:
        more["sensor"] = {"output_size": mode["size"], "bit_depth": mode["bit_depth"]}
    if asked.format == "raw":
        more["raw"] = {"format": mode["unpacked"], "size": mode["size"]}
    fps = asked.fps or mode.get("fps")
    made: dict[str, Any] = picam.create_video_configuration(
        main={"size": asked.size, "format": FORMATS.get(asked.format, "YUV420")},
        transform=libcamera.Transform(hflip=asked.hflip, vflip=asked.vflip),
        buffer_count=asked.buffers,
        controls=({"FrameRate": fps} if fps else {})
        | crop(picam, asked)
        | asked.controls,
        queue=False,
        display=None,
        encode=None,
        **more,
    )
    return made


def chosen_mode(picam: Picam, asked: PiSettings) -> dict[str, Any]:
    """Give the sensor's mode that was asked for, or what little is known without.

    To list the modes takes picamera2 a while: each is configured. So it is done only
    where something depends on it.
    """
    if asked.mode is None and asked.fps and asked.format != "raw":
        return {}
    modes: list[dict[str, Any]] = [m for m in picam.sensor_modes if "size" in m]
    if asked.mode is None:
        width, height = asked.size
        large = [m for m in modes if m["size"][0] >= width and m["size"][1] >= height]
        fitting = large or modes
        return max(fitting, key=lambda m: (m["fps"], m["bit_depth"]), default={})
    size, bits = asked.mode[:2], asked.mode[2:]
    for mode in modes:
        if tuple(mode["size"]) == size and bits in ((), (mode["bit_depth"],)):
            return mode
    raise mode_error(asked.mode, modes)


def crop(picam: Picam, asked: PiSettings) -> dict[str, Any]:
    """Give the control that reads out a part of the sensor only."""
    if asked.roi is None:
        return {}
    _, _, width, height = picam.camera_controls["ScalerCrop"][1]
    scales = (width, height, width, height)
    return {
        "ScalerCrop": tuple(
            round(r * n) for r, n in zip(asked.roi, scales, strict=True)
        )
    }


def check_controls(picam: Picam, controls: Mapping[str, Any]) -> None:
    """Raise `SourceError` for a control that is not there, or out of its range."""
    known = {**picam.camera_controls, "FrameRate": (0, float("inf"), None)}
    for name, value in controls.items():
        if name not in known:
            raise SourceError(
                f"source.controls.{name}: this camera has no such control",
                f"it has {', '.join(sorted(known))}",
            )
        low, high, _ = known[name]
        if not isinstance(low, int | float):
            continue  # a rectangle, or several numbers: libcamera's to judge
        if not isinstance(value, int | float) or not low <= value <= high:
            problem = f"source.controls.{name}: must be {low} to {high}, is {value!r}"
            raise SourceError(problem)


def why_size(asked: PiSettings, got: tuple[int, int]) -> str:
    """Say why frames have another size than was asked for."""
    wanted = f"{asked.width}x{asked.height}"
    if asked.scale != 1:
        wanted += f" at scale {asked.scale}"
    if got == asked.size:
        return f"frames are {got[0]}x{got[1]}: {wanted}, rounded down to even numbers"
    return f"frames are {got[0]}x{got[1]}: the camera does not do {wanted}"
