"""What a later version brings is refused as such, and not as unknown."""

import pytest

from .texts import refusal_in_pipeline

NOT_YET = [
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


@pytest.mark.parametrize(("line", "key"), NOT_YET)
def test_a_key_that_nothing_obeys_yet_is_refused_as_not_yet(
    line: str, key: str
) -> None:
    expected = f"pipelines.cam0.{key}: not yet: a later version brings this key"
    assert refusal_in_pipeline(line) == expected


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
    expected = f"pipelines.cam0.{key}: not yet: a later version brings {value!r}"
    assert refusal_in_pipeline(line) == expected
