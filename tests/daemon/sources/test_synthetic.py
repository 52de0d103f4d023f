"""Tests of the synthetic source."""

from typing import Any

import numpy as np
import pytest

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.daemon.sources.synthetic import SyntheticSource
from imagemp.errors import SourceError
from imagemp.frames import numpy_dtype
from imagemp.spec import FrameSpec
from tests.daemon.sources.stage import (
    QUIET,
    SECOND_NS,
    HandClock,
    frames,
    grabs,
    slot,
    woken,
)


def spec_of(**settings: Any) -> FrameSpec:  # noqa: ANN401
    """Open a source and give its spec."""
    return SyntheticSource(settings).open()


def test_nothing_set_gives_640x480_grey_at_30() -> None:
    source = SyntheticSource({})

    (plane,) = source.open().planes

    assert (plane.name, plane.shape, plane.dtype) == ("image", (480, 640), "|u1")
    assert source.fps == 30


def test_width_height_and_channels_make_the_shape() -> None:
    spec = spec_of(width=32, height=20, channels=3)

    assert spec.planes[0].shape == (20, 32, 3)


@pytest.mark.parametrize("shape", [(9,), (4, 5), (4, 5, 2), (2, 3, 4, 5)])
def test_shape_stands_above_width_and_height(shape: tuple[int, ...]) -> None:
    source = SyntheticSource({"shape": list(shape), "width": 99, "fps": 0})

    (frame,) = frames(source, 1)

    assert frame.image.shape == shape


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i4", "<f4", "<f8", "?", "<c8"])
def test_the_seq_is_in_the_pixels_of_every_dtype(dtype: str) -> None:
    source = SyntheticSource({"dtype": dtype, "width": 40, "height": 30, "fps": 0})

    seqs = [read_seq(frame.image) for frame in frames(source, 3)]

    assert seqs == [0, 1, 2]
    assert numpy_dtype(source.open().planes[0].dtype) == np.dtype(dtype)


def test_a_record_dtype_carries_the_seq_as_well() -> None:
    dtype = [["x", "<f4"], ["hits", "<u2"]]

    taken = list(frames(SyntheticSource({"dtype": dtype, "shape": [12], "fps": 0}), 2))

    assert taken[1].image.dtype.names == ("x", "hits")
    assert read_seq(taken[1].image) == 1


def test_depth_adds_a_plane_with_the_same_seq() -> None:
    source = SyntheticSource({"channels": 3, "depth": True, "fps": 0})

    *_, frame = frames(source, 4)

    assert frame["depth"].shape == (480, 640)
    assert frame["depth"].dtype == np.uint16
    assert read_seq(frame["image"]) == read_seq(frame["depth"]) == 3


def test_a_restarted_source_draws_on_from_first_seq() -> None:
    source = SyntheticSource({"fps": 0})
    source.first_seq = 1000

    assert [read_seq(frame.image) for frame in frames(source, 2)] == [1000, 1001]


def test_a_frame_that_was_never_retrieved_counts() -> None:
    source = SyntheticSource({"fps": 0})
    frame = slot(source.open())

    grabs(source, 5)
    source.retrieve(frame)

    assert read_seq(frame.image) == 4


@pytest.mark.parametrize("fps", [5, 29.97, 240.0])
def test_fps_is_the_distance_of_the_stamps(fps: float) -> None:
    source = SyntheticSource({"fps": fps, "shape": [4]}, HandClock())
    source.open()

    first, *_, last = grabs(source, 2998)

    assert last.t_sensor_ns - first.t_sensor_ns == int(2997 * SECOND_NS / fps)


def test_fps_0_gives_frames_without_waiting() -> None:
    clock = HandClock()
    source = SyntheticSource({"fps": 0, "shape": [4]}, clock)
    source.open()

    taken = grabs(source, 100)

    assert {grab.t_sensor_ns for grab in taken} == {clock.now()}
    assert sum(grab.missed for grab in taken) == 0


def test_who_comes_late_has_missed_frames_and_gets_no_burst() -> None:
    clock = HandClock(at_ns=0)
    source = SyntheticSource({"fps": 10, "shape": [16]}, clock)
    frame = slot(source.open())
    grabs(source, 1)

    clock.at_ns = 1_250_000_000
    late, next_ = grabs(source, 2)
    source.retrieve(frame)

    assert (late.t_sensor_ns, late.missed) == (1_200_000_000, 11)
    assert (next_.t_sensor_ns, next_.missed) == (1_300_000_000, 0)
    assert read_seq(frame.image) == 2


def test_with_buffers_who_comes_late_gets_what_was_kept() -> None:
    clock = HandClock(at_ns=0)
    source = SyntheticSource({"fps": 10, "shape": [16], "buffers": 4}, clock)
    source.open()
    grabs(source, 1)

    clock.at_ns = 550_000_000
    taken = [(grab.t_sensor_ns, grab.missed) for grab in grabs(source, 3)]

    assert taken == [(200_000_000, 1), (300_000_000, 0), (400_000_000, 0)]


def test_time_before_the_first_grab_counts_as_nothing_missed() -> None:
    clock = HandClock()
    source = SyntheticSource({"fps": 10}, clock)
    source.open()

    clock.at_ns += 60 * SECOND_NS

    assert grabs(source, 1)[0].missed == 0


def test_wake_interrupts_grab_and_takes_no_frame() -> None:
    source = SyntheticSource({"fps": 0.001, "shape": [16]})
    frame = slot(source.open())
    source.grab(QUIET)

    with woken() as wake:
        interrupted = source.grab(wake)
    source.retrieve(frame)

    assert interrupted is None
    assert read_seq(frame.image) == 0


def test_scale_changes_the_size_and_leaves_the_seq() -> None:
    settings = {"channels": 3, "depth": True, "scale": 0.25, "fps": 0}

    *_, frame = frames(SyntheticSource(settings), 3)

    assert frame.image.shape == (120, 160, 3)
    assert read_seq(frame.image) == read_seq(frame["depth"]) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "source.width: .*>= 1"),
        ({"fps": -1}, "source.fps: "),
        ({"fps": float("nan")}, "source.fps: "),
        ({"shape": []}, "source.shape: "),
        ({"dtype": "u3"}, "source.dtype: 'u3'"),
        ({"dtype": "O"}, "source.dtype: 'O' has no size"),
        ({"shape": [9], "depth": True}, "source.depth: .*has no image"),
        ({"shape": [2, 3, 4, 5], "scale": 2}, "source.scale: .*has no image"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        SyntheticSource(settings).open()


def test_close_may_come_twice_and_first() -> None:
    source = SyntheticSource({})

    source.close()
    source.open()
    source.close()
    source.close()
