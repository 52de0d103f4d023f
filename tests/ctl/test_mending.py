"""`imagectl recordings verify | repair`: on real files, without a daemon."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from imagemp.ctl.exits import Exit
from imagemp.ctl.main import main
from imagemp.ctl.progress import Steps
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import read_manifest
from tests.recording.sessions import SESSION, contents, leave, note

from .conftest import Terminal

FILE = "frames-0000.tif"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a session that nobody ended, the last frame of which is torn."""
    left = leave(tmp_path / "data", range(10))
    note(left)
    os.truncate(left / FILE, (left / FILE).stat().st_size - 20)
    return left


def recordings(folder: Path, *words: str) -> int:
    return main(["recordings", *words, "--data-dir", str(folder.parent.parent)])


def test_verify_tells_what_is_wrong_and_leaves_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recordings(folder, "verify", "latest") == Exit.ERROR

    told, shown = capsys.readouterr().out.splitlines(), f"cam0: {SESSION} (running): "
    assert told[0].startswith(shown)
    assert told[1] == "  encoder main: 9 frames, 9 pages"
    assert "  problem: frames.csv: does not agree with the pages" in told


def test_verify_leaves_with_0_when_all_is_well(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings(folder, "repair", SESSION)
    capsys.readouterr()

    assert recordings(folder, "verify", SESSION, str(folder)) == Exit.OK

    told = capsys.readouterr().out.splitlines()
    assert told[0] == told[2] == f"cam0: {SESSION} (recovered): ok"


def test_verify_as_json_is_one_document(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recordings(folder, "verify", "latest", "--json") == Exit.ERROR

    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["sessions"][0]["checked"]["main"]["frames"] == 9
    assert told["sessions"][0]["problems"]


def test_repair_tells_what_it_did(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recordings(folder, "repair", "latest") == Exit.OK

    told = capsys.readouterr().out
    assert told.startswith(f"cam0: {SESSION} is recovered\n  frames-0000.tif: ")
    assert "bytes cut off behind the last frame" in told
    assert "  frames.csv: written anew, 9 rows\n" in told
    assert "encoder main: 9 frames; 0 damaged, " in told
    assert read_manifest(folder).state == "recovered"
    recordings(folder, "repair", "latest")
    assert "nothing to repair" in capsys.readouterr().out


def test_a_dry_run_tells_what_would_be_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)

    assert recordings(folder, "repair", "latest", "--dry-run") == Exit.OK

    assert f"{SESSION} would be recovered" in capsys.readouterr().out
    assert contents(folder) == before


@pytest.mark.parametrize("verb", ["verify", "repair"])
def test_a_session_that_is_being_written_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    with SessionFolder.open(folder):
        assert recordings(folder, verb, "latest") == Exit.ERROR

    assert "somebody writes in it" in capsys.readouterr().err


def test_a_session_without_a_manifest_is_found_and_repaired(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "session.json").unlink()

    assert recordings(folder, "ls") == Exit.OK
    assert f"{SESSION}  unreadable" in capsys.readouterr().out
    assert recordings(folder, "repair", "latest") == Exit.OK

    assert read_manifest(folder).state == "recovered"


@pytest.mark.parametrize("verb", ["verify", "repair"])
def test_a_bar_is_shown_at_a_terminal(
    folder: Path, at_terminal: Callable[..., Terminal], verb: str
) -> None:
    terminal = at_terminal("recordings", verb, str(folder))

    terminal.left_with()

    assert SESSION in terminal.shown
    assert re.search(r"(\d\.\d)/\1 kB", terminal.shown)


def test_small_steps_move_the_bar_ten_times_a_second_at_most() -> None:
    steps = Steps()

    moved = [steps.add(1) for _ in range(1000)]

    assert moved[0] == 1
    assert sum(moved) + steps.rest() == 1000
    assert sum(1 for n in moved if n) < 100
