"""Verify finds what is wrong, and nothing where nothing is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imagemp.errors import RecordingError
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import read_manifest, write_manifest
from imagemp.recording.mend.repairing import repair_session
from imagemp.recording.mend.verifying import nbytes_to_check, verify
from imagemp.recording.plan import SegmentLimits
from imagemp.recording.tiff.chain import walk_pages
from imagemp.recording.tiff.tags import LINK

from .sessions import contents, leave, note

FIRST, LAST = "frames-0000.tif", "frames-0002.tif"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a complete session: ten frames in three files."""
    left = leave(tmp_path, range(10), limits=SegmentLimits(segment_pages=4))
    note(left)
    repair_session(left)
    manifest = read_manifest(left)
    manifest.state = "complete"
    write_manifest(left, manifest)
    return left


def edit(path: Path, at: int, text: bytes = b"\xff\xff\xff") -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(text)] = text
    path.write_bytes(data)


def spoil_a_pixel(folder: Path) -> None:
    edit(folder / FIRST, list(walk_pages(folder / FIRST))[1].data_at + 7)


def spoil_a_page(folder: Path) -> None:
    edit(folder / FIRST, list(walk_pages(folder / FIRST))[1].offset + 40)


def break_a_link(folder: Path) -> None:
    link = list(walk_pages(folder / FIRST))[1].link_at
    edit(folder / FIRST, link, LINK.pack(0))


def leave_a_ghost(folder: Path) -> None:
    with (folder / LAST).open("ab") as file:
        file.write(b"torn")


def empty_a_file(folder: Path) -> None:
    os.truncate(folder / LAST, 16)


def lose_a_file(folder: Path) -> None:
    (folder / LAST).unlink()


def lose_a_row(folder: Path) -> None:
    header, _, *rest = (folder / "frames.csv").read_text().splitlines(keepends=True)
    (folder / "frames.csv").write_text(header + "".join(rest))


def change_a_row(folder: Path) -> None:
    text = (folder / "frames.csv").read_text()
    (folder / "frames.csv").write_text(text.replace("5000000", "5000001", 1))


def tear_the_manifest(folder: Path) -> None:
    (folder / "session.json").write_text("{")


def leave_it_running(folder: Path) -> None:
    manifest = read_manifest(folder)
    manifest.state = "running"
    write_manifest(folder, manifest)


def miscount(folder: Path) -> None:
    manifest = read_manifest(folder)
    manifest.counts["captured"] += 1
    write_manifest(folder, manifest)


def claim_more_frames(folder: Path) -> None:
    manifest = read_manifest(folder)
    manifest.counts["encoders"]["main"] |= {"recorded": 11}
    write_manifest(folder, manifest)


def list_another_size(folder: Path) -> None:
    manifest = read_manifest(folder)
    manifest.files[0] = msgspec.structs.replace(manifest.files[0], bytes=1)
    write_manifest(folder, manifest)


def not_list_a_file(folder: Path) -> None:
    manifest = read_manifest(folder)
    manifest.files = manifest.files[1:]
    write_manifest(folder, manifest)


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (spoil_a_pixel, "seq 1, index 1: the pixels are not those that were written"),
    (spoil_a_page, "no page can be made out"),
    (break_a_link, "frames-0000.tif: wrong: 1 link"),
    (leave_a_ghost, "frames-0002.tif: 4 bytes behind the last good frame"),
    (empty_a_file, "frames-0002.tif: has no good frame"),
    (lose_a_file, "frames-0002.tif: session.json lists it, and it is not there"),
    (lose_a_row, "frames.csv: does not agree with the pages"),
    (change_a_row, "frames.csv: does not agree with the pages"),
    (tear_the_manifest, "session.json: is missing or torn"),
    (leave_it_running, "session.json: says running, and nobody writes"),
    (miscount, "session.json: counts: captured 15 != published 10 + dropped 4"),
    (claim_more_frames, "encoder main: session.json says 11 frames, found 10"),
    (list_another_size, "frames-0000.tif: session.json says 4 pages and 1 bytes"),
    (not_list_a_file, "frames-0000.tif: session.json does not list it"),
]


def test_a_session_that_is_whole_has_no_problem(folder: Path) -> None:
    before, heard = contents(folder), list[int]()

    found = verify(folder, heard.append)

    assert found.problems == found.notes == []
    sizes = [len(data) for name, data in before.items() if name.endswith(".tif")]
    assert found.checked == {"main": {"frames": 10, "pages": 10, "bytes": sum(sizes)}}
    assert sum(heard) == sum(sizes) - 16 * len(sizes)
    assert nbytes_to_check(folder) == sum(sizes)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("damage", "told"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES]
)
def test_what_is_wrong_is_found_and_changed_by_nobody(
    folder: Path, damage: Callable[[Path], None], told: str
) -> None:
    damage(folder)
    before = contents(folder)

    found = verify(folder)

    assert [problem for problem in found.problems if told in problem]
    assert contents(folder) == before


MENDABLE = [one for one, _ in DAMAGES if one not in (miscount, claim_more_frames)]


@pytest.mark.parametrize("damage", MENDABLE, ids=[one.__name__ for one in MENDABLE])
def test_what_was_repaired_has_no_problem_any_more(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder)

    repair_session(folder)

    assert verify(folder).problems == []


def test_what_was_lost_for_good_is_a_note(folder: Path) -> None:
    spoil_a_pixel(folder)
    repair_session(folder)

    gap, loss = verify(folder).notes

    assert gap == "encoder main: 1 published frames are not in the files, in 1 places"
    assert loss.endswith("not those that were written; links lead around it")


def test_a_session_that_is_being_written_is_not_judged(folder: Path) -> None:
    with SessionFolder.open(folder), pytest.raises(RecordingError, match="writes in"):
        verify(folder)


def test_a_folder_without_a_session_is_none(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no session"):
        verify(tmp_path)


def test_the_verdict_is_plain_data(folder: Path) -> None:
    leave_a_ghost(folder)

    told: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(verify(folder).summary)
    )

    assert not told["ok"]
    assert (told["state"], told["pipeline"]) == ("complete", "cam0")
