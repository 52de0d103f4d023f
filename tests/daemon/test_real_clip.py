"""The main job: a real clip through daemon, ring, callback and encoder, to TIFF.

What is recorded is compared, pixel by pixel, with what OpenCV decodes by itself.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import tifffile
from PIL import Image, ImageSequence

from imagemp.frames import AnyArray
from imagemp.recording.folder import segment_paths
from imagemp.recording.manifest import read_manifest
from imagemp.recording.reading import frames, read_pixels
from tests.clips import clip
from tests.running import Daemon, running

from .test_recording import accounts, listening, newest, record, wait_for

CLIPS = ["bikes.mp4", "carphone_pristine.mp4", "carphone_distorted.mp4"]
LARGE = "bigbuckbunny.mp4"
ALL_AT_ONCE = ("source.fps=0", "ring.when_full=wait")
AT_200_FPS = ("source.fps=200",)
ROOM_FOR_ALL = ("ring.slots=160",)  # 550 MB/s are more than some disks take

CALLBACK = """
def brightness(buffer, queue):
    queue.put({"mean": float(buffer[-1].mean())})
"""

CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = {{ kind = "file", path = "{path}" }}
encoder = {{}}
[[pipelines.cam0.callbacks]]
name = "brightness"
target = "{folder}/mine.py:brightness"
policy = "every"
"""


def decoded(path: Path) -> Iterator[AnyArray]:
    """Give the frames of a video as OpenCV decodes them, in RGB."""
    video = cv2.VideoCapture(str(path))
    while (told := video.read())[0]:
        yield cv2.cvtColor(told[1], cv2.COLOR_BGR2RGB)
    video.release()


def replay(daemon: Daemon, overrides: tuple[str, ...]) -> tuple[Path, Any, float]:
    """Record the clip; give the folder, the last report, and frames a second."""
    with listening(daemon, "metrics.cam0 ") as telemetry:
        before = time.monotonic()
        result = record(daemon, *overrides)
        passed = time.monotonic() - before
        last = wait_for(
            telemetry,
            "metrics.cam0",
            lambda m: m["session"] == result["session"] and m["state"] == "complete",
        )
    return newest(daemon), last, result["counts"]["captured"] / passed


def check_accounts(daemon: Daemon, folder: Path, report: Any, n: int) -> None:  # noqa: ANN401
    """Each of the three that tell says: n frames, none lost."""
    manifest = read_manifest(folder)
    told = [manifest.counts, report["counts"], daemon.pipeline()["counts"]]
    assert manifest.state == "complete"
    for counts in map(accounts, told):
        main, callback = counts.encoders["main"], counts.callbacks["brightness"]
        assert counts.broken() == []
        assert (counts.captured, counts.expected, counts.dropped) == (n, n, {})
        assert (main.recorded, main.durable, main.skipped) == (n, n, {})
        assert callback.delivered + callback.skipped.get("behind", 0) == n
        assert callback.delivered > 0


def check_pages(folder: Path, source: Path) -> None:
    """Compare every page with its frame."""
    recorded = (read_pixels(file, frame[0]) for file, frame in frames(folder))
    for n, (page, frame) in enumerate(zip(recorded, decoded(source), strict=True)):
        assert page.dtype == frame.dtype
        assert (page == frame).all(), f"page {n}"


def check_foreign_readers(folder: Path, source: Path) -> None:
    """Four programs of others find the same pages, and nothing to complain of."""
    expected = list(decoded(source))
    (file,) = segment_paths(folder, "main")
    with tifffile.TiffFile(file) as tiff:
        check_same([page.asarray() for page in tiff.pages], expected)
    with Image.open(file) as image:
        pages = [bytes(page.tobytes()) for page in ImageSequence.Iterator(image)]
    assert pages == [frame.tobytes() for frame in expected]
    _, images = cv2.imreadmulti(str(file), flags=cv2.IMREAD_UNCHANGED)
    check_same([cv2.cvtColor(i, cv2.COLOR_BGR2RGB) for i in images], expected)
    told = subprocess.run(  # noqa: S603
        ["/usr/bin/tiffinfo", str(file)], capture_output=True, text=True, check=True
    )
    rows, columns, _ = expected[0].shape
    size = f"Image Width: {columns} Image Length: {rows}"
    assert told.stdout.count(size) == len(expected)
    assert all("Unknown field with tag 65100" in s for s in told.stderr.splitlines())


def check_same(found: list[AnyArray], expected: list[AnyArray]) -> None:
    """Compare pages with frames."""
    assert len(found) == len(expected)
    for page, frame in zip(found, expected, strict=True):
        assert (page == frame).all()


def check_replay(
    folder: Path, name: str, overrides: tuple[str, ...]
) -> tuple[Path, Path, float]:
    """Replay a clip in a daemon of its own and check all but foreign readers."""
    source = clip(name)
    folder.mkdir()
    (folder / "mine.py").write_text(CALLBACK)
    config = CONFIG.format(path=source, folder=folder)
    with running(folder, config) as daemon:
        session, report, per_s = replay(daemon, overrides)
        n = sum(1 for _ in decoded(source))
        check_accounts(daemon, session, report, n)
        check_pages(session, source)
    return session, source, per_s


def test_a_clip_as_fast_as_it_goes_is_recorded_pixel_by_pixel(
    tmp_path: Path, record_property: pytest.FixtureRequest
) -> None:
    session, source, per_s = check_replay(tmp_path / "d", "bikes.mp4", ALL_AT_ONCE)

    check_foreign_readers(session, source)
    tell(record_property, "bikes.mp4 as fast as it goes", per_s)


@pytest.mark.system
@pytest.mark.parametrize("name", [*CLIPS, LARGE])
@pytest.mark.parametrize("overrides", [ALL_AT_ONCE, AT_200_FPS])
def test_every_clip_is_recorded_pixel_by_pixel(
    tmp_path: Path,
    record_property: pytest.FixtureRequest,
    name: str,
    overrides: tuple[str, ...],
) -> None:
    more = ROOM_FOR_ALL if name == LARGE else ()
    session, source, per_s = check_replay(tmp_path / "d", name, overrides + more)

    check_foreign_readers(session, source)
    tell(record_property, f"{name} {overrides[0]}", per_s)


def tell(record_property: Any, what: str, per_s: float) -> None:  # noqa: ANN401
    """Keep the figure in the test report, and show it with `pytest -s`."""
    record_property("frames_per_s", round(per_s))
    print(f"{what}: {per_s:.0f} frames/s")  # noqa: T201 - asked for
