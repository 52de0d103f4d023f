"""Frames that a video does not take are refused, and nothing is overwritten."""

from pathlib import Path

import pytest

from imagemp.errors import ConfigError, DiskError, FrameShapeError
from imagemp.frames import Frame, FrameInfo
from imagemp.recording.video.decoding import read_video
from imagemp.recording.video.writer import VideoWriter
from imagemp.recording.writer import Recording
from imagemp.spec import FrameSpec, Plane
from tests.recording.filmer import GREY, RGB, film, picture, plan_of, read_number

pytest.importorskip("av", reason="PyAV cannot be installed here")

DEEP = FrameSpec((Plane("image", GREY, "u1"), Plane("depth", GREY, "u2")))


@pytest.mark.parametrize(
    ("codec", "spec", "said"),
    [
        ("libx264", FrameSpec.image(GREY, "f4"), r"is <f4 \(32, 128\)"),
        ("libx264", FrameSpec.image(GREY, "u2"), r"is <u2 \(32, 128\)"),
        ("mjpeg", FrameSpec.image((32, 128, 4), "u1"), r"is \|u1 \(32, 128, 4\)"),
        ("ffv1", FrameSpec.image((128,), "u1"), r"is \|u1 \(128,\)"),
        ("ffv1", DEEP, r"is \|u1 \(32, 128\), <u2 \(32, 128\)"),
        ("libx264", FrameSpec.image((31, 128)), "even width and height, is 128x31"),
        ("h264_v4l2m2m", FrameSpec.image((32, 127)), "even .*, is 127x32"),
    ],
)
def test_frames_that_a_codec_does_not_take_are_refused_with_what_they_are(
    tmp_path: Path, codec: str, spec: FrameSpec, said: str
) -> None:
    plan = plan_of("mkv", codec)
    plan = type(plan)(spec, video=plan.video)

    with pytest.raises(ConfigError, match=said) as raised:
        Recording.create(tmp_path, plan)

    assert raised.value.key == "encoder.format"
    assert codec in str(raised.value)
    assert "tiff" in raised.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_codec_that_is_not_here_is_refused(tmp_path: Path) -> None:
    if Path("/dev/video11").exists():
        pytest.skip("this machine has the encoder")

    with pytest.raises(ConfigError, match="h264_v4l2m2m cannot be used here"):
        Recording.create(tmp_path, plan_of("mp4", "h264_v4l2m2m"))

    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_shape_is_refused_and_the_file_goes_on(
    tmp_path: Path,
) -> None:
    plan = plan_of("mp4", "libx264")
    with Recording.create(tmp_path, plan) as recording:
        recording.append(film(0, plan.spec))
        with pytest.raises(FrameShapeError, match="expected"):
            recording.append(film(1, FrameSpec.image(RGB)))
        with pytest.raises(FrameShapeError, match="no such plane"):
            recording.append(Frame({"other": picture(1)}, FrameInfo(index=1)))
        recording.append(film(1, plan.spec))

    found = [read_number(p) for _, p in read_video(tmp_path / "frames-0000.mp4")]
    assert found == [0, 1]


def test_no_file_is_overwritten_and_none_without_a_frame_is_left(
    tmp_path: Path,
) -> None:
    plan = plan_of("mp4", "libx264")
    (tmp_path / "frames-0000.mp4").write_text("mine")
    with pytest.raises(DiskError, match="exists"):
        VideoWriter.create(tmp_path / "frames-0000.mp4", plan)

    empty = tmp_path / "empty"
    empty.mkdir()
    Recording.create(empty, plan).close()

    assert (tmp_path / "frames-0000.mp4").read_text() == "mine"
    assert [path.name for path in empty.iterdir()] == ["frames.csv"]
