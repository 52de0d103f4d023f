"""Keys and values that a pipeline, or the file, cannot have."""

import pytest

from .texts import refusal, refusal_in_pipeline

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
    ("encoder.format = 'avi'", "encoder.format: must be tiff, mkv or mp4, is 'avi'"),
    (
        "encoder.compression = 'lzw'",
        "encoder.compression: must be none, zlib or zstd, is 'lzw'",
    ),
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
    ("schedule.every_s = 0", "schedule.every_s: must be at least 1e-06, is 0"),
    ("schedule.every_s = nan", "schedule.every_s: must be a finite number, is nan"),
    ("schedule.every_s = inf", "schedule.every_s: must be a finite number, is inf"),
    ("schedule.every_s = 'x'", "schedule.every_s: must be a number, is 'x'"),
    ("schedule.times_s = []", "schedule.times_s: must be a list of values, is []"),
    ("schedule.times_s = 1", "schedule.times_s: must be a list of values, is 1"),
    ("schedule.times_s = [0, -1]", "schedule.times_s[1]: must be at least 0, is -1"),
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
        "ring.xyz: unknown key; known are outside_allowance, overflow, overflow_dir, "
        "overflow_size, slots, when_full",
    ),
]


@pytest.mark.parametrize(("line", "expected"), REFUSED_VALUES + REFUSED_KEYS)
def test_a_key_of_a_pipeline_is_refused_by_name_with_found_and_expected(
    line: str, expected: str
) -> None:
    assert refusal_in_pipeline(line) == f"pipelines.cam0.{expected}"


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
