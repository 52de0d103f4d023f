"""Tests of scaling."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest

from imagemp.daemon.sources.base import Grab, Source
from imagemp.daemon.sources.load import make_source
from imagemp.daemon.sources.scaled import ScaledSource
from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame, spec_of
from imagemp.spec import Field, FrameSpec
from tests.clips import clip
from tests.daemon.sources.stage import QUIET, frames, images

RANDOM = np.random.default_rng(5)


class Still(Source):
    """Gives the same planes for ever."""

    def __init__(self, planes: Mapping[str, AnyArray]) -> None:
        super().__init__({})
        self.planes = planes
        self.is_closed = False

    def open(self) -> FrameSpec:
        self.fps = 12.5
        self.notes = ["width is 4"]
        return FrameSpec(spec_of(self.planes).planes, (Field("heat", "f8"),))

    def grab(self, wake: int) -> Grab | None:
        return Grab(5, missed=2, fields={"heat": 1.5})

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        self.fps = controls["FrameRate"]

    def retrieve(self, frame: Frame) -> None:
        for name, pixels in self.planes.items():
            frame[name][:] = pixels

    def close(self) -> None:
        self.is_closed = True


def scaled(scale: float, **planes: Any) -> Frame:  # noqa: ANN401
    """Give one frame of these planes, scaled."""
    return next(frames(ScaledSource(Still(planes), scale)))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8"])
def test_shrinking_takes_the_mean_of_the_area(dtype: str) -> None:
    pixels = RANDOM.integers(0, 100, (40, 60, 3)).astype(dtype)

    image = scaled(0.5, image=pixels).image

    mean = pixels.astype("f8").reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert image.dtype == pixels.dtype
    assert np.allclose(image, mean, atol=0.5 if pixels.dtype.kind != "f" else 1e-4)


def test_growing_interpolates() -> None:
    pixels = RANDOM.integers(0, 256, (20, 30), np.uint8)

    image = scaled(2.5, image=pixels).image

    assert np.array_equal(image, cv2.resize(pixels, (75, 50)))


def test_the_nearest_pixel_is_the_same_for_every_dtype() -> None:
    depth = RANDOM.integers(0, 5000, (40, 60)).astype("u2")

    by_opencv = scaled(0.35, depth=depth)["depth"]
    by_numpy = scaled(0.35, depth=depth.astype("i4"))["depth"]

    assert np.array_equal(by_opencv, by_numpy)


@pytest.mark.parametrize("dtype", ["?", "i1", "i4", "u8", "c8", "f2"])
@pytest.mark.parametrize("scale", [0.4, 1.7])
def test_what_cannot_be_blended_keeps_its_values(dtype: str, scale: float) -> None:
    pixels = RANDOM.integers(0, 90, (40, 60)).astype(dtype)

    image = scaled(scale, image=pixels).image

    assert image.shape == (round(40 * scale), round(60 * scale))
    assert set(image.ravel().tolist()) <= set(pixels.ravel().tolist())


def test_depth_is_never_blended() -> None:
    depth = np.where(np.eye(40), 0, 5000).astype("u2")

    frame = scaled(0.3, rgb=np.zeros((40, 40, 3), "u1"), depth=depth)

    assert frame["rgb"].shape == (12, 12, 3)
    assert set(frame["depth"].ravel().tolist()) <= {0, 5000}


def test_the_smallest_frame_is_one_pixel() -> None:
    assert scaled(0.01, image=np.zeros((10, 10, 1), "u1")).image.shape == (1, 1, 1)


def test_everything_else_passes_through() -> None:
    source = Still({"image": np.zeros((8, 8), "u1")})
    wrapped = ScaledSource(source, 0.5)
    wrapped.first_seq = 9

    spec = wrapped.open()
    grab = wrapped.grab(QUIET)
    wrapped.close()

    assert spec.fields == (Field("heat", "f8"),)
    assert grab == Grab(5, missed=2, fields={"heat": 1.5})
    assert (wrapped.fps, wrapped.notes) == (12.5, ["width is 4"])
    assert (source.first_seq, source.is_closed) == (9, True)


def test_controls_reach_the_source_whose_frames_are_resized() -> None:
    wrapped = ScaledSource(source := Still({"image": np.zeros((8, 8))}), 0.5)
    wrapped.open()

    wrapped.set_controls({"FrameRate": 5.0})

    assert (source.fps, wrapped.fps) == (5.0, 5.0)


@pytest.mark.parametrize("shape", [(9,), (2, 3, 4, 5), (4, 5, 6)])
def test_a_plane_that_is_no_image_is_refused_by_name(shape: tuple[int, ...]) -> None:
    planes = {"image": np.zeros((8, 8)), "spectrum": np.zeros(shape)}

    with pytest.raises(SourceError, match="plane spectrum of shape"):
        ScaledSource(Still(planes), 0.5).open()


def test_scale_shrinks_a_clip() -> None:
    settings = {"kind": "file", "path": str(clip("bikes.mp4")), "fps": 0}

    (full,) = images(make_source(settings), 1)
    (half,) = images(make_source(settings | {"scale": 0.5}), 1)

    expected = cv2.resize(full, (320, 136), interpolation=cv2.INTER_AREA)
    assert np.array_equal(half, expected)
