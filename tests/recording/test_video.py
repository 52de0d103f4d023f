"""Videos: what other programs read is what was recorded, at the sensor's times."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagemp.frames import AnyArray, Frame, FrameInfo
from imagemp.recording.video.decoding import read_video
from imagemp.recording.video.files import walk_video
from imagemp.recording.writer import Recording
from imagemp.spec import Field, FrameSpec
from tests.recording.filmer import (
    GREY,
    PERIOD_NS,
    RGB,
    film,
    picture,
    plan_of,
    read_number,
    record,
)
from tests.recording.proofs import count_packets

av = pytest.importorskip("av", reason="PyAV cannot be installed here")

LOSSY = [("mp4", "libx264"), ("mkv", "libx264"), ("mp4", "mjpeg"), ("mkv", "mjpeg")]
ALL = [*LOSSY, ("mkv", "ffv1")]
GAP_NS = 7 * 10**9


def opencv_reads(path: Path) -> list[tuple[float, AnyArray]]:
    """Give milliseconds and BGR pixels of each frame."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    found: list[tuple[float, AnyArray]] = []
    while True:
        ok, pixels = capture.read()
        if not ok:
            return found
        found.append((capture.get(cv2.CAP_PROP_POS_MSEC), pixels))


@pytest.mark.parametrize(("kind", "codec"), ALL)
@pytest.mark.parametrize("shape", [GREY, RGB])
def test_opencv_and_pyav_find_every_frame_at_its_time_in_its_colours(
    tmp_path: Path, kind: str, codec: str, shape: tuple[int, ...]
) -> None:
    path = record(tmp_path, plan_of(kind, codec, shape), 12, GAP_NS)

    wanted = [picture(index, shape).astype(int) for index in range(12)]
    times = [(40_000 * i + (7_000_000 if i >= 5 else 0)) for i in range(12)]
    by_pyav, by_opencv = list(read_video(path)), opencv_reads(path)
    assert [t for t, _ in by_pyav] == times
    assert [round(t * 1000) for t, _ in by_opencv] == times
    assert count_packets(path) == 12
    for one, (_, rgb), (_, bgr) in zip(wanted, by_pyav, by_opencv, strict=True):
        likened = one if one.ndim == rgb.ndim else one[..., None]
        assert np.abs(rgb.astype(int) - likened).mean() < 3
        likened = one[..., None] if one.ndim == 2 else one
        assert np.abs(bgr[..., ::-1].astype(int) - likened).mean() < 3


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [(GREY, "u1"), (RGB, "u1"), ((31, 63), "u1"), ((31, 63, 3), "u1"), (GREY, "u2")],
)
def test_ffv1_gives_back_every_bit(
    tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256 if dtype == "u1" else 65536, shape)
    plan = plan_of("mkv", "ffv1", shape, dtype)
    with Recording.create(tmp_path, plan) as recording:
        for index in range(4):
            pixels = np.roll(noise, index).astype(dtype)
            recording.append(Frame({"image": pixels}, FrameInfo(index=index)))

    found = [pixels for _, pixels in read_video(tmp_path / "frames-0000.mkv")]

    assert len(found) == 4
    for index, pixels in enumerate(found):
        assert pixels.dtype == dtype
        assert np.array_equal(pixels, np.roll(noise, index))


def test_pixels_of_another_byte_order_or_with_gaps_are_recorded_as_they_are(
    tmp_path: Path,
) -> None:
    wide = np.arange(64 * 64, dtype=">u2").reshape(64, 64)[:, ::2]
    plan = plan_of("mkv", "ffv1", (64, 32), ">u2")
    with Recording.create(tmp_path, plan) as recording:
        recording.append(Frame({"image": wide}, FrameInfo()))

    ((_, found),) = read_video(tmp_path / "frames-0000.mkv")

    assert np.array_equal(found, wide)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_grey_levels_come_back_from_x264_as_they_went_in(
    tmp_path: Path, kind: str
) -> None:
    ramp = np.tile(np.arange(256, dtype="u1"), (32, 1))
    with Recording.create(
        tmp_path, plan_of(kind, "libx264", ramp.shape, crf=1)
    ) as recording:
        recording.append(Frame({"image": ramp}, FrameInfo()))

    path = tmp_path / f"frames-0000.{kind}"
    with av.open(str(path)) as file:
        (frame,) = file.decode(video=0)
    luma = np.asarray(frame.planes[0]).reshape(32, -1)[:, :256]
    ((_, bgr),) = opencv_reads(path)
    assert (frame.color_range, frame.colorspace) == (2, 5)  # full, BT.601
    assert np.abs(luma.astype(int) - ramp).max() <= 1
    assert np.abs(bgr.astype(int) - ramp[..., None]).max() <= 2


def sizes(tmp_path: Path, codec: str, **settings: Any) -> int:  # noqa: ANN401
    """Give the size of ten noisy frames."""
    folder = tmp_path / f"{codec}{settings}"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with Recording.create(folder, plan_of("mkv", codec, **settings)) as recording:
        for index in range(10):
            noise = picture(index) + rng.integers(0, 30, GREY).astype("u1")
            recording.append(Frame({"image": noise}, FrameInfo(index=index)))
    return recording.bytes_written


