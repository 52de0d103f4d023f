"""A video that was cut short or damaged: what is whole is found, shown and counted."""

import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from imagemp.counts import Counts
from imagemp.errors import RecordingError
from imagemp.recording.export.films import export_film
from imagemp.recording.export.formats import export_npy, export_png
from imagemp.recording.export.selecting import select
from imagemp.recording.export.sheet import contact_sheet
from imagemp.recording.folder import session_path
from imagemp.recording.manifest import Manifest, read_manifest, write_manifest
from imagemp.recording.mend.recorded import frames_in
from imagemp.recording.mend.repairing import repair_session
from imagemp.recording.mend.verifying import verify
from imagemp.recording.video.decoding import read_video
from imagemp.recording.video.files import walk_video
from imagemp.recording.video.records import VideoRecord
from imagemp.recording.video.writer import VideoWriter
from imagemp.recording.writer import Recording
from tests.recording.proofs import count_packets

from .filmer import BEGAN_NS, film, picture, plan_of, read_number
from .sessions import SESSION, contents, rows, spoil

FRAMES = 12
kinds = pytest.mark.parametrize("kind", ["mp4", "mkv"])
codecs = pytest.mark.parametrize(
    ("kind", "codec"),
    [("mp4", "libx264"), ("mkv", "libx264"), ("mkv", "ffv1"), ("mp4", "mjpeg")],
)


def left(
    data_dir: Path, kind: str, codec: str = "libx264", *, frames: int = FRAMES
) -> Path:
    """Leave a session as a power cut does: nobody ended it."""
    folder = session_path(data_dir, "cam0", SESSION)
    folder.mkdir(parents=True)
    plan = plan_of(kind, codec)
    writer = VideoWriter.create(folder / f"frames-0000.{kind}", plan)
    for index in range(frames):
        writer.append(film(index, plan.spec))
    writer.close()
    config = {"encoder": [{"name": "main"}], "callbacks": []}
    told: dict[str, Any] = {"config": config, "spec": plan.spec}
    write_manifest(folder, Manifest(SESSION, "cam0", "running", BEGAN_NS, **told))
    return folder


def the_file(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.suffix in (".mp4", ".mkv"))


def records(folder: Path) -> list[VideoRecord]:
    return list(walk_video(the_file(folder)))


def indexes(folder: Path) -> list[int]:
    return [frame[0].index for _, frame in frames_in(folder)]


def shown(folder: Path) -> list[int]:
    return [read_number(pixels) for _, pixels in read_video(the_file(folder))]


def assert_is_in_order(folder: Path, expected: list[int]) -> None:
    """Frames, log, accounting, and what others see, all tell the same."""
    assert indexes(folder) == [int(row["index"]) for row in rows(folder)] == expected
    counts = msgspec.convert(read_manifest(folder).counts, Counts)
    assert counts.broken() == []
    assert counts.encoders["main"].recorded == len(expected)
    assert verify(folder).problems == []
    before = contents(folder)
    assert repair_session(folder).steps == []
    assert contents(folder) == before


@codecs
def test_what_was_cut_short_is_closed_with_all_its_frames(
    tmp_path: Path, kind: str, codec: str
) -> None:
    folder = left(tmp_path, kind, codec)

    assert "wrong: index" in "\n".join(verify(folder).problems)
    repair_session(folder)

    assert read_manifest(folder).state == "recovered"
    assert_is_in_order(folder, list(range(FRAMES)))
    assert shown(folder) == list(range(FRAMES))
    assert count_packets(the_file(folder)) == FRAMES


@kinds
def test_a_session_that_was_ended_has_no_problems(tmp_path: Path, kind: str) -> None:
    folder = session_path(tmp_path, "cam0", SESSION)
    folder.mkdir(parents=True)
    plan = plan_of(kind, "libx264", limits={"segment_pages": 5})
    with Recording.create(folder, plan) as recording:
        for index in range(FRAMES):
            recording.append(film(index, plan.spec))
    line = {"recorded": FRAMES, "durable": FRAMES, "skipped": {}, "in_flight": 0}
    counts = {"captured": 0, "encoders": {"main": line}}
    told: dict[str, Any] = {"config": {"encoder": [{"name": "main"}]}, "counts": counts}
    files = recording.files()
    write_manifest(
        folder,
        Manifest(SESSION, "cam0", "complete", 1, spec=plan.spec, files=files, **told),
    )

    verdict = verify(folder)

    assert verdict.problems == []
    assert verdict.checked["main"]["frames"] == FRAMES


