"""What keys may not say together."""

import pytest

from imagemp.config import parse, with_overrides
from imagemp.errors import ConfigError

from .texts import CALLBACK, SOURCE, refusal, refusal_in_pipeline

MODES = {
    "every_s": "1",
    "times_s": "[1]",
    "intervals_s": "[1]",
    "file": "'/t.csv'",
    "generator": "'a:b'",
    "trigger": "true",
}

TOGETHER = [
    (
        "schedule.trigger = true\nencoder.pre_s = 2",
        "encoder.pre_s: must be 0 beside schedule.trigger: a trigger means one "
        "thing; is 2",
    ),
    (
        "schedule.trigger = true\nencoder = [{}, {name='b', post_s=0.5}]",
        "encoder.b.post_s: must be 0 beside schedule.trigger: a trigger means one "
        "thing; is 0.5",
    ),
    (
        "encoder = {post_s=1, record_at_start=true}",
        "encoder.record_at_start: must be false beside post_s: triggers say what is "
        "recorded; is true",
    ),
    (
        "encoder = {pre_s=1, input='callback:m'}\n"
        "callbacks = [{name='m', target='a:B', inline=true}]",
        "encoder.pre_s: must be 0: what callback:m returns is in no ring; is 1",
    ),
    (
        "encoder.input = 'callback:x'",
        "encoder.input: must name a callback of this pipeline (none), is 'callback:x'",
    ),
    (
        "callbacks = [{name='m', target='a:B', input='callback:n'}, "
        "{name='n', target='a:C'}]",
        "callbacks.m.input: must name a callback above it (none), is 'callback:n'",
    ),
    (
        "callbacks = [{name='m', target='a:B', input='callback:m'}]",
        "callbacks.m.input: must name a callback above it (none), is 'callback:m'",
    ),
    (
        "encoder = {}\ncallbacks = [{name='m', target='a:B', inline=true}, "
        "{name='n', target='a:C', input='callback:m'}]",
        "callbacks.n.input: must not be inline: what an inline one returns is in no "
        "ring; is 'callback:m'",
    ),
    (
        "encoder = {}\ncallbacks = [{name='m', target='a:B'}, "
        "{name='n', target='a:C', input='callback:m', inline=true}]",
        "callbacks.n.input: inline callbacks get what their encoder gets: set its "
        "input; is 'callback:m'",
    ),
    (
        "callbacks = [{name='m', target='a:B'}, {name='m', target='a:C'}]",
        "callbacks.m.name: must be unique, is 2 times there",
    ),
    (
        "encoder = {}\ncallbacks = [{name='main', target='a:B'}]",
        "callbacks.main.name: must differ from the encoder's, is 'main'",
    ),
    (
        "encoder.name = 'm'\ncallbacks = [{name='m', target='a:B', inline=true}]",
        "callbacks.m.name: must differ from the encoder's, is 'm'",
    ),
    (
        "encoder = [{}, {}]",
        "encoder.main.name: must differ from the encoder's, is 'main'",
    ),
    (
        "encoder = [{}, {name='b', input='callback:x'}]",
        "encoder.b.input: must name a callback of this pipeline (none), "
        "is 'callback:x'",
    ),
    (
        "encoder = [{}, {name='b', input='callback:m'}]\n"
        "callbacks = [{name='m', target='a:B', inline=true}]",
        "encoder.b.input: inline callbacks run in the first encoder, "
        "and feed no other; is 'callback:m'",
    ),
    (
        "encoder = [{quota='1 GiB'}, {name='b', quota='2 GiB'}]",
        "encoder.b.quota: must be that of main, 1.0 GiB: they share a folder; "
        "is 2.0 GiB",
    ),
    (
        "encoder = [{quota='1 GB', quota_action='delete-oldest'}, "
        "{name='b', quota='1 GB'}]",
        "encoder.b.quota_action: must be that of main, 'delete-oldest', is 'stop'",
    ),
    (
        "encoder.level = 1",
        "encoder.level: needs compression zlib or zstd, is 1 beside none",
    ),
    (
        "encoder = [{}, {name='b', predictor=false}]",
        "encoder.b.predictor: needs compression zlib or zstd, is False beside none",
    ),
    (
        "encoder = {compression='zlib', level=13}",
        "encoder.level: must be 1 to 12 for zlib, is 13",
    ),
    (
        "source.dtype = '<u2'\noverlay.show = ['seq']",
        "overlay.show: needs frames of u1, source.dtype is '<u2'",
    ),
    (
        "source.depth = true\noverlay.show = ['seq']",
        "overlay.show: needs frames of u1, source.depth adds a plane of u2",
    ),
    (
        "source.channels = 5\noverlay.show = ['seq']",
        "overlay.show: needs pictures, source gives shape (480, 640, 5)",
    ),
    (
        "callbacks = [{name='capture', target='a:B'}]",
        "callbacks.capture.name: must differ from the capture worker's, is 'capture'",
    ),
    (
        "encoder.name = 'capture'",
        "encoder.name: must differ from the capture worker's, is 'capture'",
    ),
    (
        "encoder.name = 'frames'",
        "encoder.name: must differ from the main encoder's files, is 'frames'",
    ),
    (
        "callbacks = [{name='m', target='a:B', inline=true}]",
        "callbacks.m.inline: must be false without an encoder to run in, is true",
    ),
    (
        "schedule.times_s = [0, 2, 1]",
        "schedule.times_s[2]: must be more than 2.0, the one before, is 1.0",
    ),
    (
        "schedule.times_s = [0, 0]",
        "schedule.times_s[1]: must be more than 0.0, the one before, is 0.0",
    ),
]