def test_crf_preset_and_quality_change_the_file(tmp_path: Path) -> None:
    fine, coarse = (sizes(tmp_path, "libx264", crf=n) for n in (10, 40))
    assert fine > 2 * coarse
    fast, slow = (
        sizes(tmp_path, "libx264", preset=name) for name in ("ultrafast", "slower")
    )
    assert fast != slow
    poor, middling, good = (sizes(tmp_path, "mjpeg", quality=n) for n in (10, 60, 95))
    assert poor < middling < good


def test_the_frame_log_says_which_frame_of_which_file_and_times_agree(
    tmp_path: Path,
) -> None:
    plan = plan_of("mp4", "libx264", limits={"segment_pages": 5})
    record(tmp_path, plan, 12, GAP_NS)

    with (tmp_path / "frames.csv").open() as lines:
        rows = list(csv.DictReader(lines))

    assert [int(row["index"]) for row in rows] == list(range(12))
    for number, count in enumerate((5, 5, 2)):
        path = tmp_path / f"frames-{number:04}.mp4"
        mine = [row for row in rows if row["file"] == path.name]
        found = list(read_video(path))
        assert [int(row["page"]) for row in mine] == list(range(count))
        began = int(mine[0]["t_sensor_ns"])
        since = [(int(row["t_sensor_ns"]) - began) // 1000 for row in mine]
        assert [t for t, _ in found] == since
        assert [read_number(p) for _, p in found] == [int(r["index"]) for r in mine]


@pytest.mark.parametrize(("kind", "codec"), ALL)
def test_a_segment_ends_before_it_is_too_large_and_each_can_be_read_alone(
    tmp_path: Path, kind: str, codec: str
) -> None:
    plan = plan_of(kind, codec, limits={"segment_size": 7_000})
    with Recording.create(tmp_path, plan) as recording:
        for index in range(60):
            recording.append(film(index, plan.spec))

    files, numbers = recording.files(), []
    assert len(files) > 1
    for file in files:
        path = tmp_path / file.name
        assert next(walk_video(path)).is_key
        assert max(record.end for record in walk_video(path)) <= 7_000
        assert file.bytes == path.stat().st_size
        numbers += [read_number(pixels) for _, pixels in read_video(path)]
    assert sum(file.pages for file in files) == 60
    assert recording.bytes_written == sum(file.bytes for file in files)
    assert numbers == list(range(60))


def test_a_segment_ends_when_it_is_old_enough(tmp_path: Path) -> None:
    limits = {"segment_s": 4 * PERIOD_NS / 1e9}
    record(tmp_path, plan_of("mkv", "ffv1", limits=limits), 10)

    paths = sorted(tmp_path.glob("*.mkv"))

    assert [count_packets(path) for path in paths] == [4, 4, 2]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_players_are_told_how_long_it_is_and_can_seek(
    tmp_path: Path, kind: str
) -> None:
    path = record(tmp_path, plan_of(kind, "libx264"), 200)

    with av.open(str(path)) as file:
        assert file.duration == 200 * 40_000
        file.seek(6_000_000)  # to the key frame before
        first = next(file.decode(video=0))

    assert 4.0 < first.time <= 6.0
    assert first.key_frame
    assert read_number(first.to_ndarray(format="rgb24")) == round(first.time * 25)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_the_description_is_the_comment_of_the_file(tmp_path: Path, kind: str) -> None:
    path = record(tmp_path, plan_of(kind, "mjpeg"), 1)

    with av.open(str(path)) as file:
        told = {key.lower(): text for key, text in file.metadata.items()}

    about = json.loads(told["comment"])
    assert (about["pipeline"], about["fps"]) == ("cam0", 25.0)
    assert FrameSpec.from_plain(about["spec"]) == FrameSpec.image(GREY)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_the_stamps_tell_all_that_the_frame_log_tells(
    tmp_path: Path, kind: str
) -> None:
    plan = plan_of(kind, "mjpeg", fields=(Field("lamp", "f8"),))
    path = record(tmp_path, plan, 7)

    records = list(walk_video(path))

    for index, found in enumerate(records):
        info = film(index, plan.spec).info
        assert (found.page, found.seq, found.index) == (index, 2 * index, index)
        assert found.t_sensor_ns == info.t_sensor_ns
        assert found.t_arrival_ns == info.t_arrival_ns
        assert found.t_unix_ns == info.t_unix_ns
        assert (found.missed_before, found.ring_used) == (index % 3, 3)
        assert np.frombuffer(found.fields, "f8") == index / 4


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_times_that_do_not_ascend_are_made_to(tmp_path: Path, kind: str) -> None:
    plan = plan_of(kind, "mjpeg")
    with Recording.create(tmp_path, plan) as recording:
        for index, t_us in enumerate((100, 100, 90, 5000)):
            info = FrameInfo(index=index, t_sensor_ns=t_us * 1000)
            recording.append(Frame({"image": picture(index)}, info))

    found = [t for t, _ in read_video(tmp_path / f"frames-0000.{kind}")]

    assert found == [0, 1, 2, 4900]


def test_a_frame_that_is_long_in_coming_is_shown_until_the_next(
    tmp_path: Path,
) -> None:
    path = record(tmp_path, plan_of("mp4", "mjpeg"), 7, GAP_NS)

    with av.open(str(path)) as file:
        lengths = [packet.duration for packet in file.demux(video=0) if packet.size]

    assert lengths == [40_000] * 4 + [7_040_000] + [40_000] * 2
