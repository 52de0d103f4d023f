"""From a file, or its text, to a configuration or one error."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemp.config import load, parse
from imagemp.errors import ConfigError

from .texts import refusal

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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load(tmp_path)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes(b"# caf\xe9\n")

    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8 text"):
        load(file)


def test_a_refusal_says_in_which_file_and_which_key(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[telemetry]\nrate_hz = 0")

    with pytest.raises(ConfigError) as refused:
        load(file)

    assert refused.value.key == "telemetry.rate_hz"
    assert refused.value.hint == f"see {file}"


def test_paths_start_at_the_folder_of_the_file_and_know_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    file = tmp_path / "my.toml"
    file.write_text(
        '[daemon]\ndata_dir = "~/rec"\n'
        '[pipelines.a.source]\nkind = "file"\npath = "clip.mkv"\n'
        '[pipelines.b.source]\nkind = "~/cam.py:Cam"\n'
    )

    config = load(file)

    assert config.daemon.data_dir == "/home/ada/rec"
    assert config.pipelines["a"].source.settings()["path"] == f"{tmp_path}/clip.mkv"
    assert config.pipelines["b"].source.kind == "/home/ada/cam.py:Cam"


def test_targets_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[pipelines.cam0]\nsource = { kind = "mine.py:Cam" }\n'
        'schedule = { generator = "../plan.py:times" }\ncallbacks = [\n'
        '{ name = "near", target = "./sub/mine.py:near" },\n'
        '{ name = "far", target = "/lab/mine.py:far" },\n'
        '{ name = "packed", target = "lab.mine:packed" }]\n'
    )

    pipeline = load(tmp_path / "c.toml").pipelines["cam0"]

    assert pipeline.source.kind == f"{tmp_path}/mine.py:Cam"
    assert pipeline.schedule.generator == f"{tmp_path}/../plan.py:times"
    assert [c.target for c in pipeline.callbacks] == [
        f"{tmp_path}/sub/mine.py:near",
        "/lab/mine.py:far",
        "lab.mine:packed",
    ]


def test_the_home_of_nobody_is_refused() -> None:
    assert refusal('[daemon]\ndata_dir = "~nobody-here/x"') == (
        "daemon.data_dir: no such home directory, is '~nobody-here/x'"
    )


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


def test_the_configuration_needs_no_numpy() -> None:
    code = "import sys, imagemp.config; print('numpy' in sys.modules)"

    run = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == "False"
