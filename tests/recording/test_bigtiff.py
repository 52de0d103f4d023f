"""The writer of pages."""

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from imagemp.errors import DiskError, FrameShapeError, RecordingError
from imagemp.frames import Frame, FrameInfo
from imagemp.recording.stamp import STAMP
from imagemp.recording.tiff.bigtiff import PageWriter
from imagemp.recording.tiff.chain import last_good, walk_frames, walk_pages
from imagemp.spec import FrameSpec, Plane
from tests.recording.proofs import crc_matches
from tests.recording.shots import RGBD, SMALL, shot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "frames-0000.tif"


def filled(path: Path, spec: FrameSpec = SMALL, frames: int = 4) -> PageWriter:
    writer = PageWriter.create(path, spec.planes, "{}")
    for index in range(frames):
        writer.append(shot(spec, index))
    return writer


def test_each_page_says_which_frame_it_is(path: Path) -> None:
    filled(path).close()

    found = [(p.page, p.seq, p.index, p.t_sensor_ns) for p in walk_pages(path)]

    assert found == [(n, 2 * n, n, n * 10**9) for n in range(4)]
    assert all(crc_matches(path, page) for page in walk_pages(path))


def test_the_planes_of_a_frame_are_consecutive_pages(path: Path) -> None:
    filled(path, RGBD, frames=2).close()

    found = [(p.index, p.plane, p.planes, p.plane_name) for p in walk_pages(path)]

    assert found == [(i, n, 2, RGBD.planes[n].name) for i in (0, 1) for n in (0, 1)]
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[3].asarray().tobytes() == shot(RGBD, 1)["depth"].tobytes()


def test_a_frame_is_there_as_soon_as_append_returns(path: Path) -> None:
    writer = PageWriter.create(path, RGBD.planes)

    for index in range(3):
        writer.append(shot(RGBD, index))
        assert len(list(walk_frames(path))) == writer.frames == index + 1
    writer.close()


def test_links_are_aligned_so_that_no_crash_cuts_one_in_two(path: Path) -> None:
    planes = tuple(Plane("p" * n, (3, n + 1, 4), "u1") for n in range(1, 30))
    filled(path, FrameSpec(planes), frames=2).close()

    found = list(walk_pages(path))

    assert len(found) == 58
    assert all(page.link_at % 8 == 0 and page.offset % 16 == 0 for page in found)


def test_more_planes_than_one_writev_takes_are_all_written(path: Path) -> None:
    planes = tuple(Plane(f"plane{n}", (2, 2), "u1") for n in range(400))

    filled(path, FrameSpec(planes), frames=2).close()

    assert last_good(path).pages == 800


def test_a_plane_that_is_not_contiguous_is_stored_as_it_looks(path: Path) -> None:
    wide = np.arange(6 * 16, dtype="u1").reshape(6, 16)
    writer = PageWriter.create(path, SMALL.planes)

    writer.append(Frame({"image": wide[:, ::2]}, FrameInfo()))
    writer.close()

    assert np.array_equal(tifffile.imread(path), wide[:, ::2])


def test_a_structured_plane_is_stored_as_bytes(path: Path) -> None:
    spec = FrameSpec((Plane("points", (3, 5), [["xyz", "<f4", [3]], ["id", "<u2"]]),))
    filled(path, spec, frames=1).close()

    found = tifffile.imread(path)

    assert found.dtype == np.uint8
    assert found.shape == (3, 5 * 14)
    assert found.tobytes() == shot(spec, 0)["points"].tobytes()


@pytest.mark.parametrize("shape", [(0,), (0, 8), (6, 0, 3)])
def test_a_plane_without_pixels_is_refused(path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(FrameShapeError, match=r"image: .* holds nothing"):
        PageWriter.create(path, [Plane("image", shape, "u1")])

    assert not path.exists()


def test_a_frame_of_another_shape_is_refused_and_leaves_no_trace(path: Path) -> None:
    writer = filled(path)
    before = path.read_bytes()

    with pytest.raises(FrameShapeError, match=r"is \(7, 8\) uint8, expected \(6, 8\)"):
        writer.append(shot(FrameSpec.image((7, 8)), 4))

    assert path.read_bytes() == before
    writer.close()


def test_a_file_that_is_there_is_never_overwritten(path: Path) -> None:
    path.write_text("dear diary")

    with pytest.raises(DiskError, match="File exists") as raised:
        PageWriter.create(path, SMALL.planes)

    assert raised.value.errno == errno.EEXIST
    assert path.read_text() == "dear diary"


def test_files_are_not_for_others(path: Path) -> None:
    filled(path).close()

    assert path.stat().st_mode & 0o007 == 0


def test_descriptors_are_not_inherited(path: Path) -> None:
    writer = filled(path)

    links = Path("/proc/self/fd").iterdir()
    held = [int(fd.name) for fd in links if os.path.realpath(fd) == str(path)]

    assert len(held) == 1
    assert not os.get_inheritable(held[0])
    writer.close()


@pytest.mark.parametrize("ghost", [b"", b"\0" * 200, b"\xff" * 77])
def test_resume_cuts_what_is_not_linked_and_goes_on(path: Path, ghost: bytes) -> None:
    filled(path, RGBD).close()
    with path.open("ab") as file:
        file.write(ghost)

    writer = PageWriter.resume(path, RGBD.planes)
    assert path.stat().st_size == writer.nbytes == last_good(path).end
    writer.append(shot(RGBD, 4))
    writer.close()

    assert [frame[0].index for frame in walk_frames(path)] == [0, 1, 2, 3, 4]


def test_resume_cuts_a_frame_that_lacks_a_plane(path: Path) -> None:
    filled(path, RGBD).close()
    os.truncate(path, list(walk_pages(path))[-1].data_at)

    writer = PageWriter.resume(path, RGBD.planes)
    writer.close()

    assert writer.frames == 3
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 6


@pytest.mark.parametrize("size", [0, 5, 16])
def test_resume_begins_anew_in_a_file_without_a_frame(path: Path, size: int) -> None:
    filled(path, frames=0).close()
    os.truncate(path, size)

    writer = PageWriter.resume(path, SMALL.planes, "{}")
    writer.append(shot(SMALL, 0))
    writer.close()

    assert tifffile.imread(path).tobytes() == shot(SMALL, 0).image.tobytes()


def test_resume_refuses_to_cut_more_than_one_crash_can_have_left(path: Path) -> None:
    filled(path, frames=100).close()
    pages = list(walk_pages(path))
    with path.open("r+b") as file:
        file.seek(pages[50].offset)
        file.write(b"\xff" * 8)

    with pytest.raises(RecordingError, match="bytes after the last frame"):
        PageWriter.resume(path, SMALL.planes)

    assert path.stat().st_size == pages[-1].end


def test_the_stamp_lies_where_the_page_says() -> None:
    text = (Path(__file__).parents[2] / "docs/pages.md").read_text()
    _, table = text.split("| byte | size | what |\n")
    rows = [row.split("|") for row in table.partition("\n\n")[0].splitlines()[1:]]

    sizes = [struct.calcsize(f"<{code}") for code in STAMP.format.removeprefix("<")]

    assert [int(row[1]) for row in rows] == [sum(sizes[:n]) for n in range(13)]
    assert [int(row[2]) for row in rows[:-1]] == sizes
