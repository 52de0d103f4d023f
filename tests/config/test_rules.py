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
        "encoder.input = 'callback:x'",
        "encoder.input: must name a callback of this pipeline (none), is 'callback:x'",
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

    expected = f"must differ from that of pipelines.a, is {other}".replace('"', "'")
    assert refusal(text) == f"pipelines.b.source.device: {expected}"
