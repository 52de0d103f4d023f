"""A Pi's camera, on a hand-written picamera2: what it cannot show is told there."""

import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest

from imagemp.config import parse
from imagemp.config.checking import planes_of
from imagemp.daemon.sources.pi import PiSource
from imagemp.errors import SourceError
from imagemp.frames import AnyArray, Frame, FrameInfo, FrameLayout, numpy_dtype
from imagemp.spec import FrameSpec
from tests.config.texts import example

from .fake_picamera2 import CONTROLS, DEFAULTS, Picamera2, installed

PERIOD_NS = 33_333_000


@pytest.fixture(autouse=True)
def fake() -> Iterator[type[Picamera2]]:
    with installed() as found:
        yield found


@pytest.fixture
def wake() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def opened(**settings: Any) -> tuple[PiSource, FrameSpec, Picamera2]:  # noqa: ANN401
    """Open a source; give it, what its frames look like, and the camera behind."""
    asked = {"kind": "picamera2", "width": 100, "height": 50, "fps": 30.0}
    source = PiSource({**asked, **settings})
    return source, source.open(), Picamera2.opened[-1]


def taken(source: PiSource, spec: FrameSpec) -> Frame:
    """Retrieve what was grabbed."""
    layout = FrameLayout.of(spec)
    memory = np.zeros(layout.nbytes, np.uint8)
    frame = Frame(layout.views(memory), FrameInfo(seq=0, t_sensor_ns=0))
    source.retrieve(frame)
    return frame


def drawn(camera: Picamera2, stream: str = "main") -> AnyArray:
    """Fill the camera's buffer with noise; give its rows, padding and all."""
    stride = camera.camera_configuration()[stream]["stride"]
    noise = np.random.default_rng(1).integers(0, 256, len(camera.fill(stream)), "u1")
    camera.fill(stream)[:] = noise
    return noise.reshape(-1, stride)


