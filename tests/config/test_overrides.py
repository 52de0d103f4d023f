"""Keys set for one session, `imagectl start -o key=value`."""

from typing import Any

import pytest

from imagemp.config import (
    PipelineConfig,
    RingConfig,
    SyntheticSource,
    parse,
    with_overrides,
)
from imagemp.errors import ConfigError

from .texts import CALLBACK, SOURCE


def overridden(*orders: str) -> PipelineConfig:
    config = parse(f"{SOURCE}{CALLBACK}settings = {{ a = 1, b = 2 }}\n")
    return with_overrides(config, ["cam0"], orders).pipelines["cam0"]


def test_orders_set_keys_of_a_pipeline_and_leave_the_rest() -> None:
    got = overridden("ring.slots=64", "source.fps = 200", "ring.overflow=none")

    assert got.ring == RingConfig(slots=64, overflow="none")
    assert got.source == SyntheticSource(fps=200.0)
    assert got.callbacks[0].name == "motion"


@pytest.mark.parametrize(
    ("order", "path", "expected"),
    [
        ("ring.overflow_size=1 MB", "ring.overflow_size", 1_000_000),
        ('ring.overflow_size="1 MB"', "ring.overflow_size", 1_000_000),
        ("ring.overflow_size=0", "ring.overflow_size", 0),
        ("schedule.times_s=[0, 1.5]", "schedule.times_s", (0.0, 1.5)),
        ("schedule.trigger=true", "schedule.trigger", True),
        ('overlay.show=["seq"]', "overlay.show", ("seq",)),
        ("overlay.show=[]", "overlay.show", ()),
        ("overlay.position=top-right", "overlay.position", "top-right"),
        ("overlay.size=3", "overlay.size", 3.0),
        ("overlay.rate_frames=1", "overlay.rate_frames", 1),
        ("source={fps=5, width=8}", "source.width", 8),
        ("source.width=8", "source.height", 480),
    ],
)
def test_the_value_of_an_order_is_toml_or_else_text(
    order: str, path: str, expected: object
) -> None:
    found: Any = overridden(order)

    for name in path.split("."):
        found = getattr(found, name)
    assert found == expected


def test_orders_reach_a_callback_by_its_name() -> None:
    got = overridden("callbacks.motion.policy=every", "callbacks.motion.settings.a=7")

    assert got.callbacks[0].policy == "every"
    assert got.callbacks[0].settings == {"a": 7, "b": 2}


def test_orders_reach_the_only_encoder_as_they_are_and_one_of_several_by_name() -> None:
    several = f"{SOURCE}[[pipelines.cam0.encoder]]\n[[pipelines.cam0.encoder]]\n"
    config = parse(several + 'name = "raw"\nsync_ms = 7\n')

    (only,) = overridden("encoder.segment_s=5").encoders
    got = with_overrides(config, ["cam0"], ["encoder.raw.segment_s=5"])

    assert (only.name, only.segment_s) == ("main", 5.0)
    main, raw = got.pipelines["cam0"].encoders
    assert (main.segment_s, raw.segment_s, raw.sync_ms) == (0.0, 5.0, 7)
    with pytest.raises(ConfigError, match=r"encoder\.rav: unknown encoder; .*raw"):
        with_overrides(config, ["cam0"], ["encoder.rav.segment_s=5"])


def test_orders_reach_the_keys_of_a_users_source() -> None:
    config = parse('[pipelines.a.source]\nkind = "a.b:C"\ngain = 1\nx = 2')

    got = with_overrides(config, ["a"], ["source.gain=9", "source.scale=2"])

    assert got.pipelines["a"].source.settings() == {
        "kind": "a.b:C",
        "scale": 2.0,
        "gain": 9,
        "x": 2,
    }


def test_no_names_mean_all_pipelines_and_one_name_that_one() -> None:
    config = parse(SOURCE + SOURCE.replace("cam0", "cam1"))

    for names, slots in [([], [9, 9]), (["cam1"], [32, 9])]:
        got = with_overrides(config, names, ["ring.slots=9"])
        assert [p.ring.slots for p in got.pipelines.values()] == slots
    assert config.pipelines["cam0"].ring.slots == 32


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ring.slots=1", "pipelines.cam0.ring.slots: must be at least 2, is 1"),
        (
            "ring.slts=1",
            "pipelines.cam0.ring.slts: unknown key; did you mean slots?",
        ),
        (
            "callbacks.moton.policy=every",
            "pipelines.cam0.callbacks.moton: unknown callback; did you mean motion?",
        ),
        ("ring.slots", "ring.slots: must be written key=value, is 'ring.slots'"),
        ("=3", ": must be written key=value, is '=3'"),
        ("ring..slots=3", "ring..slots: must be written key=value, is 'ring..slots=3'"),
        ("ring=3", "pipelines.cam0.ring: must be a table, is 3"),
    ],
)
def test_an_order_is_refused_like_the_key_in_the_file(
    order: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        overridden(order)

    assert str(refused.value).removeprefix(": ") == expected.removeprefix(": ")


def test_orders_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"ring\.slots: ring is given a value"):
        overridden("ring=3", "ring.slots=4")


FIXED = [
    "source.kind=a:B",
    "callbacks.motion.target=a:B",
    "source.path=/etc/shadow",
    "schedule.file=/etc/shadow",
    "source.device=1",
    "data_dir=/",
    "daemon.data_dir=/",
    "ring.overflow_dir=/",
    "schedule.generator=a:b",
    "autostart=true",
    "encoder.quota=1 kB",
    "encoder.quota_action=delete-oldest",
    'source={kind="/tmp/x.py:Evil"}',
    'callbacks=[{name="x", target="/tmp/x.py:Evil"}]',
    'callbacks={motion={target="/tmp/x.py:Evil"}}',
    'schedule={"generator"="a:b"}',
    "callbacks.motion.settings.path=/etc",
]


@pytest.mark.parametrize("order", FIXED)
def test_an_order_sets_no_code_and_no_path_however_it_is_written(order: str) -> None:
    with pytest.raises(ConfigError, match=r"may be set in the file alone"):
        overridden(order)


@pytest.mark.parametrize(
    "order",
    [
        'source.fps=3\nkind = "/tmp/x.py:Evil"',
        'source.fps=3\n[source]\nkind = "/tmp/x.py:Evil"',
        'source."kind"=/tmp/x.py:Evil',
        f"ring.slots={'[' * 5000}",
        f"ring.slots={'9' * 5000}",
    ],
)
def test_an_order_smuggles_nothing_in(order: str) -> None:
    with pytest.raises(ConfigError):
        overridden(order)


def test_an_unknown_pipeline_is_refused_with_the_one_meant() -> None:
    with pytest.raises(ConfigError) as refused:
        with_overrides(parse(SOURCE), ["cam1"], [])

    expected = "pipelines.cam1: unknown pipeline; did you mean cam0?"
    assert str(refused.value) == expected
