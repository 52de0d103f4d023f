"""Tests of the video reader, on clips that a camera made."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from imagemp.daemon.sources.file import FileSource
from imagemp.daemon.sources.readers import open_reader
from imagemp.daemon.sources.video import VideoReader
from imagemp.errors import SourceError
from imagemp.frames import AnyArray
from tests.clips import clip
from tests.daemon.sources.stage import frames, images, write_video


def decoded_by_opencv(path: Path) -> Iterator[AnyArray]:
    """Give the frames as OpenCV has them, turned to RGB."""
    capture = cv2.VideoCapture(str(path))
    while True:
        is_there, image = capture.read()
        if not is_there:
            return
        yield image[..., ::-1]


@pytest.mark.parametrize(("name", "n"), [("bikes.mp4", 250), ("bigbuckbunny.mp4", 132)])
def test_every_frame_equals_opencvs_own_decoding(name: str, n: int) -> None:
    source = FileSource({"path": str(clip(name)), "fps": 0})

    pairs = zip(frames(source), decoded_by_opencv(clip(name)), strict=True)

    assert sum(np.array_equal(frame.image, image) for frame, image in pairs) == n


def test_frames_that_are_not_retrieved_are_skipped_one_for_one() -> None:
    expected = list(decoded_by_opencv(clip("carphone_pristine.mp4")))
    reader = open_reader(clip("carphone_pristine.mp4"))
    out = np.empty(reader.shape, reader.dtype)

    for _ in range(31):
        reader.advance()
    reader.read(out)

    assert np.array_equal(out, expected[30])


def test_a_video_loops_from_its_very_first_frame() -> None:
    path = clip("carphone_pristine.mp4")
    source = FileSource({"path": str(path), "fps": 0, "loop": True})

    taken = images(source, 123)

    assert np.array_equal(taken[120:], taken[:3])


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_grey_video_stays_grey_with_all_its_bits(tmp_path: Path, dtype: str) -> None:
    top = np.iinfo(dtype).max
    stack = np.random.default_rng(3).integers(0, top, (5, 48, 64), dtype)
    write_video(tmp_path / "a.mkv", stack)

    taken = images(FileSource({"path": str(tmp_path / "a.mkv"), "fps": 0}))

    assert np.array_equal(taken, stack)


def test_colour_video_comes_as_rgb(tmp_path: Path) -> None:
    stack = np.random.default_rng(3).integers(0, 256, (5, 48, 64, 3), np.uint8)
    write_video(tmp_path / "a.mkv", stack)

    taken = images(FileSource({"path": str(tmp_path / "a.mkv"), "fps": 0}))

    assert np.array_equal(taken, stack)


def test_a_text_is_not_a_video(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_text("once upon a time")

    with pytest.raises(SourceError, match=r"a\.mp4: not a video"):
        open_reader(tmp_path / "a.mp4")

    assert capfd.readouterr().err == ""


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", np.zeros((0, 48, 64, 3), np.uint8))

    with pytest.raises(SourceError, match=r"a\.avi: not"):
        open_reader(tmp_path / "a.avi")


def test_a_video_that_breaks_off_says_at_which_frame(tmp_path: Path) -> None:
    whole = clip("carphone_pristine.mp4").read_bytes()
    start = whole.index(b"mdat")
    end = start + int.from_bytes(whole[start - 4 : start], "big")
    middle = (start + end) // 2
    (tmp_path / "a.mp4").write_bytes(whole[:middle] + bytes(end - middle) + whole[end:])

    with pytest.raises(SourceError, match=r"header promises 120; frame \d+ cannot be"):
        images(FileSource({"path": str(tmp_path / "a.mp4"), "fps": 0}))


def test_an_end_that_is_a_frame_early_is_only_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(shutil.copy(clip("carphone_pristine.mp4"), tmp_path))
    reader = VideoReader(path)
    reader.n += 1

    with caplog.at_level(logging.WARNING):
        count = sum(iter(reader.advance, False))

    assert count == 120
    assert "ends after frame 119, its header promises 121" in caplog.text
