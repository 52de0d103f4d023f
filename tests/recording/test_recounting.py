"""The law of a session that was repaired closes, and claims no more than is known."""

from pathlib import Path

import msgspec
import pytest

from imagemp.recording.manifest import read_manifest
from imagemp.recording.mend.repairing import repair_session
from imagemp.recording.plan import SegmentLimits

from .sessions import BEGAN_NS, SESSION, law, leave, note, pages_of, spoil

FILE = "frames-0000.tif"
FOURS = SegmentLimits(segment_pages=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a session that nobody ended: ten frames in three files."""
    left = leave(tmp_path, range(10), limits=FOURS)
    note(left)
    return left


def test_bit_rot_in_a_complete_session_is_counted(folder: Path) -> None:
    repair_session(folder)
    manifest = read_manifest(folder)
    counts = {**manifest.counts, "dropped": {"ring_full": 4}}
    note(folder, "complete", counts=counts, files=manifest.files)
    spoil(folder / FILE, pages_of(folder / FILE)[0].data_at)

    repair_session(folder)

    after = law(folder)
    assert read_manifest(folder).state == "recovered"
    assert after.dropped == {"ring_full": 4}
    assert after.encoders["main"].recorded == 9
    assert after.encoders["main"].skipped == {"damaged": 1}


def test_frames_that_were_given_up_and_are_there_are_counted_as_recorded(
    folder: Path,
) -> None:
    repair_session(folder)
    manifest = read_manifest(folder)
    counts = msgspec.json.decode(msgspec.json.encode(manifest.counts))
    counts["encoders"]["main"] |= {"recorded": 7, "skipped": {"undrained": 3}}
    note(folder, "incomplete", counts=counts, files=manifest.files)

    repair_session(folder)

    assert law(folder).encoders["main"].recorded == 10
    assert law(folder).encoders["main"].skipped == {}


def test_each_encoder_has_its_own_line(tmp_path: Path) -> None:
    config = {"encoder": [{"name": "main"}, {"name": "spare"}, {"name": "never"}]}
    folder = leave(tmp_path, range(10), config=config)
    leave(tmp_path, range(8), encoder="spare", limits=FOURS, config=config)
    note(folder, config=config)

    repair_session(folder)

    counts, files = law(folder), read_manifest(folder).files
    assert [file.name for file in files] == [FILE, "spare-0000.tif", "spare-0001.tif"]
    assert counts.encoders["spare"].recorded == 8
    assert counts.encoders["spare"].skipped == {"undrained": 2}
    assert counts.encoders["never"].skipped == {"undrained": 10}


def test_an_encoder_of_a_callbacks_frames_is_counted_by_these(tmp_path: Path) -> None:
    config = {
        "encoder": [{"name": "main", "input": "callback:blobs"}, {"name": "raw"}],
        "callbacks": [{"name": "blobs", "inline": False}],
    }
    folder = leave(tmp_path, range(5), config=config)
    leave(tmp_path, range(10), encoder="raw", config=config)
    note(folder, config=config)

    repair_session(folder)

    counts = law(folder)
    assert counts.published == 10
    assert counts.encoders["main"].published == 5
    assert counts.encoders["raw"].published is None


def test_of_a_source_that_nobody_recorded_nothing_is_said(tmp_path: Path) -> None:
    config = {"encoder": [{"name": "main", "input": "callback:blobs"}]}
    folder = leave(tmp_path, range(5), config=config)
    note(folder, config=config)

    repair_session(folder)

    assert read_manifest(folder).counts.keys() == {"encoders"}


def test_an_empty_folder_of_a_session_that_never_began_is_closed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "cam0" / SESSION
    folder.mkdir(parents=True)
    note(folder, spec=None)

    repair_session(folder)

    manifest = read_manifest(folder)
    assert (manifest.state, manifest.files) == ("recovered", [])
    assert manifest.ended_unix_ns == BEGAN_NS
    assert law(folder).encoders["main"].recorded == 0
