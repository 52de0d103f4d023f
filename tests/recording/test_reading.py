"""Reading what sessions left."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from imagemp.errors import RecordingError
from imagemp.recording.export.sheet import contact_sheet, evenly_spaced
from imagemp.recording.folder import SessionFolder
from imagemp.recording.manifest import Manifest, State, write_manifest
from imagemp.recording.plan import RecordingPlan, SegmentLimits
from imagemp.recording.reading import (
    frames,
    read_pixels,
    sessions,
    unended,
)
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec
from tests.recording.shots import RGBD, record, shot

THREE_FRAMES = SegmentLimits(segment_pages=6)
SPECS = [
    RGBD,
    *(FrameSpec.image((60, 80), t) for t in ("u1", "<u2", "<f4", "?", "<c8")),
]


def recorded(folder: Path, spec: FrameSpec, frames: int) -> Path:
    with Recording.create(
        folder, RecordingPlan(spec, limits=THREE_FRAMES)
    ) as recording:
        record(recording, range(frames))
    return folder


def test_sessions_are_listed_oldest_first_whatever_their_pipeline(
    tmp_path: Path,
) -> None:
    for pipeline, session in (("b", "2026-1"), ("a", "2026-2"), ("b", "2026-3")):
        with SessionFolder.create(tmp_path, pipeline, session) as folder:
            write_manifest(folder.path, Manifest(session, pipeline, "complete", 1))

    found = [one.manifest for one in sessions(tmp_path)]

    assert [one and one.session for one in found] == ["2026-1", "2026-2", "2026-3"]


def test_a_session_without_a_manifest_is_listed_and_other_folders_are_not(
    tmp_path: Path,
) -> None:
    for name, file in (
        ("one", "frames-0000.tif"),
        ("two", "small-0003.mkv"),
        ("three", "session.json.new"),
        ("notes", "notes.txt"),
    ):
        (tmp_path / "cam0" / name).mkdir(parents=True)
        (tmp_path / "cam0" / name / file).touch()

    found = sessions(tmp_path)

    assert [one.path.name for one in found] == ["one", "three", "two"]
    assert {one.manifest for one in found} == {None}


def test_sessions_that_nobody_ended_are_those_that_run_or_cannot_be_read(
    tmp_path: Path,
) -> None:
    states: tuple[State, ...] = ("running", "complete", "incomplete", "recovered")
    for state in states:
        with SessionFolder.create(tmp_path, "cam0", state) as folder:
            write_manifest(folder.path, Manifest(state, "cam0", state, 1))

    assert [one.path.name for one in unended(tmp_path, "cam0")] == ["running"]
    (tmp_path / "cam0/complete/session.json").write_text("{")
    assert [one.path.name for one in unended(tmp_path, "cam0")] == [
        "complete",
        "running",
    ]
    assert unended(tmp_path, "cam1") == []


def test_a_session_with_a_broken_manifest_is_listed_with_its_problem(
    tmp_path: Path,
) -> None:
    with SessionFolder.create(tmp_path, "cam0", "one") as folder:
        (folder.path / "session.json").write_text("{")

    (found,) = sessions(tmp_path)

    assert found.manifest is None
    assert "session.json" in found.problem


def test_pages_of_all_segments_come_in_order(tmp_path: Path) -> None:
    recorded(tmp_path, RGBD, 7)

    found = [(path, page) for path, frame in frames(tmp_path) for page in frame]

    assert [page.index for _, page in found] == [n // 2 for n in range(14)]
    assert {path.name for path, _ in found} == {f"frames-000{n}.tif" for n in range(3)}


@pytest.mark.parametrize("spec", SPECS)
def test_pixels_are_read_back(tmp_path: Path, spec: FrameSpec) -> None:
    recorded(tmp_path, spec, 2)

    for path, frame in frames(tmp_path):
        for page in frame:
            expected = shot(spec, page.index)[page.plane_name]
            assert np.array_equal(read_pixels(path, page), expected, equal_nan=True)


@pytest.mark.parametrize("spec", SPECS)
def test_a_contact_sheet_shows_frames_of_the_whole_session(
    tmp_path: Path, spec: FrameSpec
) -> None:
    path = contact_sheet(recorded(tmp_path, spec, 7), tmp_path / "sheet.png", 3, 2)

    sheet = cv2.imread(str(path))
    assert sheet is not None
    assert sheet.shape == (2 * 240, 3 * 320, 3)
    assert sheet[-240:, -320:].std() > 10


def test_a_short_session_leaves_places_of_its_sheet_black(tmp_path: Path) -> None:
    folder = recorded(tmp_path, RGBD, 1)

    sheet = cv2.imread(str(contact_sheet(folder, tmp_path / "sheet.png")))

    assert sheet is not None
    assert sheet.shape == (3 * 240, 4 * 320, 3)
    assert sheet[:, 320:].max() == 0


def test_a_session_without_frames_has_no_sheet(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no frames"):
        contact_sheet(tmp_path, tmp_path / "sheet.png")


@pytest.mark.parametrize(
    ("count", "wanted", "chosen"),
    [(3, 5, [0, 1, 2]), (100, 3, [0, 49, 99]), (9, 1, [0]), (0, 4, [])],
)
def test_the_first_and_the_last_are_chosen(
    count: int, wanted: int, chosen: list[int]
) -> None:
    assert evenly_spaced(count, wanted) == chosen


def test_listing_sessions_needs_no_numpy() -> None:
    program = (
        "import sys, imagemp.recording.reading as _; print('numpy' in sys.modules)"
    )

    told = subprocess.check_output([sys.executable, "-c", program], text=True)  # noqa: S603

    assert told == "False\n"
