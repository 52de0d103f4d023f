"""The example and the reference name every key that there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from imagemp.config import (
    CallbackConfig,
    DaemonConfig,
    EncoderConfig,
    FileSource,
    OpencvSource,
    OverlayConfig,
    PipelineConfig,
    PiSource,
    RingConfig,
    ScheduleConfig,
    Section,
    StereoSource,
    SyntheticSource,
    TelemetryConfig,
    load,
    parse,
)
from imagemp.ctl.main import main

from .texts import EXAMPLE, example, uncommented

PIPELINES = ("cam0", "webcam", "pi", "pair", "replay", "mine")
NOT_HERE = ("pi.encoder.codec", "replay.source.path", "cam0.ring.overflow_dir")
ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/configuration.md").read_text()

SECTIONS: dict[str, type[Section]] = {
    "[daemon]": DaemonConfig,
    "[telemetry]": TelemetryConfig,
    "[pipelines.NAME]": PipelineConfig,
    'kind = "synthetic"': SyntheticSource,
    'kind = "file"': FileSource,
    'kind = "opencv"': OpencvSource,
    'kind = "picamera2"': PiSource,
    'kind = "stereo"': StereoSource,
    "[pipelines.NAME.schedule]": ScheduleConfig,
    "[pipelines.NAME.overlay]": OverlayConfig,
    "[pipelines.NAME.ring]": RingConfig,
    "[pipelines.NAME.encoder]": EncoderConfig,
    "[[pipelines.NAME.callbacks]]": CallbackConfig,
}


def keys() -> Iterator[tuple[str, str]]:
    for title, section in SECTIONS.items():
        for field in msgspec.structs.fields(section):
            if field.name != "scale":  # of every source, told once
                yield title, field.encode_name
    yield "[pipelines.NAME.source]", "scale"
    yield "[pipelines.NAME.source]", "kind"


KEYS = list(keys())


def chapter(title: str) -> str:
    """Give the part of the reference that begins with this title."""
    _, found = re.split(rf"^(?:## |`){re.escape(title)}", REFERENCE, flags=re.M)
    return re.split(r"^(?:## |`kind)", found, maxsplit=1, flags=re.M)[0]


def part(title: str) -> str:
    """Give the tables of the example that are this section."""
    tables = re.split(r"^(?=(?:# )?\[)", EXAMPLE, flags=re.M)
    if title.startswith("kind"):
        return "".join(
            table for table in tables if f"{title}\n" in table or f"{title} " in table
        )
    head = re.escape(title).replace("NAME", r"\w+")
    return "".join(t for t in tables if re.match(rf"(?:# )?{head}", t))


@pytest.mark.parametrize(("title", "key"), KEYS)
def test_the_reference_has_a_row_for_every_key(title: str, key: str) -> None:
    assert re.search(rf"^\| `{key}` \|", chapter(title), flags=re.M)


@pytest.mark.parametrize(("title", "key"), KEYS)
def test_the_example_has_a_line_for_every_key(title: str, key: str) -> None:
    if (title, key) == ("[pipelines.NAME]", "callbacks"):
        found = re.search(r"^# \[\[pipelines\.\w+\.callbacks\]\]", EXAMPLE, re.M)
    elif title == "[pipelines.NAME]" and key != "autostart":
        found = re.search(rf"^(?:# )?\[pipelines\.\w+\.{key}\]", EXAMPLE, re.M)
    else:
        found = re.search(rf"^(?:# )?{key} = ", part(title), re.M)
    assert found


def test_the_reference_invents_no_key() -> None:
    known = {key for _, key in KEYS}

    assert set(re.findall(r"^\| `(\w+)` \|", REFERENCE, re.M)) == known


def test_the_example_loads() -> None:
    config = load(ROOT / "etc/imagemp.toml")

    assert list(config.pipelines) == ["cam0"]
    assert config.pipelines["cam0"].encoders


@pytest.mark.parametrize("name", PIPELINES)
def test_each_pipeline_of_the_example_can_be_used_without_its_comment_signs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "imagemp.toml"
    file.write_text(f'daemon.data_dir = "{tmp_path}"\n{example(name)}')

    main(["config", "check", str(file), "--json"])

    found = json.loads(capsys.readouterr().out)["findings"]
    errors = {
        finding["key"]
        for finding in found
        if finding["level"] == "error" and not finding["message"].startswith("needs ")
    }
    assert errors <= {f"pipelines.{key}" for key in NOT_HERE}
    assert list(load(file).pipelines) == [name]


def test_the_example_has_no_other_pipeline() -> None:
    found = re.findall(r"^\[+pipelines\.(\w+)", uncommented(), re.M)

    assert set(found) == set(PIPELINES)


def test_a_source_of_ones_own_gets_the_other_keys_of_the_example() -> None:
    source = parse(example("mine")).pipelines["mine"].source

    assert source.settings()["gain"] == 4


def test_the_comments_of_the_example_show_the_defaults() -> None:
    config = parse(uncommented().partition("[pipelines")[0])
    pipeline = parse(example("cam0")).pipelines["cam0"]

    ring = msgspec.structs.replace(pipeline.ring, overflow_dir=None)
    assert ring == RingConfig()
    assert pipeline.overlay == OverlayConfig()
    pressed = EncoderConfig(
        compression="zlib", level=1, predictor=True, record_at_start=True
    )
    assert pipeline.encoders == (pressed,)  # "none" has no level
    assert config.telemetry == TelemetryConfig()


def test_the_smallest_configuration_of_the_reference_loads() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", REFERENCE, flags=re.S)

    assert list(parse(block).pipelines) == ["cam0"]
