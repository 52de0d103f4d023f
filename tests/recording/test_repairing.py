"""A session that nobody ended becomes one that can be trusted."""

import os
from pathlib import Path
from typing import Any

import pytest

from imagemp.errors import RecordingError
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import read_manifest
from imagemp.recording.mend.estate import look_through
from imagemp.recording.mend.repairing import plan_repair, repair_session
from imagemp.recording.plan import SegmentLimits
from imagemp.recording.tiff.tags import LINK
from imagemp.spec import Field, FrameSpec

from .sessions import (
    BEGAN_NS,
    MARKED,
    MS,
    SESSION,
    contents,
    law,
    leave,
    note,
    pages_of,
    rows,
    seqs,
    spoil,
)

FILE = "frames-0000.tif"
FOURS = SegmentLimits(segment_pages=4)
FIELDS = FrameSpec(MARKED.planes, (Field("gain", "f4"), Field("text", "S8")))
TEN = [index * 3 // 2 for index in range(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a session that nobody ended: ten frames in three files."""
    left = leave(tmp_path, range(10), limits=FOURS)
    note(left)
    return left


def told(folder: Path) -> dict[str, Any]:
    """Give what the last event says of the main encoder."""
    event = read_manifest(folder).events[-1]
    assert event["name"] == "recovered"
    found: dict[str, Any] = event["encoders"]["main"]
    return found


def test_what_nobody_ended_is_recovered_and_its_law_closes(folder: Path) -> None:
    repair_session(folder)

    manifest, counts = read_manifest(folder), law(folder)
    assert manifest.state == "recovered"
    assert manifest.ended_unix_ns == BEGAN_NS + 90 * MS
    assert [file.pages for file in manifest.files] == [4, 4, 2]
    assert all((folder / f.name).stat().st_size == f.bytes for f in manifest.files)
    assert (counts.captured, counts.published) == (TEN[-1] + 1, 10)
    assert counts.dropped == {"unknown": 4}
    assert counts.missed == {"unknown": 5}
    assert counts.encoders["main"].recorded == counts.encoders["main"].durable == 10


def test_a_dry_run_tells_the_same_and_changes_nothing(folder: Path) -> None:
    os.truncate(folder / "frames-0002.tif", 700)
    before = contents(folder)

    planned = repair_session(folder, dry_run=True).summary["steps"]

    assert contents(folder) == before
    assert repair_session(folder).summary["steps"] == planned
    assert [step["file"] for step in planned] == [
        "frames-0002.tif",
        "frames.csv",
        "session.json",
    ]


@pytest.mark.parametrize("text", [None, "", '{"session": "2026', "\0" * 4096])
def test_a_manifest_that_is_missing_or_torn_is_made_anew(
    folder: Path, text: str | None
) -> None:
    before = read_manifest(folder)
    (folder / "session.json").unlink()
    if text is not None:
        (folder / "session.json").write_text(text)

    repair_session(folder)

    after = read_manifest(folder)
    assert after.state == "recovered"
    assert (after.session, after.pipeline) == (SESSION, "cam0")
    assert after.started_unix_ns == before.started_unix_ns
    assert (after.config, after.spec) == (before.config, before.spec)
    assert after.events[-1]["manifest"] == "made anew"
    assert law(folder).encoders["main"].recorded == 10


def test_a_manifest_of_a_later_version_is_left_alone(folder: Path) -> None:
    (folder / "session.json").write_text('{"session": "s", "state": "frozen"}')
    before = contents(folder)

    with pytest.raises(RecordingError, match=r"session\.json: "):
        repair_session(folder)

    assert contents(folder) == before


def test_a_session_that_somebody_writes_is_left_alone(folder: Path) -> None:
    before = contents(folder)

    with (
        SessionFolder.open(folder),
        pytest.raises(RecordingError, match="somebody writes in it"),
    ):
        repair_session(folder)

    assert contents(folder) == before


def test_a_session_that_is_whole_is_not_touched(folder: Path) -> None:
    repair_session(folder)
    manifest = read_manifest(folder)
    note(folder, "complete", counts=manifest.counts, files=manifest.files[::-1])
    before = contents(folder)

    repair = repair_session(folder)

    assert repair.steps == []
    assert contents(folder) == before


@pytest.mark.parametrize("spec", [MARKED, FIELDS], ids=["plain", "user's fields"])
@pytest.mark.parametrize("text", [None, "", "seq,index\n1,2\n", "\0" * 999])
def test_the_frame_log_is_made_anew_from_the_pages(
    tmp_path: Path, spec: FrameSpec, text: str | None
) -> None:
    folder = leave(tmp_path, range(10), spec)
    note(folder, spec=spec)
    log = folder / "frames.csv"
    before = log.read_text()
    log.unlink()
    if text is not None:
        log.write_text(text)

    repair_session(folder)

    assert log.read_text() == before


def test_rows_without_a_page_are_cut(folder: Path) -> None:
    (folder / "frames-0002.tif").unlink()

    repair_session(folder)

    assert [int(row["seq"]) for row in rows(folder)] == TEN[:8]
    assert law(folder).published == 8


def test_links_lead_around_damage_and_the_frames_behind_it_stay(folder: Path) -> None:
    second = pages_of(folder / FILE)[1]
    spoil(folder / FILE, second.data_at + 100)

    repair_session(folder)

    counts = law(folder)
    assert seqs(folder) == [seq for seq in TEN if seq != second.seq]
    assert [row["page"] for row in rows(folder)][:3] == ["0", "1", "2"]
    assert counts.published == 10
    assert counts.encoders["main"].skipped == {"damaged": 1}
    lost = told(folder)["losses"]
    assert [(one["reason"], one["seq"]) for one in lost] == [("pixels", second.seq)]
    assert (folder / FILE).stat().st_size == pages_of(folder / FILE)[-1].end


def test_a_page_that_cannot_be_made_out_is_counted_by_its_gap(folder: Path) -> None:
    second = pages_of(folder / FILE)[1]
    spoil(folder / FILE, second.offset)

    repair_session(folder)

    assert seqs(folder) == [seq for seq in TEN if seq != second.seq]
    assert law(folder).encoders["main"].skipped == {"unknown": 1}
    assert [one["reason"] for one in told(folder)["losses"]] == ["unreadable"]


def test_a_wrong_number_in_a_page_is_noticed(folder: Path) -> None:
    page = pages_of(folder / FILE)[1]
    seq = page.seq.to_bytes(8, "little") + page.index.to_bytes(8, "little")
    at = (folder / FILE).read_bytes().index(seq, page.offset)
    spoil(folder / FILE, at, (7).to_bytes(8, "little"))

    repair_session(folder)

    assert seqs(folder) == [seq for seq in TEN if seq != page.seq]


def test_only_the_last_files_have_their_pixels_compared_at_the_start(
    folder: Path,
) -> None:
    for name in (FILE, "frames-0001.tif", "frames-0002.tif"):
        spoil(folder / name, pages_of(folder / name)[1].data_at)

    repair_session(folder, thorough=False)
    assert law(folder).encoders["main"].skipped == {"damaged": 2}

    repair_session(folder)
    assert law(folder).encoders["main"].skipped == {"damaged": 3}


def test_a_frame_that_links_do_not_lead_to_is_compared_in_any_file(
    folder: Path,
) -> None:
    first, second, *_ = pages_of(folder / FILE)
    spoil(folder / FILE, first.link_at, LINK.pack(0))
    spoil(folder / FILE, second.data_at)

    repair_session(folder, thorough=False)

    assert seqs(folder) == [seq for seq in TEN if seq != second.seq]


@pytest.mark.parametrize("size", [0, 5, 16, 17, 600])
def test_a_last_file_without_a_frame_is_deleted(folder: Path, size: int) -> None:
    os.truncate(folder / "frames-0002.tif", size)

    repair_session(folder)

    assert not (folder / "frames-0002.tif").exists()
    assert [file.pages for file in read_manifest(folder).files] == [4, 4]


def test_a_file_with_nothing_good_in_it_is_set_aside(folder: Path) -> None:
    (folder / FILE).write_bytes(os.urandom(5000))

    repair_session(folder)

    assert (folder / f"{FILE}.damaged").stat().st_size == 5000
    assert seqs(folder) == TEN[4:]
    assert law(folder).encoders["main"].skipped == {"unknown": 4}
    assert repair_session(folder).steps == []


def test_a_frame_that_was_written_twice_is_kept_where_links_lead_to_it(
    tmp_path: Path,
) -> None:
    folder = leave(tmp_path, range(4))
    note(folder)
    third = pages_of(folder / FILE)[2]
    spoil(folder / FILE, third.link_at, LINK.pack(0))  # the fourth is a ghost now
    other = leave(tmp_path / "other", [*range(4), 3, 4, 5], limits=FOURS)
    (other / "frames-0001.tif").rename(folder / "frames-0001.tif")

    repair_session(folder)

    assert seqs(folder) == TEN[:6]
    assert [file.pages for file in read_manifest(folder).files] == [3, 3]


@pytest.mark.parametrize("done", range(5))
def test_a_repair_that_is_cut_short_is_gone_on_with(folder: Path, done: int) -> None:
    first = pages_of(folder / FILE)[0]
    spoil(folder / FILE, first.data_at)
    os.truncate(folder / "frames-0001.tif", 2000)
    os.truncate(folder / "frames-0002.tif", 300)
    steps = plan_repair(look_through(folder)).steps
    assert len(steps) == 5

    for step in steps[:done]:
        step.do()
    repair_session(folder)

    assert [step.file for step in steps[-2:]] == ["frames.csv", "session.json"]
    assert seqs(folder) == [int(row["seq"]) for row in rows(folder)] == [1, 3, 4, 6, 7]
    assert law(folder).encoders["main"].recorded == 5
    assert repair_session(folder).steps == []


def test_links_that_were_mended_in_part_are_mended_in_full(tmp_path: Path) -> None:
    folder = leave(tmp_path, range(10))
    whole = contents(folder)[FILE]
    places = [8, *(page.link_at for page in pages_of(folder / FILE))]
    for number in range(len(places)):
        note(folder)
        for at in places[number:]:
            spoil(folder / FILE, at, LINK.pack(0))

        repair_session(folder)

        assert contents(folder)[FILE] == whole
