"""A lossless TIFF and a small video side by side, from one pipeline."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from imagemp.frames import AnyArray
from imagemp.recording.folder import segment_paths
from imagemp.recording.reading import frames, read_pixels
from imagemp.recording.video.decoding import read_video
from imagemp.recording.video.files import walk_video
from tests.running import Daemon, running

from .test_faults import METRICS, captured, kill_and_wait, stop
from .test_recording import Left, begin, listening, record, wait_for, what_is_left

pytest.importorskip("av", reason="PyAV cannot be installed here")

CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 100 }
ring = { slots = 64, overflow_size = "64 MiB" }
[[pipelines.cam0.encoder]]
[[pipelines.cam0.encoder]]
name = "small"
format = "mp4"
preset = "ultrafast"
crf = 18
segment_pages = 60

[pipelines.alone]
source = { kind = "synthetic", width = 64, height = 48, fps = 100 }
[pipelines.alone.encoder]
format = "mkv"
codec = "ffv1"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("d") / "d", CONFIG) as started:
        yield started


def opencv_count(path: Path) -> int:
    """Count the frames that OpenCV can read."""
    import cv2

    film, count = cv2.VideoCapture(str(path)), 0
    while film.grab():
        count += 1
    return count


def pages_of(left: Left) -> list[AnyArray]:
    return [read_pixels(path, frame[0]) for path, frame in frames(left.path)]


def check_both(daemon: Daemon) -> list[Path]:
    """Each has every frame, at its time; give the video's files."""
    main, small = what_is_left(daemon), what_is_left(daemon, encoder="small")
    counts, paths = main.counts, segment_paths(main.path, "small")
    assert counts.broken() == []
    for encoder in counts.encoders.values():
        assert (encoder.recorded, encoder.in_flight) == (counts.published, 0)
    assert [int(row["seq"]) for row in small.rows] == main.seqs
    found = {path.name: list(read_video(path)) for path in paths}
    pictures = [pixels for _, pixels in chain(*found.values())]
    for pixels, page in zip(pictures, pages_of(main), strict=True):
        assert np.abs(pixels[..., 1].astype(int) - page).mean() < 8
    for path in paths:
        rows = [row for row in small.rows if row["file"] == path.name]
        times = np.array([int(row["t_sensor_ns"]) for row in rows])
        shown = np.array([t for t, _ in found[path.name]])
        assert np.abs(shown * 1000 - (times - times[0])).max() <= 500  # to 1 us
        assert [int(row["page"]) for row in rows] == list(range(len(shown)))
        assert [one.seq for one in walk_video(path)] == [int(r["seq"]) for r in rows]
        assert opencv_count(path) == len(rows)
    files = [file for file in main.manifest.files if file.encoder == "small"]
    assert [(f.name, f.pages, f.bytes) for f in files] == [
        (path.name, len(found[path.name]), path.stat().st_size) for path in paths
    ]
    return paths


def test_tiff_and_video_have_the_same_frames_at_the_same_times(daemon: Daemon) -> None:
    record(daemon, frames=130)

    paths = check_both(daemon)

    assert [path.name for path in paths] == [f"small-000{n}.mp4" for n in range(3)]


def test_a_video_encoder_that_is_killed_loses_and_repeats_nothing(
    daemon: Daemon,
) -> None:
    with listening(daemon, METRICS) as telemetry:
        begin(daemon)
        wait_for(telemetry, METRICS, captured(20))
        seen = kill_and_wait(daemon, telemetry, "small")
        wait_for(telemetry, METRICS, captured(seen + 20))
        stop(daemon)

    assert len(check_both(daemon)) > 1


def test_a_video_alone_can_be_all_that_is_recorded(daemon: Daemon) -> None:
    record(daemon, pipeline="alone", frames=30)

    left = what_is_left(daemon, "alone")
    (path,) = segment_paths(left.path, "main")
    assert left.counts.broken() == []
    assert left.counts.encoders["main"].recorded == 30
    assert [int(row["seq"]) for row in left.rows] == list(range(30))
    assert len(list(read_video(path))) == 30


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("source.width=63", "width and height, is 63x48"),
        ("source.dtype=u2", "is <u2"),
    ],
)
def test_frames_that_a_video_does_not_take_end_the_session_with_the_reason(
    daemon: Daemon, override: str, said: str
) -> None:
    result = record(daemon, override, frames=10**6)

    assert (result["state"], result["error"]["code"]) == ("incomplete", "E_CONFIG")
    assert "encoder.format: mp4 with libx264" in result["error"]["message"]
    assert said in result["error"]["message"]
    counts = what_is_left(daemon).counts
    assert counts.broken() == []
    assert counts.encoders["small"].recorded == 0
    assert counts.encoders["main"].recorded == counts.published
    assert set(counts.encoders["small"].skipped) <= {"undrained"}
    record(daemon, frames=5)  # and the next one is as if nothing had been
    check_both(daemon)
