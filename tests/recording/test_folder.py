"""A session's folder: names, lock and place."""

import subprocess
import sys
from pathlib import Path

import pytest

from imagemp.errors import ConfigError, DiskError, RecordingError
from imagemp.recording.folder import (
    SessionFolder,
    segment_paths,
    session_id,
    session_path,
    stem,
)

HOLDER = """
import pathlib, signal, sys
from imagemp.recording.folder import SessionFolder
folder = SessionFolder.open(pathlib.Path(sys.argv[1]))
print("held", flush=True)
signal.pause()
"""
NAMES = ["../x", "..", ".", "", "a/b", "/etc", ".hidden", "a\n", "-rf", "x" * 65, "a\0"]


def test_a_session_is_named_after_its_start() -> None:
    began = 1_795_169_700_123_456_789

    assert session_id("cam0", began, "7f3a") == "20261120T101500Z-cam0-7f3a"


def test_a_session_lives_in_its_pipelines_folder(tmp_path: Path) -> None:
    with SessionFolder.create(tmp_path, "cam0", "20261120T101500Z-cam0-7f3a") as folder:
        assert folder.path == tmp_path / "cam0" / "20261120T101500Z-cam0-7f3a"
        assert folder.path.is_dir()
        assert folder.path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_data_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="pipeline: is"):
        session_path(tmp_path, name, "one")
    with pytest.raises(ConfigError, match="session: is"):
        SessionFolder.create(tmp_path, "cam0", name)
    with pytest.raises(ConfigError, match="encoder: is"):
        stem(name)

    assert list(tmp_path.iterdir()) == []


def test_no_encoder_takes_the_files_of_the_main_one() -> None:
    with pytest.raises(ConfigError, match="main encoder"):
        stem("frames")


def test_several_encoders_share_a_folder(tmp_path: Path) -> None:
    with (
        SessionFolder.create(tmp_path, "cam0", "one") as first,
        SessionFolder.create(tmp_path, "cam0", "one") as second,
    ):
        assert first.path == second.path == tmp_path / "cam0" / "one"


def test_recovery_leaves_a_folder_alone_that_has_a_writer(tmp_path: Path) -> None:
    first = SessionFolder.create(tmp_path, "cam0", "one")
    second = SessionFolder.open(first.path)  # a second encoder

    first.close()
    with pytest.raises(RecordingError, match="somebody writes"):
        SessionFolder.open(second.path, alone=True)
    second.close()
    second.close()

    SessionFolder.open(first.path, alone=True).close()


def test_the_lock_goes_with_the_process(tmp_path: Path) -> None:
    with SessionFolder.create(tmp_path, "cam0", "one") as folder:
        pass
    command = [sys.executable, "-c", HOLDER, str(folder.path)]

    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(RecordingError, match="somebody writes"):
            SessionFolder.open(folder.path, alone=True)
        process.kill()

    SessionFolder.open(folder.path, alone=True).close()


def test_a_folder_that_is_not_there_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        SessionFolder.open(tmp_path / "none")


def test_segments_are_in_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["frames-0002.tif", "frames-10000.tif", "frames-0010.tif"]
    others = ["motion-0000.tif", "frames-1.tif", "frames-0000.tif.bak", "frames.csv"]
    for name in names + others:
        (tmp_path / name).touch()

    found = [path.name for path in segment_paths(tmp_path, "main")]

    assert found == ["frames-0002.tif", "frames-0010.tif", "frames-10000.tif"]
