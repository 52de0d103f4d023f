"""Every key of `[pipelines.NAME.source]`, kind by kind."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .section import Section
from .values import Camera, Device, DType, FilePath, FourCC, Fps, Length, Pixels, Target


class SourceConfig(Section, frozen=True, kw_only=True, tag_field="kind"):
    """What every source has; its children are the kinds.

    Attributes:
        scale: Obeyed for a source that does not obey it itself.
    """

    scale: Annotated[float, Meta(gt=0, le=4)] = 1.0

    @property
    def kind(self) -> str:
        """The name of the kind, or the target of a user's class."""
        return str(self.__struct_config__.tag)

    def settings(self) -> dict[str, Any]:
        """Give the table with its defaults; an absent key without one is left out."""
        values = {"kind": self.kind, **msgspec.structs.asdict(self)}
        return {key: value for key, value in values.items() if value is not None}


class SyntheticSource(SourceConfig, frozen=True, kw_only=True, tag="synthetic"):
    """Frames that are computed."""

    width: Pixels = 640
    height: Pixels = 480
    channels: Annotated[int, Meta(ge=1, le=16)] = 1
    shape: Annotated[tuple[Length, ...], Meta(max_length=4)] | None = None
    dtype: DType = "u1"
    fps: Fps = 30.0
    depth: bool = False
    buffers: Annotated[int, Meta(ge=1, le=64)] = 1

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of the plane `image` before scaling, as numpy has it."""
        deep = () if self.channels == 1 else (self.channels,)
        return self.shape or (self.height, self.width, *deep)


class FileSource(SourceConfig, frozen=True, kw_only=True, tag="file"):
    """A video, or a folder of images."""

    path: FilePath
    fps: Fps | None = None
    loop: bool = False


class OpencvSource(SourceConfig, frozen=True, kw_only=True, tag="opencv"):
    """A camera or a stream that OpenCV opens."""

    device: Device = 0
    fourcc: FourCC | None = None
    width: Pixels | None = None
    height: Pixels | None = None
    fps: Fps | None = None
    exposure: Annotated[float, Meta(ge=-1_000_000, le=1_000_000)] | None = None


class LibcameraSource(SourceConfig, frozen=True, kw_only=True):
    """What one camera of libcamera's and a pair have in common.

    Attributes:
        fps: None: the highest that the mode has.
        roi: Left, top, width, height, as parts of the sensor.
        controls: libcamera's, by name.
    """

    width: Pixels = 1280
    height: Pixels = 720
    mode: (
        Annotated[
            tuple[Pixels, ...],
            Meta(
                min_length=2, max_length=3, description="[width, height] or with bits"
            ),
        ]
        | None
    ) = None
    fps: Fps | None = None
    roi: (
        Annotated[
            tuple[Annotated[float, Meta(ge=0, le=1)], ...],
            Meta(min_length=4, max_length=4, description="four parts of the sensor"),
        ]
        | None
    ) = None
    buffers: Annotated[int, Meta(ge=2, le=64)] = 8
    hflip: bool = False
    vflip: bool = False
    controls: dict[str, Any] = msgspec.field(default_factory=dict)


class PiSource(LibcameraSource, frozen=True, kw_only=True, tag="picamera2"):
    """A camera that libcamera runs, through picamera2."""

    camera: Camera = 0
    format: Literal["grey", "rgb", "yuv420", "raw"] = "rgb"


class StereoSource(LibcameraSource, frozen=True, kw_only=True, tag="stereo"):
    """Two of them as one source; width and height are those of each."""

    cameras: Annotated[
        tuple[Camera, ...], Meta(min_length=2, max_length=2, description="two cameras")
    ] = (0, 1)
    format: Literal["grey", "rgb"] = "rgb"
    layout: Literal["side-by-side", "planes"] = "side-by-side"
    sync: bool = False


class ClassSource(SourceConfig, frozen=True, kw_only=True, tag="class"):
    """A class of the user's: in TOML its `target` is the kind.

    Attributes:
        options: All keys but `kind` and `scale`, as they stand in the table.
    """

    target: Target
    options: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.target

    def settings(self) -> dict[str, Any]:
        return {**self.options, "kind": self.target, "scale": self.scale}


Source: TypeAlias = (
    SyntheticSource | FileSource | OpencvSource | PiSource | StereoSource | ClassSource
)

KINDS: dict[str, type[SourceConfig]] = {
    "synthetic": SyntheticSource,
    "file": FileSource,
    "opencv": OpencvSource,
    "picamera2": PiSource,
    "stereo": StereoSource,
}
