"""`imagectl config check`: findings, on a file without a daemon too."""

import json
from pathlib import Path

import pytest

from imagemp.ctl.exits import Exit
from imagemp.ctl.main import main

from .conftest import Imagectl
from .fake_daemon import FakeDaemon

GOOD = """
daemon.data_dir = "{}"
[pipelines.cam0.source]
kind = "synthetic"
[pipelines.cam0.ring]
overflow = "none"
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.toml"
    file.write_text(GOOD.format(tmp_path))
    return file


def test_a_good_file_is_checked_without_a_daemon(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", str(good)]) == Exit.OK

    assert "of memory" in capsys.readouterr().out


def test_a_file_that_cannot_be_used_leaves_with_1_and_names_the_key(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good.write_text(good.read_text() + "slots = 1\n")

    assert main(["config", "check", str(good)]) == Exit.ERROR

    told = capsys.readouterr().out
    assert told.startswith("error: pipelines.cam0.ring.slots: must be at least 2")
    assert told.count("pipelines.cam0.ring.slots") == 1


def test_a_file_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", str(tmp_path / "none.toml")]) == Exit.ERROR

    assert "cannot be read" in capsys.readouterr().out


def test_config_check_json_gives_the_findings(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["config", "check", str(good), "--json"])

    (finding, *_) = json.loads(capsys.readouterr().out)["findings"]
    assert set(finding) == {"level", "key", "message"}


@pytest.mark.parametrize(
    ("level", "left_with"), [("error", 1), ("warning", 0), ("note", 0)]
)
def test_without_a_file_the_daemon_checks_its_own(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    level: str,
    left_with: int,
) -> None:
    finding = {"level": level, "key": "ring.slots", "message": "is odd"}
    daemon.answers["config.check"] = {"findings": [finding]}

    assert imagectl("config", "check") == left_with

    assert daemon.asked_for("config.check") == {}
    assert capsys.readouterr().out == f"{level}: ring.slots: is odd\n"
