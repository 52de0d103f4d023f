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


RATES = (0.001, 1e6)  # that FrameRate may be set to; the camera has limits of its own
BITS = {"rgb": 24, "raw": 16}  # a pixel, in the camera's buffers
YUV420_BITS = 12


class PiSettings(Struct, frozen=True):
    """Which camera, and what is asked of it; None leaves it as it is.

    Attributes:
        camera: A number, or libcamera's id or model.
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


def configuration(picam: Picam, asked: PiSettings) -> tuple[dict[str, Any], float]:
    """Give what picamera2's `configure` wants, and the frames a second to ask for.

    0.0: as the camera has it.

    Raises:
        SourceError: The sensor has no such mode.
    """
    import libcamera

    mode = chosen_mode(picam, asked)
    more: dict[str, Any] = {}
    if asked.mode is not None:
        more["sensor"] = {"output_size": mode["size"], "bit_depth": mode["bit_depth"]}
    if asked.format == "raw":
        more["raw"] = {"format": mode["unpacked"], "size": mode["size"]}
    made: dict[str, Any] = picam.create_video_configuration(
        main={"size": asked.size, "format": FORMATS.get(asked.format, "YUV420")},
        transform=libcamera.Transform(hflip=asked.hflip, vflip=asked.vflip),
        buffer_count=asked.buffers,
        queue=False,
        display=None,
        encode=None,
        **more,
    )
    return made, float(asked.fps or mode.get("fps") or 0.0)


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


def first_controls(picam: Picam, asked: PiSettings, fps: float) -> dict[str, Any]:
    """Give the controls that a configured camera starts with.

    Before it is configured it tells limits that are nobody's: an ExposureTime up to
    66,666, a ScalerCrop up to 65,535.

    Raises:
        SourceError: The camera has no such control, or the value is out of range.
    """
    check_controls(picam, asked.controls)
    rate = {"FrameRate": fps} if fps else {}
    return rate | crop(picam, asked) | asked.controls


def crop(picam: Picam, asked: PiSettings) -> dict[str, Any]:
    """Give the control that reads out a part of what the mode sees."""
    if asked.roi is None:
        return {}
    if "ScalerCrop" not in picam.camera_controls:
        raise SourceError("source.roi: this camera always gives all of its picture")
    left, top, width, height = picam.camera_controls["ScalerCrop"][1]
    x, y, w, h = asked.roi
    part = (left + x * width, top + y * height, w * width, h * height)
    return {"ScalerCrop": tuple(round(n) for n in part)}


def check_controls(picam: Picam, controls: Mapping[str, Any]) -> None:
    """Raise `SourceError` for a control that is not there, or out of its range."""
    known = {**picam.camera_controls, "FrameRate": (*RATES, None)}
    for name, value in controls.items():
        if name not in known:
            raise SourceError(
                f"source.controls.{name}: this camera has no such control",
                f"it has {', '.join(sorted(known))}",
            )
        low, high, _ = known[name]
        if not isinstance(low, int | float):
            continue  # a rectangle, or text: libcamera's to judge
        for one in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(one, int | float) or not low <= one <= high:
                must = f"must be {low} to {high}, is {value!r}"
                raise SourceError(f"source.controls.{name}: {must}")


def period_of(controls: Mapping[str, Any]) -> float:
    """Give the time from frame to frame that controls ask for, in us; 0.0: none.

    The last of them counts, as with picamera2.
    """
    period_us = 0.0
    for name, value in controls.items():
        values = value if isinstance(value, list | tuple) else [value]
        if name == "FrameRate":
            period_us = 1e6 / max(values)
        elif name == "FrameDurationLimits":
            period_us = float(values[0])
    return period_us


def possible_period(picam: Picam, period_us: float) -> float:
    """Give the nearest period that a configured camera can have."""
    low, high, _ = picam.camera_controls.get("FrameDurationLimits", (0, 0, None))
    return min(max(period_us, low), high) if period_us and high else period_us


def why_size(asked: PiSettings, got: tuple[int, int]) -> str:
    """Say why frames have another size than was asked for."""
    wanted = f"{asked.width}x{asked.height}"
    if asked.scale != 1:
        wanted += f" at scale {asked.scale}"
    if got == asked.size:
        return f"frames are {got[0]}x{got[1]}: {wanted}, rounded down to even numbers"
    return f"frames are {got[0]}x{got[1]}: the camera does not do {wanted}"


def why_rate(asked: float, got: float) -> str:
    """Say why frames come at another rate than was asked for."""
    return f"{got:g} frames a second: the camera does not do {asked:g} in this mode"