@kinds
def test_a_file_cut_at_any_byte_of_its_last_frames_keeps_those_before(
    tmp_path: Path, kind: str
) -> None:
    folder = left(tmp_path, kind, frames=4)
    path, all_of_it = the_file(folder), the_file(folder).read_bytes()
    ends = [record.end for record in records(folder)]
    for size in [*range(ends[2], len(all_of_it), 29), *ends[1:]]:
        (folder / "session.json").write_text("")
        path.write_bytes(all_of_it[:size])

        repair_session(folder)

        there = sum(end <= size for end in ends)
        assert indexes(folder) == list(range(there)), size
        assert shown(folder) == list(range(there)), size
        assert len(rows(folder)) == there


@kinds
def test_frames_without_their_data_at_the_end_are_cut_off(
    tmp_path: Path, kind: str
) -> None:
    folder = left(tmp_path, kind)
    tenth = records(folder)[9]
    spoil(the_file(folder), tenth.data_at, bytes(tenth.nbytes))

    repair_session(folder)

    assert_is_in_order(folder, list(range(9)))
    assert shown(folder) == list(range(9))
    assert read_manifest(folder).counts["encoders"]["main"]["skipped"] == {"damaged": 3}


@pytest.mark.parametrize(("kind", "codec"), [("mkv", "ffv1"), ("mp4", "mjpeg")])
def test_a_hole_is_passed_over_and_what_is_behind_it_is_found(
    tmp_path: Path, kind: str, codec: str
) -> None:
    folder = left(tmp_path, kind, codec)
    fourth, sixth = records(folder)[3], records(folder)[5]
    spoil(the_file(folder), fourth.offset, bytes(sixth.offset - fourth.offset))

    assert "wrong: 1 gap, index" in "\n".join(verify(folder).problems)
    repair_session(folder)

    expected = [n for n in range(FRAMES) if n not in (3, 4)]
    assert_is_in_order(folder, expected)
    assert shown(folder) == expected
    assert count_packets(the_file(folder)) == FRAMES - 2


@kinds
def test_a_damaged_frame_takes_those_with_it_that_are_decoded_from_it(
    tmp_path: Path, kind: str
) -> None:
    folder = left(tmp_path, kind, frames=60)
    second = records(folder)[1]
    key = next(one.index for one in records(folder)[1:] if one.is_key)
    spoil(the_file(folder), second.data_at + 4)

    repair_session(folder)

    assert_is_in_order(folder, [0, *range(key, 60)])
    chosen = select(folder)
    found = [read_number(pixels) for _, pixels in chosen.pictures()]
    assert found == [0, *range(key, 60)]


@kinds
def test_damage_anywhere_never_shows_a_wrong_picture(tmp_path: Path, kind: str) -> None:
    chance = random.Random(kind)  # noqa: S311 - no secret
    folder = left(tmp_path, kind, "mjpeg", frames=6)
    path, all_of_it = the_file(folder), the_file(folder).read_bytes()
    text = (folder / "session.json").read_bytes()
    for _ in range(25):
        (folder / "session.json").write_bytes(text)
        path.write_bytes(all_of_it)
        size = chance.choice([1, 8, 300])
        at = chance.randrange(len(all_of_it))
        spoil(path, at, chance.randbytes(size))

        repair_session(folder)

        assert verify(folder).problems == []
        if path.exists() and indexes(folder):
            found = list(select(folder).pictures())
            assert [read_number(p) for _, p in found] == [r.index for r, _ in found]
        (folder / f"{path.name}.damaged").unlink(missing_ok=True)


def unheard(_n: int) -> None:
    """Hear of a frame."""


@codecs
def test_what_is_exported_is_what_was_filmed(
    tmp_path: Path, kind: str, codec: str
) -> None:
    folder = left(tmp_path, kind, codec)
    repair_session(folder)

    chosen = select(folder, slice(5, 9))
    export_npy(chosen, tmp_path / "some.npy", unheard)
    export_png(chosen, tmp_path / "some", unheard)
    export_film(chosen, tmp_path / "some.mkv", unheard, "mkv")

    array = np.load(tmp_path / "some.npy")
    assert array.shape == (4, 32, 128)
    assert [read_number(pixels) for pixels in array] == [5, 6, 7, 8]
    if codec == "ffv1":
        assert np.array_equal(array[0], picture(5))
    names = sorted(path.name for path in (tmp_path / "some").iterdir())
    assert names == [f"{seq:08}.png" for seq in (10, 12, 14, 16)]
    film_of_it = [read_number(p) for _, p in read_video(tmp_path / "some.mkv")]
    assert film_of_it == [5, 6, 7, 8]
    assert contact_sheet(folder, tmp_path / "sheet.png").stat().st_size > 1000


def test_a_video_that_is_not_as_it_should_be_is_not_exported(tmp_path: Path) -> None:
    folder = left(tmp_path, "mkv")

    with pytest.raises(RecordingError, match="still being written") as refused:
        select(folder)

    assert refused.value.hint == f"imagectl recordings repair {SESSION}"