SHAPES = [
    (
        'kind = "synthetic"\nshape = [5]\ndepth = true',
        "depth: must be false for a shape of 1 axis, is true",
    ),
    (
        'kind = "synthetic"\nshape = [5]\nscale = 2',
        "scale: must be 1 for a shape of 1 axes, is 2.0",
    ),
]


@pytest.mark.parametrize(("lines", "expected"), TOGETHER)
def test_a_key_that_contradicts_another_is_refused(lines: str, expected: str) -> None:
    assert refusal_in_pipeline(lines) == f"pipelines.cam0.{expected}"


@pytest.mark.parametrize(("keys", "expected"), SHAPES)
def test_a_shape_that_is_no_picture_has_no_scale_and_no_depth(
    keys: str, expected: str
) -> None:
    text = f"[pipelines.cam0.source]\n{keys}"

    assert refusal(text) == f"pipelines.cam0.source.{expected}"


@pytest.mark.parametrize("dtype", ["u1", "|u1", "u2"])
def test_an_overlay_is_refused_for_what_it_shows_and_not_by_being_there(
    dtype: str,
) -> None:
    show = "['time']" if "1" in dtype else "[]"
    text = f"{SOURCE}dtype = '{dtype}'\n[pipelines.cam0.overlay]\nshow = {show}"

    assert parse(text).pipelines["cam0"].overlay.size == 0.5


@pytest.mark.parametrize("name", ["main", "frames", "source", "gateway"])
def test_a_callback_may_have_any_name_that_no_worker_beside_it_has(name: str) -> None:
    config = parse(f"{SOURCE}{CALLBACK}".replace("motion", name))

    assert config.pipelines["cam0"].callbacks[0].name == name


def test_an_order_may_not_give_two_workers_one_name_either() -> None:
    config = parse(f"{SOURCE}{CALLBACK}[pipelines.cam0.encoder]\n")

    with pytest.raises(ConfigError) as refused:
        with_overrides(config, [], ["encoder.name=motion"])

    assert refused.value.key == "pipelines.cam0.callbacks.motion.name"


@pytest.mark.parametrize("one", MODES)
@pytest.mark.parametrize("other", MODES)
def test_a_schedule_has_one_mode(one: str, other: str) -> None:
    text = f"{SOURCE}[pipelines.cam0.schedule]\n"
    order = list(MODES)
    if order.index(one) >= order.index(other):
        assert parse(f"{text}{one} = {MODES[one]}").pipelines
        return

    found = refusal(f"{text}{one} = {MODES[one]}\n{other} = {MODES[other]}")

    expected = f"schedule.{other}: must stand alone, is beside {one}"
    assert found == f"pipelines.cam0.{expected}"


@pytest.mark.parametrize(
    ("one", "other"),
    [("0", "0"), ("0", '"/dev/video0"'), ('"2"', "2"), ('"rtsp://x"', '"rtsp://x"')],
)
def test_two_pipelines_on_one_device_are_refused(one: str, other: str) -> None:
    text = (
        f'[pipelines.a.source]\nkind = "opencv"\ndevice = {one}\n'
        f'[pipelines.b.source]\nkind = "opencv"\ndevice = {other}\n'
    )

    there = "pipelines.a.source.device"
    expected = f"must differ from {there}, is {other}".replace('"', "'")
    assert refusal(text) == f"pipelines.b.source.device: {expected}"


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ('kind = "picamera2"\ncamera = 1', "camera"),
        ('kind = "stereo"', "cameras[1]"),
        ('kind = "stereo"\ncameras = [1, 2]', "cameras[0]"),
    ],
)
def test_one_camera_of_libcamera_has_one_pipeline(other: str, key: str) -> None:
    text = (
        '[pipelines.a.source]\nkind = "picamera2"\ncamera = 1\n'
        f"[pipelines.b.source]\n{other}\n"
    )

    expected = "must differ from pipelines.a.source.camera, is 1"
    assert refusal(text) == f"pipelines.b.source.{key}: {expected}"
