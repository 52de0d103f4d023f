"""What a configuration may not say, and the words it is refused with."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.config import (
    parse,
)
from imagemp.errors import ConfigError

SOURCE = '[pipelines.cam0.source]\nkind = "synthetic"\n'
CALLBACK = (
    '[[pipelines.cam0.callbacks]]\nname = "motion"\ntarget = "lab.motion:Motion"\n'
)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    return str(refused.value)


REFUSED_VALUES = [
    ("ring.slots = 1", "ring.slots: must be at least 2, is 1"),
    ("ring.slots = 65536", "ring.slots: must be at most 65535, is 65536"),
    ("ring.slots = 'abc'", "ring.slots: must be a whole number, is 'abc'"),
    ("ring.slots = 2.5", "ring.slots: must be a whole number, is 2.5"),
    ("ring.slots = true", "ring.slots: must be a whole number, is true"),
    ("ring.slots = 1979-05-27", "ring.slots: must be a whole number, is 1979-05-27"),
    ("ring.slots = {a = 1}", "ring.slots: must be a whole number, is a table"),
    ("ring.overflow = 'dsk'", "ring.overflow: must be none, memory or disk, is 'dsk'"),
    ("ring.when_full = 'stop'", "ring.when_full: must be drop or wait, is 'stop'"),
    (
        "ring.overflow_size = '2'",
        "ring.overflow_size: must be a size such as \"2 GiB\", is '2'",
    ),
    (
        "ring.overflow_size = 5",
        'ring.overflow_size: must be a size such as "2 GiB", is 5',
    ),
    ("ring.overflow_dir = ''", "ring.overflow_dir: must be a path, is ''"),
    ("ring.overflow_dir = 1", "ring.overflow_dir: must be a path, is 1"),
    ("ring = 3", "ring: must be a table, is 3"),
    ("autostart = 1", "autostart: must be true or false, is 1"),
    ("encoder.sync_ms = 0", "encoder.sync_ms: must be at least 1, is 0"),
    ("encoder.sync_ms = 60001", "encoder.sync_ms: must be at most 60000, is 60001"),
    ("encoder.segment_pages = -1", "encoder.segment_pages: must be at least 0, is -1"),
    ("encoder.segment_s = -1", "encoder.segment_s: must be at least 0, is -1"),
    ("encoder.format = 'avi'", "encoder.format: must be tiff, is 'avi'"),
    ("encoder.compression = 'lzw'", "encoder.compression: must be none, is 'lzw'"),
    (
        "encoder.segment_size = '4 GiBs'",
        "encoder.segment_size: must be a size such as \"2 GiB\", is '4 GiBs'",
    ),
    (
        "encoder.name = 'Main'",
        "encoder.name: must be 1 to 32 of a-z 0-9 _ -, "
        "the first a letter or a digit, is 'Main'",
    ),
    ("encoder.input = 'x'", "encoder.input: must be \"callback:NAME\", is 'x'"),
    (
        "encoder.input = 'callback:x'",
        "encoder.input: must name a callback of this pipeline (none), is 'callback:x'",
    ),
    ("encoder = 'tiff'", "encoder: must be a table, is 'tiff'"),
    ("callbacks = {}", "callbacks: must be an array of tables, is a table"),
    ("callbacks = [1]", "callbacks[0]: must be a table, is 1"),
    ("callbacks = [{}]", "callbacks[0].name: must be given, is missing"),
    ("callbacks = [{name='m'}]", "callbacks.m.target: must be given, is missing"),
    (
        "callbacks = [{name='m', target='lab'}]",
        'callbacks.m.target: must be "package.module:Class" or '
        "\"/path/file.py:Class\", is 'lab'",
    ),
    (
        "callbacks = [{name='m', target='a:B', policy='all'}]",
        "callbacks.m.policy: must be every or latest, is 'all'",
    ),
    (
        "callbacks = [{name='m', target='a:B', buffer_length=0}]",
        "callbacks.m.buffer_length: must be at least 1, is 0",
    ),
    (
        "callbacks = [{name='m', target='a:B', settings=3}]",
        "callbacks.m.settings: must be a table, is 3",
    ),
    (
        "callbacks = [{name='m', target='a:B'}, {name='m', target='a:C'}]",
        "callbacks.m.name: must be unique, is 2 times there",
    ),
    (
        "callbacks = [{name='m', target='a:B', inline=true}]",
        "callbacks.m.inline: must be false without an encoder to run in, is true",
    ),
    ("schedule.every_s = 0", "schedule.every_s: must be at least 1e-06, is 0"),
    ("schedule.every_s = nan", "schedule.every_s: must be a finite number, is nan"),
    ("schedule.every_s = inf", "schedule.every_s: must be a finite number, is inf"),
    ("schedule.every_s = 'x'", "schedule.every_s: must be a number, is 'x'"),
    ("schedule.times_s = []", "schedule.times_s: must be a list of values, is []"),
    ("schedule.times_s = 1", "schedule.times_s: must be a list of values, is 1"),
    ("schedule.times_s = [0, -1]", "schedule.times_s[1]: must be at least 0, is -1"),
    (
        "schedule.times_s = [0, 2, 1]",
        "schedule.times_s[2]: must be more than 2.0, the one before, is 1.0",
    ),
    (
        "schedule.times_s = [0, 0]",
        "schedule.times_s[1]: must be more than 0.0, the one before, is 0.0",
    ),
    (
        "schedule.intervals_s = [1, 0]",
        "schedule.intervals_s[1]: must be at least 1e-06, is 0",
    ),
    ("schedule.start_in_s = -1", "schedule.start_in_s: must be at least 0, is -1"),
    (
        "schedule.frames_per_trigger = 0",
        "schedule.frames_per_trigger: must be at least 1, is 0",
    ),
    ("schedule.late = 'drop'", "schedule.late: must be skip or catch-up, is 'drop'"),
    ("schedule.trigger = 1", "schedule.trigger: must be true or false, is 1"),
    (
        "schedule.generator = 'times'",
        'schedule.generator: must be "package.module:Class" or '
        "\"/path/file.py:Class\", is 'times'",
    ),
]

REFUSED_KEYS = [
    ("ring.slts = 3", "ring.slts: unknown key; did you mean slots?"),
    ("sorce = 3", "sorce: unknown key; did you mean source?"),
    (
        "encoder.segmentsize = 3",
        "encoder.segmentsize: unknown key; did you mean segment_size?",
    ),
    ("schedule.every = 3", "schedule.every: unknown key; did you mean every_s?"),
    (
        "callbacks = [{name='m', target='a:B', polcy='every'}]",
        "callbacks.m.polcy: unknown key; did you mean policy?",
    ),
    (
        "ring.xyz = 3",
        "ring.xyz: unknown key; known are overflow, overflow_dir, overflow_size, "
        "slots, when_full",
    ),
]

NOT_YET = [
    ("ring.outside_allowance = 8", "ring.outside_allowance"),
    ("overlay.show = []", "overlay"),
    ("overlay = {}", "overlay"),
    ("encoder.level = 1", "encoder.level"),
    ("encoder.predictor = true", "encoder.predictor"),
    ("encoder.keep_free = '1 GiB'", "encoder.keep_free"),
    ("encoder.quota = '0'", "encoder.quota"),
    ("encoder.quota_action = 'stop'", "encoder.quota_action"),
    ("encoder.pre_s = 0", "encoder.pre_s"),
    ("encoder.post_s = 0", "encoder.post_s"),
]


@pytest.mark.parametrize(("line", "expected"), REFUSED_VALUES + REFUSED_KEYS)
def test_a_key_of_a_pipeline_is_refused_by_name_with_found_and_expected(
    line: str, expected: str
) -> None:
    text = f'[pipelines.cam0]\nsource.kind = "synthetic"\n{line}'

    assert refusal(text) == f"pipelines.cam0.{expected}"


@pytest.mark.parametrize(("line", "key"), NOT_YET)
def test_a_key_that_nothing_obeys_yet_is_refused_as_not_yet(
    line: str, key: str
) -> None:
    text = f'[pipelines.cam0]\nsource.kind = "synthetic"\n{line}'

    expected = f"pipelines.cam0.{key}: not yet: a later version brings this key"
    assert refusal(text) == expected


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("encoder.format = 'mkv'", "encoder.format", "mkv"),
        ("encoder.format = 'mp4'", "encoder.format", "mp4"),
        ("encoder.compression = 'zlib'", "encoder.compression", "zlib"),
        ("encoder.compression = 'zstd'", "encoder.compression", "zstd"),
    ],
)
def test_a_value_that_nothing_obeys_yet_is_refused_as_not_yet(
    line: str, key: str, value: str
) -> None:
    text = f'[pipelines.cam0]\nsource.kind = "synthetic"\n{line}'

    expected = f"pipelines.cam0.{key}: not yet: a later version brings {value!r}"
    assert refusal(text) == expected


def test_several_encoders_are_refused_as_not_yet() -> None:
    encoders = '[[pipelines.cam0.encoder]]\nname = "a"\n' * 2

    assert refusal(SOURCE + encoders) == (
        "pipelines.cam0.encoder: not yet: "
        "several encoders on one pipeline, is an array of 2"
    )


KINDS = 'synthetic, file, opencv, "package.module:Class" or "/path/file.py:Class"'


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('kind = "picamera2"', "kind: not yet: a later version brings 'picamera2'"),
        ('kind = "stereo"', "kind: not yet: a later version brings 'stereo'"),
        ("", "kind: must be given, is missing"),
        ('kind = "syntetic"', f"kind: must be {KINDS}, is 'syntetic'"),
        ("kind = 3", f"kind: must be {KINDS}, is 3"),
        ("kind = []", f"kind: must be {KINDS}, is []"),
        ('kind = "file"', "path: must be given, is missing"),
        ('kind = "file"\npath = ""', "path: must be a path, is ''"),
        ('kind = "file"\npath = "/a"\nfps = -1', "fps: must be at least 0, is -1"),
        (
            'kind = "file"\npath = "/a"\nlop = true',
            "lop: unknown key; did you mean loop? kind file has fps, loop, path, scale",
        ),
        (
            'kind = "file"\npath = "/a"\nwidth = 3',
            "width: unknown key; known are fps, loop, path, scale",
        ),
        (
            'kind = "synthetic"\npath = "/a"',
            "path: unknown key; did you mean depth? kind synthetic has channels, "
            "depth, dtype, fps, height, scale, shape, width",
        ),
        (
            'kind = "opencv"\nzoom = 3',
            "zoom: unknown key; known are device, exposure, fourcc, fps, height, "
            "scale, width",
        ),
        (
            'kind = "opencv"\ndevice = -1',
            "device: must be an index, a path or a URL, is -1",
        ),
        ('kind = "opencv"\nfourcc = "MJ"', "fourcc: must be four characters, is 'MJ'"),
        (
            'kind = "opencv"\nexposure = nan',
            "exposure: must be a finite number, is nan",
        ),
        ('kind = "synthetic"\nwidth = 0', "width: must be at least 1, is 0"),
        ('kind = "synthetic"\nwidth = 65537', "width: must be at most 65536, is 65537"),
        ('kind = "synthetic"\nchannels = 0', "channels: must be at least 1, is 0"),
        (
            'kind = "synthetic"\nfps = 1e9',
            "fps: must be at most 100000, is 1000000000.0",
        ),
        (
            'kind = "synthetic"\ndtype = "complex"',
            "dtype: must be one of u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8, is 'complex'",
        ),
        ('kind = "synthetic"\nshape = []', "shape: must be a list of values, is []"),
        (
            'kind = "synthetic"\nshape = [1, 2, 3, 4, 5]',
            "shape: must have at most 4 items, has 5",
        ),
        ('kind = "synthetic"\nshape = [1, 0]', "shape[1]: must be at least 1, is 0"),
        (
            'kind = "synthetic"\nshape = [5]\ndepth = true',
            "depth: must be false for a shape of 1 axis, is true",
        ),
        (
            'kind = "synthetic"\nshape = [5]\nscale = 2',
            "scale: must be 1 for a shape of 1 axes, is 2.0",
        ),
        ('kind = "synthetic"\nscale = 0', "scale: must be more than 0, is 0"),
        ('kind = "a.b:C"\nscale = 4.5', "scale: must be at most 4, is 4.5"),
    ],
)
def test_a_key_of_a_source_is_refused_by_name_with_found_and_expected(
    keys: str, expected: str
) -> None:
    text = f"[pipelines.cam0.source]\n{keys}"

    assert refusal(text) == f"pipelines.cam0.source.{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[deamon]", "deamon: unknown key; did you mean daemon?"),
        ("daemon = 3", "daemon: must be a table, is 3"),
        ("[daemon]\ndata_dir = 3", "daemon.data_dir: must be a path, is 3"),
        (
            "[daemon]\nrequire_mount = 'no'",
            "daemon.require_mount: must be true or false, is 'no'",
        ),
        (
            "[telemetry]\nrate_hz = 0.1",
            "telemetry.rate_hz: must be at least 0.2, is 0.1",
        ),
        ("[telemetry]\nrate_hz = 11", "telemetry.rate_hz: must be at most 10, is 11"),
        ("pipelines = []", "pipelines: must be a table, is []"),
        ("[pipelines]\ncam0 = 3", "pipelines.cam0: must be a table, is 3"),
        ("[pipelines.cam0]", "pipelines.cam0.source: must be given, is missing"),
        (
            "[pipelines.Cam]",
            "pipelines.Cam: must be 1 to 32 of a-z 0-9 _ -, "
            "the first a letter or a digit, is 'Cam'",
        ),
    ],
)
def test_a_key_outside_of_pipelines_is_refused_likewise(
    text: str, expected: str
) -> None:
    assert refusal(text) == expected


@pytest.mark.parametrize("name", ["", "-a", "a" * 33, "../x", "a/b", "a\\n", "é"])
def test_a_name_that_could_be_no_folder_is_refused(name: str) -> None:
    text = f'[pipelines."{name}".source]\nkind = "synthetic"'

    assert "must be 1 to 32 of" in refusal(text)


MODES = {
    "every_s": "1",
    "times_s": "[1]",
    "intervals_s": "[1]",
    "file": "'/t.csv'",
    "generator": "'a:b'",
    "trigger": "true",
}


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[daemon]\nx = = 3\n", "my.toml, line 2: Invalid value (column 5)"),
        ("[daemon]\n\nx =", "my.toml, line 3: Invalid value"),
        ("a = 1\na = 2", "my.toml, line 2: Cannot overwrite a value"),
        (f"a = {'[' * 5000}", "my.toml: nested too deeply"),
        (f"a = {'9' * 5000}", "my.toml, line 1: Exceeds the limit"),
    ],
)
def test_what_is_no_toml_is_refused_with_file_and_line(
    text: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text, where="my.toml")

    assert str(refused.value).startswith(expected)


plain_values = st.recursive(
    st.none().map(lambda _: 0)
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(["source", "schedule", "ring", "encoder", "callbacks", "overlay"]),
    st.sampled_from(["kind", "fps", "shape", "times_s", "slots", "input", "name", ""]),
    plain_values,
)
def test_whatever_stands_in_a_table_it_loads_or_is_a_config_error(
    section: str, name: str, value: object
) -> None:
    table: dict[str, Any] = {"source": {"kind": "synthetic"}}
    table[section] = {**table.get(section, {}), name: value} if name else value

    with contextlib.suppress(ConfigError):
        config = parse({"pipelines": {"cam0": table}})
        assert json.loads(msgspec.json.encode(config))
