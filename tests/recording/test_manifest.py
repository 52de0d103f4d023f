"""session.json is whole at any moment, and read back typed."""

from pathlib import Path

import pytest

from imagemp.errors import DiskError, RecordingError
from imagemp.recording.manifest import (
    Manifest,
    RecordedFile,
    read_manifest,
    write_manifest,
)
from tests.recording.shots import RGBD

FULL = Manifest(
    session="20261120T101500Z-cam0-7f3a",
    pipeline="cam0",
    state="complete",
    started_unix_ns=1_795_169_700_123_456_789,
    ended_unix_ns=1_795_169_760_123_456_789,
    clock=[(12, 1_795_169_700_123_456_789), (60, 1_795_169_760_123_456_789)],
    clock_synchronised=True,
    config={"source": {"kind": "synthetic", "fps": 30.0}},
    spec=RGBD,
    counts={"captured": 3, "dropped": {"ring_full": 1}},
    files=[RecordedFile("frames-0000.tif", "main", 6, 4711)],
    events=[{"event": "clock_step"}],
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)

    assert read_manifest(tmp_path) == FULL
    assert [path.name for path in tmp_path.iterdir()] == ["session.json"]


def test_a_manifest_is_replaced_not_rewritten(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    with (tmp_path / "session.json").open() as reader:
        write_manifest(tmp_path, Manifest("s", "cam0", "running", 1))

        assert '"complete"' in reader.read()
    assert read_manifest(tmp_path).state == "running"


def test_a_manifest_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    (tmp_path / "session.json.new").mkdir()

    with pytest.raises(DiskError, match="Is a directory"):
        write_manifest(tmp_path, Manifest("s", "cam0", "running", 1))

    assert read_manifest(tmp_path) == FULL


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"session": 1}', '{"state": "asleep"}', "\0" * 100, "\xff"]
)
def test_what_is_no_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "session.json").write_text(text, encoding="latin-1")

    with pytest.raises(RecordingError, match=r"session\.json: "):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        read_manifest(tmp_path)