def test_every_request_is_seen_though_several_complete_at_once(
    wake: tuple[int, int],
) -> None:
    source, spec, camera = opened()
    camera.give(1 * PERIOD_NS)
    times = [source.grab(wake[0])]
    camera.give(2 * PERIOD_NS, 3 * PERIOD_NS, 4 * PERIOD_NS)
    for _ in range(3):
        times.append(source.grab(wake[0]))
        taken(source, spec)

    assert [grab and grab.t_sensor_ns // PERIOD_NS for grab in times] == [1, 2, 3, 4]
    source.close()
    assert all(request.held == 0 for request in camera.requests)


def test_a_request_goes_back_at_once_when_it_is_copied_or_not_wanted(
    wake: tuple[int, int],
) -> None:
    source, spec, camera = opened()
    camera.give(1 * PERIOD_NS)
    source.grab(wake[0])
    camera.give(2 * PERIOD_NS, 3 * PERIOD_NS)
    source.grab(wake[0])
    taken(source, spec)

    assert [request.held for request in camera.requests] == [0, 0, 1]
    source.close()


def test_frames_from_before_the_first_grab_are_let_go_but_for_the_newest(
    wake: tuple[int, int],
) -> None:
    source, _, camera = opened()
    camera.give(1 * PERIOD_NS, 2 * PERIOD_NS, 3 * PERIOD_NS)

    first = source.grab(wake[0])

    assert first is not None
    assert (first.t_sensor_ns, first.missed) == (3 * PERIOD_NS, 0)
    source.close()


def test_what_the_sensors_clock_says_is_missing_is_missed(
    wake: tuple[int, int],
) -> None:
    source, _, camera = opened()
    missed = []
    for number in (1, 2, 5, 6):
        camera.give(number * PERIOD_NS + 40_000 * (number % 2))
        grab = source.grab(wake[0])
        missed.append(grab and grab.missed)

    assert missed == [0, 0, 2, 0]
    source.close()


def test_an_order_wakes_it_and_nothing_is_lost(wake: tuple[int, int]) -> None:
    source, _, camera = opened()
    os.write(wake[1], b"x")
    camera.give(PERIOD_NS)

    assert source.grab(wake[0]) is None
    os.read(wake[0], 1)
    assert source.grab(wake[0]) is not None
    source.close()


def test_exposure_and_gain_come_with_the_frame(wake: tuple[int, int]) -> None:
    source, _, camera = opened()
    camera.give(PERIOD_NS, ExposureTime=5000, AnalogueGain=2.5)

    grab = source.grab(wake[0])

    assert grab is not None
    assert (grab.exposure_us, grab.gain) == (5000.0, 2.5)
    source.close()


@pytest.mark.parametrize("gives", ["YUV420", "NV12"])
def test_grey_is_the_luminance_without_what_pads_its_rows(
    fake: type[Picamera2], wake: tuple[int, int], gives: str
) -> None:
    fake.gives = gives
    source, spec, camera = opened(format="grey")
    rows = drawn(camera)
    camera.give(PERIOD_NS)
    source.grab(wake[0])

    assert spec.planes[0].shape == (50, 100)
    assert np.array_equal(taken(source, spec).image, rows[:50, :100])
    source.close()


def test_rgb_is_red_first(wake: tuple[int, int]) -> None:
    source, spec, camera = opened(format="rgb")
    rows = drawn(camera)
    camera.give(PERIOD_NS)
    source.grab(wake[0])

    assert camera.camera_configuration()["main"]["format"] == "BGR888"
    expected = rows[:, :300].reshape(50, 100, 3)
    assert np.array_equal(taken(source, spec).image, expected)
    source.close()


@pytest.mark.parametrize("gives", ["XBGR8888", "NV12"])
def test_rgb_is_made_of_what_a_camera_gives_instead(
    fake: type[Picamera2], wake: tuple[int, int], gives: str
) -> None:
    fake.gives = gives
    source, spec, camera = opened(format="rgb")
    camera.fill()[:] = 128
    camera.give(PERIOD_NS)
    source.grab(wake[0])

    image = taken(source, spec).image
    assert image.shape == (50, 100, 3)
    assert abs(int(image.min()) - 128) <= 3
    assert abs(int(image.max()) - 128) <= 3
    source.close()


@pytest.mark.parametrize("gives", ["YUV420", "NV12"])
def test_yuv420_gives_three_planes(
    fake: type[Picamera2], wake: tuple[int, int], gives: str
) -> None:
    fake.gives = gives
    source, spec, camera = opened(format="yuv420")
    rows = drawn(camera)
    camera.give(PERIOD_NS)
    source.grab(wake[0])
    frame = taken(source, spec)

    colours = rows[50:].reshape(-1)
    if gives == "NV12":
        pairs = rows[50:, :100].reshape(25, 50, 2)
        u, v = pairs[:, :, 0], pairs[:, :, 1]
    else:
        halves = colours.reshape(2, 25, -1)[:, :, :50]
        u, v = halves[0], halves[1]
    assert np.array_equal(frame["y"], rows[:50, :100])
    assert np.array_equal(frame["u"], u)
    assert np.array_equal(frame["v"], v)
    source.close()


def test_raw_is_what_the_sensor_saw_in_16_bits(wake: tuple[int, int]) -> None:
    source, spec, camera = opened(format="raw", mode=(640, 480))
    rows = drawn(camera, "raw")
    camera.give(PERIOD_NS)
    source.grab(wake[0])

    assert (spec.planes[0].shape, spec.planes[0].dtype) == ((480, 640), "<u2")
    expected = rows[:, :1280].copy().view("<u2")
    assert np.array_equal(taken(source, spec).image, expected)
    source.close()


# ---- each setting changes what the camera is told


def test_each_setting_reaches_the_camera() -> None:
    source, _, camera = opened(
        fps=50.0, hflip=True, vflip=True, buffers=5, controls={"ExposureTime": 4000}
    )

    got = camera.camera_configuration()
    told = {"FrameRate": 50.0, "ExposureTime": 4000}
    assert camera.controls == DEFAULTS | told
    assert (got["transform"].hflip, got["transform"].vflip) == (True, True)
    assert got["buffer_count"] == 5
    assert (got["queue"], got["display"], got["encode"]) == (False, None, None)
    assert source.fps == 50.0
    source.close()


def test_the_example_reaches_the_camera() -> None:
    source = PiSource(parse(example("pi")).pipelines["pi"].source.settings())
    spec, (camera,) = source.open(), Picamera2.opened

    assert spec.planes[0].shape == (720, 1280, 3)
    assert camera.camera_configuration()["sensor"]["output_size"] == (1640, 1232)
    wanted = {"FrameRate": 30.0, "ExposureTime": 5000, "AnalogueGain": 2.0}
    assert camera.controls == DEFAULTS | wanted | {"ScalerCrop": (820, 616, 1640, 1232)}
    assert source.notes == []
    source.close()


@pytest.mark.parametrize(
    "keys",
    [
        'format = "grey"\nwidth = 101\nheight = 51',
        'format = "rgb"\nscale = 0.3',
        'format = "yuv420"\nwidth = 66\nheight = 34',
        'format = "raw"\nmode = [1640, 1232]',
    ],
)
def test_its_frames_are_those_that_config_check_reckons_with(keys: str) -> None:
    text = f'[pipelines.cam0.source]\nkind = "picamera2"\n{keys}\n'
    config = parse(text).pipelines["cam0"].source
    source = PiSource(config.settings())

    found = [(plane.shape, numpy_dtype(plane.dtype)) for plane in source.open().planes]

    assert found == [(s, numpy_dtype(dtype)) for s, dtype in planes_of(config)]
    source.close()


def test_a_part_of_the_sensor_is_given_in_fractions() -> None:
    source, _, camera = opened(roi=(0.25, 0.5, 0.5, 0.25))

    assert camera.controls["ScalerCrop"] == (820, 1232, 1640, 616)
    source.close()


def test_they_are_fractions_of_what_the_mode_reads_of_the_sensor(
    fake: type[Picamera2],
) -> None:
    middle = (680, 692, 1920, 1080)  # as the mode 1920x1080 of an imx219
    fake.more_controls = {"ScalerCrop": ((0, 0, 64, 64), middle, middle)}
    source, _, camera = opened(roi=(0.5, 0.0, 0.5, 1.0))

    assert camera.controls["ScalerCrop"] == (1640, 692, 960, 1080)
    source.close()


def test_a_part_is_refused_by_a_camera_that_gives_the_whole(
    fake: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(CONTROLS, "ScalerCrop")

    with pytest.raises(SourceError, match=r"source\.roi: this camera always gives all"):
        opened(roi=(0.5, 0.0, 0.5, 1.0))

    assert fake.opened[-1].is_closed


@pytest.mark.parametrize(
    "asked",
    [
        {"fps": 25.0},
        {"controls": {"FrameRate": 25}},
        {"fps": None, "controls": {"FrameDurationLimits": [40000, 40000]}},
    ],
)
def test_the_rate_asked_for_is_its_rate_whatever_picamera2_sets_by_itself(
    asked: dict[str, Any],
) -> None:
    source, _, camera = opened(**asked)

    assert camera.camera_configuration()["controls"] == DEFAULTS  # of 30 fps
    assert (source.fps, source.notes) == (25.0, [])
    source.close()


def test_a_rate_that_the_mode_has_not_is_told() -> None:
    source, _, _ = opened(fps=500.0)

    assert source.fps == 206.654
    assert source.notes == [
        "206.654 frames a second: the camera does not do 500 in this mode"
    ]
    source.close()


@pytest.mark.parametrize(
    "controls",
    [
        {"ExposureTime": 5_000_000},
        {"ColourGains": [1.5, 2.0]},
        {"FrameDurationLimits": [5000, 6_000_000]},
    ],
)
def test_a_control_has_the_range_that_the_mode_gives_it(
    controls: dict[str, Any],
) -> None:
    source, _, camera = opened(controls=controls)

    (name,) = controls
    assert camera.controls[name] == controls[name]
    source.close()


def test_a_mode_is_chosen_exactly() -> None:
    source, _, camera = opened(mode=(1640, 1232, 10), fps=None)

    got = camera.camera_configuration()
    assert got["sensor"] == {"output_size": (1640, 1232), "bit_depth": 10}
    assert camera.controls["FrameRate"] == 41.85
    source.close()


def test_without_a_rate_the_fastest_mode_that_is_large_enough_decides() -> None:
    source, _, camera = opened(width=1000, height=700, fps=None)

    assert camera.controls["FrameRate"] == 41.85
    source.close()


def test_the_camera_scales_itself() -> None:
    source, spec, _ = opened(width=1280, height=480, scale=0.3)

    assert spec.planes[0].shape == (144, 384, 3)
    assert source.notes == []
    source.close()


def test_a_size_that_is_rounded_is_told() -> None:
    source, spec, _ = opened(width=101, height=51)

    assert spec.planes[0].shape == (50, 100, 3)
    assert source.notes == ["frames are 100x50: 101x51, rounded down to even numbers"]
    source.close()


def test_controls_can_be_set_while_it_runs() -> None:
    source, _, camera = opened()

    source.set_controls({"AnalogueGain": 4.0})

    assert camera.controls["AnalogueGain"] == 4.0
    with pytest.raises(
        SourceError, match=r"AnalogueGain: must be 1\.0 to 10\.67, is 99"
    ):
        source.set_controls({"AnalogueGain": 99})
    source.close()


def test_a_rate_set_while_it_runs_is_what_missed_frames_are_reckoned_by(
    wake: tuple[int, int],
) -> None:
    source, _, camera = opened()
    camera.give(PERIOD_NS, period_us=0)  # as cameras that do not tell it
    source.grab(wake[0])

    source.set_controls({"FrameRate": 10.0})

    camera.give(4 * PERIOD_NS, 10 * PERIOD_NS, period_us=0)
    assert source.fps == 10.0
    grabs = [source.grab(wake[0]), source.grab(wake[0])]
    assert [grab and grab.missed for grab in grabs] == [0, 1]
    source.close()


# ---- what goes wrong, in words


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"camera": 3}, r"no camera 3; there is 0 \(imx219, /base/i2c@0\)"),
        ({"mode": (800, 600)}, r"no mode \[800, 600\]"),
        ({"controls": {"Zoom": 1}}, "controls.Zoom: this camera has no such control"),
        ({"controls": {"ExposureTime": 1}}, "must be 75 to 11766829, is 1"),
        ({"controls": {"ColourGains": [1, 99]}}, r"must be 0.0 to 32.0, is \[1, 99\]"),
        ({"controls": {"FrameRate": 0}}, "FrameRate: must be 0.001 to"),
        ({"format": "blue"}, "source.format"),
        ({"roi": (0, 0, 2, 1)}, "source.roi"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    fake: type[Picamera2], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        opened(**settings)

    assert all(camera.is_closed for camera in fake.opened)


@pytest.mark.parametrize("number", [0, 1])
def test_a_camera_is_found_by_its_id_however_libcamera_counts(number: int) -> None:
    with installed(cameras=2):
        source, _, camera = opened(camera=f"/base/i2c@{number}")

    assert camera.number == number
    source.close()


def test_a_model_of_which_there_are_two_names_no_camera() -> None:
    with (
        installed(cameras=2),
        pytest.raises(SourceError, match="several cameras are 'imx219'; there is 0"),
    ):
        opened(camera="imx219")


def test_the_nearest_modes_are_told() -> None:
    with pytest.raises(SourceError) as raised:
        opened(mode=(800, 600))

    assert raised.value.hint.startswith(
        "the nearest are [640, 480, 10] at 206.65 fps, [1640, 1232, 10] at 41.85 fps"
    )


def test_no_camera_is_told_with_what_to_look_at(fake: type[Picamera2]) -> None:
    fake.there = []

    with pytest.raises(SourceError, match="there is no camera") as raised:
        opened()

    assert "dtoverlay" in raised.value.hint or "group video" in raised.value.hint


def test_a_camera_that_is_taken_is_told(fake: type[Picamera2]) -> None:
    fake.is_busy = True

    expected = "camera 0: Camera __init__ sequence did not"
    with pytest.raises(SourceError, match=expected) as raised:
        opened()

    assert raised.value.hint  # who has it is looked up in this machine's /proc


def test_a_camera_for_whose_buffers_there_is_no_memory_says_what_they_take(
    fake: type[Picamera2],
) -> None:
    fake.fails = RuntimeError("failed to allocate capture buffers for stream 0")

    with pytest.raises(SourceError, match="failed to allocate") as raised:
        opened(width=1280, height=720, format="rgb", buffers=8)

    needed = 8 * 1280 * 720 * 3 // 1024
    assert f"take {needed} kB of contiguous memory (CMA) at least" in raised.value.hint
    assert fake.opened[-1].is_closed


def test_without_picamera2_the_package_is_named() -> None:
    with (
        mock.patch.dict("sys.modules", {"picamera2": None}),
        pytest.raises(SourceError, match="picamera2 cannot be imported") as raised,
    ):
        PiSource({"kind": "picamera2"}).open()

    assert "apt install python3-picamera2" in raised.value.hint
