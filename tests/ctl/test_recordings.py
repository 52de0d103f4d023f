"""`imagectl recordings`: on real session folders, without a daemon."""

import json
from pathlib import Path

import pytest

from imagemp.ctl.exits import Exit
from imagemp.ctl.main import main
from imagemp.recording.manifest import Manifest, RecordedFile, write_manifest

from .fake_daemon import COUNTS, SESSION

OLDER = "20251120T101500Z-cam1-0001"


def record(data_dir: Path, pipeline: str, session: str) -> Path:
    """Leave a session's folder."""
    folder = data_dir / pipeline / session
    folder.mkdir(parents=True)
    manifest = Manifest(
        session=session,
        pipeline=pipeline,
        state="complete",
        started_unix_ns=1,
        counts=COUNTS,
        files=[RecordedFile("frames-0000.tif", "main", 96, 2**20)],
        events=[{"name": "gap", "details": {"frames": 2}}],
    )
    write_manifest(folder, manifest)
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    record(tmp_path, "cam0", SESSION)
    record(tmp_path, "cam1", OLDER)
    return tmp_path


@pytest.mark.parametrize("words", [["recordings"], ["recordings", "ls"]])
def test_recordings_are_listed_the_oldest_first(
    data_dir: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main([*words, "--data-dir", str(data_dir)]) == Exit.OK

    _, older, newer = capsys.readouterr().out.splitlines()
    assert older.split()[:4] == ["cam1", OLDER, "complete", "96"]
    assert newer.split()[:2] == ["cam0", SESSION]
    assert newer.endswith("3 (ring_full 3)  2 (sensor_gap 2)  1.0 MiB")


def test_recordings_are_found_where_the_configuration_says(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "imagemp.toml"
    file.write_text(f'daemon.data_dir = "{data_dir}"')

    assert main(["recordings", "--config", str(file), "--json"]) == Exit.OK

    told = json.loads(capsys.readouterr().out)
    assert told["data_dir"] == str(data_dir)
    assert [r["session"] for r in told["recordings"]] == [OLDER, SESSION]


def test_recordings_are_looked_for_in_the_default_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))

    assert main(["recordings"]) == Exit.OK

    assert capsys.readouterr().out == f"no recordings in {tmp_path}\n"


def test_a_manifest_that_cannot_be_read_is_listed_as_such(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_dir / "cam0" / SESSION / "session.json").write_text("{")

    main(["recordings", "--data-dir", str(data_dir)])

    assert f"{SESSION}  unreadable" in capsys.readouterr().out


@pytest.mark.parametrize("name", [SESSION, SESSION[:6], "latest"])
def test_show_finds_a_session_by_its_id_its_beginning_or_its_age(
    data_dir: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words = ["recordings", "show", name, "--data-dir", str(data_dir)]
    assert main(words) == Exit.OK

    told = capsys.readouterr().out
    assert told.startswith(f"cam0: {SESSION} is complete\n")
    assert "captured 100, published 97" in told
    assert "file frames-0000.tif: 96 pages, 1.0 MiB" in told
    assert "event gap" in told


def test_show_takes_a_folder_and_gives_its_manifest_as_json(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_dir / "cam0" / SESSION

    assert main(["recordings", "show", str(folder), "--json"]) == Exit.OK

    told = json.loads(capsys.readouterr().out)
    assert told["dir"] == str(folder)
    assert told["counts"] == COUNTS


@pytest.mark.parametrize(
    ("name", "told"), [("20", "2 sessions begin so"), ("x", "no session is called so")]
)
def test_show_wants_exactly_one_session(
    data_dir: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    words = ["recordings", "show", name, "--data-dir", str(data_dir)]
    assert main(words) == Exit.ERROR

    assert f"{name}: {told}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["ls"], ["show", "latest"]])
def test_a_data_dir_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    missing = str(tmp_path / "none")

    assert main(["recordings", *words, "--data-dir", missing]) == Exit.ERROR

    told = capsys.readouterr().err
    assert "No such file or directory\n  hint: name the folder" in told


def test_show_of_a_folder_without_a_manifest_is_an_error(tmp_path: Path) -> None:
    assert main(["recordings", "show", f"{tmp_path}/"]) == Exit.ERROR
