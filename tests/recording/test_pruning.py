"""Whole sessions are deleted, and never anything else."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import (
    Manifest,
    RecordedFile,
    State,
    read_manifest,
    write_manifest,
)
from imagemp.recording.pruning import Removed, nbytes_in, remove_oldest

OLD, NEW = "20260101T000000Z-cam0-00aa", "20260102T000000Z-cam0-00ab"


def make(
    data: Path, session: str, state: State = "complete", nbytes: int = 100
) -> Path:
    """Leave what a session leaves."""
    folder = data / "cam0" / session
    folder.mkdir(parents=True)
    (folder / "frames-0000.tif").write_bytes(bytes(nbytes))
    (folder / "frames.csv").write_text("seq\n")
    files = [RecordedFile("frames-0000.tif", "main", 1, nbytes)]
    manifest = Manifest(session, "cam0", state, 1, files=files)
    write_manifest(folder, manifest)
    return folder


def test_the_oldest_goes_first_and_the_current_one_stays(tmp_path: Path) -> None:
    old, new = make(tmp_path, OLD), make(tmp_path, NEW)
    nbytes = nbytes_in(old)

    removed = remove_oldest(tmp_path, "cam0", but=NEW)
    again = remove_oldest(tmp_path, "cam0", but=NEW)

    assert removed == Removed(OLD, nbytes)
    assert again is None
    assert not old.exists()
    assert read_manifest(new).session == NEW


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        ("complete", True),
        ("recovered", True),
        ("incomplete", False),
        ("running", False),
    ],
)
def test_only_a_session_that_is_whole_goes(
    tmp_path: Path, state: State, goes: bool
) -> None:
    folder = make(tmp_path, OLD, state)

    removed = remove_oldest(tmp_path, "cam0", but="")

    assert (removed is not None) == goes
    assert folder.exists() != goes


def rename(folder: Path) -> None:
    folder.rename(folder.parent / "holiday")


def of_another(folder: Path) -> None:
    write_manifest(folder, Manifest(OLD, "cam1", "complete", 1))


def of_another_name(folder: Path) -> None:
    write_manifest(folder, Manifest(NEW, "cam0", "complete", 1))


def without_manifest(folder: Path) -> None:
    (folder / "session.json").unlink()


def with_a_torn_manifest(folder: Path) -> None:
    (folder / "session.json").write_text("{")


def with_a_pipe_for_a_manifest(folder: Path) -> None:
    (folder / "session.json").unlink()
    os.mkfifo(folder / "session.json")


def with_notes(folder: Path) -> None:
    (folder / "notes.txt").write_text("the good one")


def with_a_table(folder: Path) -> None:
    (folder / "results.csv").write_text("a,b")


def with_a_folder(folder: Path) -> None:
    (folder / "frames-0001.tif").mkdir()


def with_a_link(folder: Path) -> None:
    (folder / "frames-0001.tif").symlink_to("frames-0000.tif")


@pytest.mark.parametrize(
    "spoil",
    [
        rename,
        of_another,
        of_another_name,
        without_manifest,
        with_a_torn_manifest,
        with_a_pipe_for_a_manifest,
        with_notes,
        with_a_table,
        with_a_folder,
        with_a_link,
    ],
)
def test_what_is_not_a_session_and_nothing_else_stays(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(make(tmp_path, OLD))
    before = sorted(tmp_path.rglob("*"))

    assert remove_oldest(tmp_path, "cam0", but="") is None
    assert sorted(tmp_path.rglob("*")) == before


def test_a_session_that_somebody_writes_in_stays(tmp_path: Path) -> None:
    folder = make(tmp_path, OLD)

    with SessionFolder.open(folder):
        assert remove_oldest(tmp_path, "cam0", but="") is None
    assert remove_oldest(tmp_path, "cam0", but="") is not None


@pytest.mark.parametrize("linked", ["cam0", f"cam0/{OLD}"])
def test_a_link_leads_nowhere(tmp_path: Path, linked: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder = make(elsewhere, OLD)
    link = tmp_path / "data" / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere / linked)

    assert remove_oldest(tmp_path / "data", "cam0", but="") is None
    assert read_manifest(folder).session == OLD


def test_the_data_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    make(tmp_path / "disk", OLD)
    (tmp_path / "data").symlink_to(tmp_path / "disk")

    assert remove_oldest(tmp_path / "data", "cam0", but="") is not None


def test_a_deletion_that_was_cut_short_is_gone_on_with(tmp_path: Path) -> None:
    folder = make(tmp_path, OLD)
    (folder / "frames-0000.tif").unlink()

    assert remove_oldest(tmp_path, "cam0", but="") is not None
    assert not folder.exists()


def test_nothing_there_is_nothing_to_delete(tmp_path: Path) -> None:
    assert remove_oldest(tmp_path / "no", "cam0", but="") is None
    assert nbytes_in(tmp_path / "no") == 0


def test_bytes_are_those_of_all_files_below_and_of_no_link(tmp_path: Path) -> None:
    make(tmp_path, OLD, nbytes=1000)
    make(tmp_path, NEW, nbytes=5000)
    big = tmp_path / "big"
    big.write_bytes(bytes(10**6))
    (tmp_path / "cam0" / OLD / "link").symlink_to(big)
    other = nbytes_in(tmp_path / "cam0", but=NEW)

    assert 1000 < other < 2000
    assert nbytes_in(tmp_path / "cam0") > 6000 + 4


def test_the_lock_is_let_go_of_with_what_stays(tmp_path: Path) -> None:
    folder = make(tmp_path, OLD, "incomplete")
    remove_oldest(tmp_path, "cam0", but="")

    fd = os.open(folder, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)
