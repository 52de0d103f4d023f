"""What may stand beside which format and codec, and what this machine lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from imagemp.config import check, parse

from .texts import SOURCE, refusal_in_pipeline

ENCODER = f"{SOURCE}[pipelines.cam0.encoder]\n"


def findings(text: str) -> dict[str, tuple[str, str]]:
    """Give level and message by key, of what is about the encoder."""
    found = check(parse(text))
    return {f.key: (f.level, f.message) for f in found if ".encoder." in f.key}


@pytest.mark.parametrize(
    ("lines", "key", "problem"),
    [
        ("codec = 'ffv1'", "codec", "needs format mkv or mp4, is 'ffv1' beside tiff"),
        ("crf = 0", "crf", "needs format mkv or mp4, is 0 beside tiff"),
        ("preset = 'fast'", "preset", "needs format mkv or mp4, is 'fast' beside tiff"),
        ("quality = 9", "quality", "needs format mkv or mp4, is 9 beside tiff"),
        (
            "format = 'mp4'\ncompression = 'zlib'",
            "compression",
            "needs format tiff, is 'zlib' beside mp4",
        ),
        (
            "format = 'mp4'\ncodec = 'ffv1'",
            "format",
            "few players open ffv1 in mp4: use mkv; is 'mp4' beside codec ffv1",
        ),
        (
            "format = 'mkv'\ncodec = 'ffv1'\ncrf = 20",
            "crf",
            "needs codec libx264, is 20 beside ffv1",
        ),
        (
            "format = 'mkv'\nquality = 20",
            "quality",
            "needs codec mjpeg, is 20 beside libx264",
        ),
        (
            "format = 'mp4'\nbitrate = 500000",
            "bitrate",
            "needs codec h264_v4l2m2m, is 500000 beside libx264",
        ),
        (
            "format = 'mp4'\ncodec = 'mjpeg'\npreset = 'slow'",
            "preset",
            "needs codec libx264, is 'slow' beside mjpeg",
        ),
        ("format = 'mp4'\ncrf = 52", "crf", "must be at most 51, is 52"),
        ("format = 'mp4'\nquality = 0", "quality", "must be at least 1, is 0"),
        ("format = 'avi'", "format", "must be tiff, mkv or mp4, is 'avi'"),
        (
            "format = 'mkv'\ncodec = 'h265'",
            "codec",
            "must be libx264, ffv1, mjpeg or h264_v4l2m2m, is 'h265'",
        ),
    ],
)
def test_a_key_that_has_no_meaning_beside_the_others_is_refused(
    lines: str, key: str, problem: str
) -> None:
    text = "\n".join(f"encoder.{line}" for line in lines.splitlines())
    assert refusal_in_pipeline(text) == f"pipelines.cam0.encoder.{key}: {problem}"


@pytest.mark.parametrize(
    "lines",
    [
        "format = 'mkv'",
        "format = 'mp4'\npreset = 'ultrafast'\ncrf = 0",
        "format = 'mkv'\ncodec = 'ffv1'",
        "format = 'mp4'\ncodec = 'mjpeg'\nquality = 100",
    ],
)
def test_what_fits_together_is_taken_and_no_error_here(lines: str) -> None:
    pytest.importorskip("av", reason="PyAV cannot be installed here")
    assert [f for f in findings(ENCODER + lines).values() if f[0] == "error"] == []


@pytest.mark.parametrize(
    ("source", "encoder", "said"),
    [
        ("width = 641", "format = 'mp4'", "an even width and height, is 641x480"),
        ("scale = 0.7\nwidth = 330", "format = 'mp4'", "is 231x336"),
        ("channels = 4", "format = 'mp4'", "is u1 (480, 640, 4)"),
        ("dtype = 'u2'", "format = 'mp4'", "is u2 (480, 640)"),
        ("dtype = 'f4'", "format = 'mkv'\ncodec = 'ffv1'", "is f4 (480, 640)"),
        ("depth = true", "format = 'mkv'\ncodec = 'ffv1'", "u2 (480, 640)"),
    ],
)
def test_frames_that_a_codec_does_not_take_are_found_before_the_session(
    source: str, encoder: str, said: str
) -> None:
    text = f"{SOURCE}\n{source}\n[pipelines.cam0.encoder]\n{encoder}"

    level, message = findings(text)["pipelines.cam0.encoder.format"]

    assert level == "error"
    assert said in message


def test_what_a_callback_returns_is_not_judged_by_its_source() -> None:
    text = f"""
        {SOURCE}
        width = 641
        [pipelines.cam0.encoder]
        format = "mp4"
        input = "callback:crop"
        [[pipelines.cam0.callbacks]]
        name = "crop"
        target = "lab:Crop"
    """
    assert "pipelines.cam0.encoder.format" not in findings(text)


def test_the_encoder_of_a_pi_is_missed_where_there_is_none() -> None:
    if Path("/dev/video11").exists():
        pytest.skip("this machine has it")

    found = findings(f"{ENCODER}format = 'mp4'\ncodec = 'h264_v4l2m2m'")

    level, message = found["pipelines.cam0.encoder.codec"]
    assert (level, "/dev/video11" in message) == ("error", True)


def test_without_pyav_a_video_cannot_be_made_and_the_check_says_so() -> None:
    program = f"""
import sys
sys.modules["av"] = None
from imagemp.config import check, parse
for found in check(parse({ENCODER + "format = 'mkv'"!r})):
    print(found.level, found.key, found.message)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603

    line = next(one for one in done.stdout.splitlines() if "encoder.format" in one)
    assert line.startswith("error pipelines.cam0.encoder.format mkv needs PyAV")
    assert "pip install imagempd[video]" in line
