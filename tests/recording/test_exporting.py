"""What is exported is what was recorded, and other people's programs open it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import DiskError, FrameShapeError, RecordingError
from imagemp.frames import AnyArray
from imagemp.recording.export.films import export_film
from imagemp.recording.export.formats import (
    check_target,
    export_npy,
    export_png,
    export_tiff,
)
from imagemp.recording.export.selecting import Selection, select
from imagemp.recording.plan import Compression, SegmentLimits
from imagemp.recording.tiff.chain import walk_pages
from imagemp.spec import FrameSpec, Plane

from .sessions import MARKED, MS, leave, marked

TEN = [index * 3 // 2 for index in range(10)]
RGBD = FrameSpec((Plane("rgb", (16, 18, 3), "u1"), Plane("depth", (16, 18), "<f4")))
EVERYTHING = [
    FrameSpec.image((16, 16), "u1"),
    FrameSpec.image((15, 17, 3), "u1"),
    FrameSpec.image((16, 16, 4), "u1"),
    FrameSpec.image((16, 16), "<u2"),
    FrameSpec.image((16, 16, 3), "<u2"),
    FrameSpec.image((64, 16), "?"),
]
ODD = [
    FrameSpec.image((16, 16), "<f4"),
    FrameSpec.image((16, 16, 1), ">u2"),
    FrameSpec.image((2, 3, 16, 16), "<i8"),
    FrameSpec.image((16,), "<c8"),
    FrameSpec((Plane("points", (16, 4), [["x", "<f4"], ["y", "<i2"]]),)),
]


def label(spec: FrameSpec) -> str:
    plane = spec.planes[0]
    return f"{plane.dtype}-{'x'.join(map(str, plane.shape))}"


every_kind = pytest.mark.parametrize("spec", EVERYTHING, ids=label)


def unheard(_n: int) -> None:
    """Hear of a frame."""


def chosen(
    folder: Path, spec: FrameSpec = MARKED, part: slice = slice(None)
) -> Selection:
    """Record ten frames and choose all of them, or some."""
    return select(leave(folder, range(10), spec), part)


def expected(spec: FrameSpec) -> list[AnyArray]:
    """Give the pixels of ten frames, bool as black and white."""
    found = [marked(spec, index).image for index in range(10)]
    return [p.astype("u1") * 255 if p.dtype == np.bool_ else p for p in found]


def in_opencvs_order(pixels: AnyArray) -> AnyArray:
    """Swap red and blue."""
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels


@pytest.mark.parametrize("spec", [*EVERYTHING, *ODD], ids=label)
def test_npy_has_what_the_source_gave(tmp_path: Path, spec: FrameSpec) -> None:
    export_npy(chosen(tmp_path, spec), tmp_path / "all.npy", unheard)

    found = np.load(tmp_path / "all.npy", mmap_mode="r")
    given = np.stack([marked(spec, index).image for index in range(10)])
    assert found.dtype == given.dtype.newbyteorder("<")
    assert found.shape == given.shape
    assert found.tobytes() == given.astype(found.dtype).tobytes()


@every_kind
def test_png_files_are_called_after_their_seq(tmp_path: Path, spec: FrameSpec) -> None:
    heard: list[int] = []

    export_png(chosen(tmp_path, spec), tmp_path / "png", heard.append)

    files = sorted((tmp_path / "png").iterdir())
    assert [int(path.stem) for path in files] == TEN
    assert len(heard) == 10
    for path, pixels in zip(files, expected(spec), strict=True):
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert found is not None
        assert np.array_equal(in_opencvs_order(found), pixels)


@pytest.mark.parametrize("spec", [*EVERYTHING, ODD[0]], ids=label)
def test_a_plain_tiff_is_read_by_others(tmp_path: Path, spec: FrameSpec) -> None:
    path = tmp_path / "plain.tif"

    export_tiff(chosen(tmp_path, spec), path, unheard)

    assert path.read_bytes()[:4] == b"II*\0"
    assert np.array_equal(tifffile.imread(path), np.stack(expected(spec)))
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 10


def test_imagej_gets_a_stack_with_times_and_labels(tmp_path: Path) -> None:
    export_tiff(chosen(tmp_path), tmp_path / "plain.tif", unheard)

    with tifffile.TiffFile(tmp_path / "plain.tif") as file:
        told = file.imagej_metadata
    assert told is not None
    assert told["frames"] == 10
    assert told["finterval"] == pytest.approx(0.01)
    assert told["Labels"] == [f"seq {seq}" for seq in TEN]


def test_what_is_compressed_is_exported_as_it_was(tmp_path: Path) -> None:
    spec = FrameSpec.image((16, 16), "<u2")
    folder = leave(tmp_path, range(10), spec, compression=Compression("zstd"))

    export_npy(select(folder), tmp_path / "all.npy", unheard)

    assert np.array_equal(np.load(tmp_path / "all.npy"), np.stack(expected(spec)))


@pytest.mark.parametrize(
    ("part", "numbers"),
    [
        (slice(None), range(10)),
        (slice(3, 7), range(3, 7)),
        (slice(-2, None), range(8, 10)),
        (slice(7, 99), range(7, 10)),
    ],
)
def test_a_range_counts_recorded_frames_over_all_files(
    tmp_path: Path, part: slice, numbers: range
) -> None:
    folder = leave(tmp_path, range(10), limits=SegmentLimits(segment_pages=4))

    some = select(folder, part)

    assert [page.seq for page, _ in some.pictures()] == [TEN[n] for n in numbers]
    assert (some.count, some.t_first_ns) == (len(numbers), (5 + numbers[0] * 10) * MS)


def test_a_plane_is_chosen_by_name(tmp_path: Path) -> None:
    folder = leave(tmp_path, range(10), RGBD)

    depth = select(folder, plane="depth")

    assert {array.dtype.str for array in depth.arrays()} == {"<f4"}
    assert select(folder).name == "rgb"
    with pytest.raises(RecordingError, match="no plane 'infra'; there is rgb, depth"):
        select(folder, plane="infra")


@pytest.mark.parametrize("part", [slice(10, None), slice(4, 4), slice(7, 3)])
def test_no_frames_are_refused(tmp_path: Path, part: slice) -> None:
    with pytest.raises(RecordingError, match=r"no frames in .* of 10"):
        chosen(tmp_path, part=part)


def test_a_damaged_frame_is_never_exported(tmp_path: Path) -> None:
    some = chosen(tmp_path)
    path = some.folder / "frames-0000.tif"
    data = bytearray(path.read_bytes())
    data[list(walk_pages(path))[4].data_at] ^= 1
    path.write_bytes(data)

    with pytest.raises(RecordingError, match=f"seq {TEN[4]}: its pixels are damaged"):
        export_npy(some, tmp_path / "all.npy", unheard)

    assert [path.name for path in tmp_path.iterdir()] == ["cam0"]


@pytest.mark.parametrize("spec", [ODD[0], ODD[2]], ids=label)
def test_pixels_that_png_cannot_hold_are_refused(
    tmp_path: Path, spec: FrameSpec
) -> None:
    with pytest.raises(FrameShapeError, match=r"png: pixels of .* have no place"):
        export_png(chosen(tmp_path, spec), tmp_path / "png", unheard)


def test_nothing_is_overwritten_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "empty").mkdir()

    for name, is_folder in (("file", False), ("full", True)):
        with pytest.raises(RecordingError, match="is there already"):
            check_target(tmp_path / name, is_folder=is_folder, force=False)
        check_target(tmp_path / name, is_folder=is_folder, force=True)
    check_target(tmp_path / "empty", is_folder=True, force=False)
    with pytest.raises(RecordingError, match="is a folder"):
        check_target(tmp_path / "full", is_folder=False, force=True)
    with pytest.raises(RecordingError, match="is no folder"):
        check_target(tmp_path / "file", is_folder=True, force=True)
    with pytest.raises(DiskError, match="no such folder"):
        check_target(tmp_path / "none/file", is_folder=False, force=False)


@every_kind
def test_ffv1_changes_no_pixel(tmp_path: Path, spec: FrameSpec) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "film.mkv"

    export_film(chosen(tmp_path, spec), path, unheard, "mkv")

    wanted = expected(spec)
    form = {("|u1", 2): "gray", ("|u1", 3): "rgb24", ("<u2", 2): "gray16le"}.get(
        (wanted[0].dtype.str, wanted[0].ndim), "rgb48le"
    )
    form = "rgba" if wanted[0].shape[2:] == (4,) else form
    with av.open(str(path)) as film:
        found = [frame.to_ndarray(format=form) for frame in film.decode(video=0)]
    assert np.array_equal(np.stack(found), np.stack(wanted))


@pytest.mark.parametrize(("container", "codec"), [("mkv", ""), ("mp4", "libx264")])
def test_a_film_is_shown_at_the_times_of_the_sensor(
    tmp_path: Path, container: str, codec: str
) -> None:
    av = pytest.importorskip("av")
    folder = leave(tmp_path, [0, 1, 2, 5, 6, 9])  # times are 10 ms each index
    path = tmp_path / f"film.{container}"

    export_film(select(folder), path, unheard, container, codec)

    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    assert [round(1000 * frame.time) for frame in frames] == [0, 10, 20, 50, 60, 90]


def test_an_mp4_shows_what_was_recorded(tmp_path: Path) -> None:
    pytest.importorskip("av")
    spec = FrameSpec.image((64, 64), "u1")

    export_film(chosen(tmp_path, spec), tmp_path / "film.mp4", unheard, "mp4")

    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    found = [film.read()[1] for _ in range(10)]
    middles = [int(picture[32, 32, 0]) for picture in found]
    assert middles == pytest.approx([seq % 97 for seq in TEN], abs=3)


def test_a_codec_says_what_it_cannot_hold(tmp_path: Path) -> None:
    pytest.importorskip("av")
    wide = chosen(tmp_path, FrameSpec.image((16, 16), "<u2"))
    some = chosen(tmp_path / "cam0")

    with pytest.raises(FrameShapeError, match="uint16 have no place in it"):
        export_film(wide, tmp_path / "film.mp4", unheard, "mp4")
    with pytest.raises(RecordingError, match="nonsense"):
        export_film(some, tmp_path / "film.mkv", unheard, "mkv", "nonsense")

    assert [path.name for path in tmp_path.iterdir()] == ["cam0"]


def test_marks_survive_an_export(tmp_path: Path) -> None:
    export_npy(chosen(tmp_path), tmp_path / "all.npy", unheard)

    assert [read_seq(array) for array in np.load(tmp_path / "all.npy")] == TEN
