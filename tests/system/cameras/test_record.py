"""Recordings of libcamera's cameras by the installed daemon, checked by content."""

import itertools
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagemp.frames import AnyArray
from imagemp.recording.manifest import read_manifest
from imagemp.recording.reading import frames, read_pixels
from imagemp.recording.tiff.pagerecord import PageRecord
from tests.system.machine import Machine
from tests.system.service import Service

from .clip import FIRST_OF, PICTURES, WIDTH, read

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]  # it may build a root

PLAYED = 4  # times libcamera plays each picture, one after the other
CAMERA = """
[pipelines.cam0.source]
kind = "picamera2"
camera = "Virtual0"
format = "grey"
width = 640
height = 480
fps = 30.0
buffers = 32
[pipelines.cam0.ring]
slots = 90
overflow_size = "64 MiB"
[pipelines.cam0.encoder]
"""
STEREO = CAMERA.replace("picamera2", "stereo").replace(
    'camera = "Virtual0"', 'cameras = ["Virtual0", "Virtual1"]'
)
TIMES = 50
REST_S, LOOKS = 0.3, 4
PERIOD_NS = 33_333_000


def recorded(folder: Path) -> Iterable[tuple[PageRecord, AnyArray]]:
    """Give each frame of a recording, the first plane of it, with its tags."""
    for path, (page, *_) in frames(folder):
        yield page, read_pixels(path, page)


def check_order(numbers: list[int], camera: int = 0) -> None:
    """The pictures must be those that are played, each as often, in order."""
    places = [number - camera * FIRST_OF for number in numbers]
    assert set(places) <= set(range(PICTURES))
    runs = [(place, len(list(run))) for place, run in itertools.groupby(places)]
    for (before, _), (after, _) in itertools.pairwise(runs):
        assert after == (before + 1) % PICTURES
    assert {times for _, times in runs[1:-1]} == {PLAYED}


def record(service: Service, config: str, *words: str) -> Path:
    """Have a session recorded to its end; give its folder."""
    service.start(config)
    ran = service.imagectl("start", "--wait", *words)
    assert ran.returncode == 0, ran.stderr
    return service.session()


def test_300_frames_are_recorded_and_none_is_lost(service: Service) -> None:
    folder = record(service, CAMERA, "--frames", "300")

    counts = read_manifest(folder).counts
    assert (counts["published"], counts["missed"], counts["dropped"]) == (300, {}, {})
    pages, pictures = zip(*recorded(folder), strict=True)
    check_order([read(picture) for picture in pictures])
    times = [page.t_sensor_ns for page in pages]
    assert len(times) == 300
    steps = {after - before for before, after in itertools.pairwise(times)}
    assert all(abs(step - PERIOD_NS) < 1_000_000 for step in steps)


def test_two_cameras_are_one_picture(service: Service) -> None:
    folder = record(service, STEREO, "--frames", "60")

    pictures = [picture for _, picture in recorded(folder)]
    assert len(pictures) == 60
    check_order([read(picture[:, :WIDTH]) for picture in pictures], camera=0)
    check_order([read(picture[:, WIDTH:]) for picture in pictures], camera=1)


def test_a_capture_that_is_killed_comes_back_with_the_camera(
    machine: Machine, service: Service
) -> None:
    service.start(CAMERA)
    service.begin(30)
    before = capture(service)

    machine.run("sh", "-c", f"kill -KILL {before['pid']}")

    machine.wait_for(lambda: capture(service)["pid"] not in (None, before["pid"]), 30.0)
    count = service.recorded()
    machine.wait_for(lambda: service.recorded() >= count + 30, 30.0)
    ended = service.imagectl("stop")
    assert ended.returncode == 0, ended.stderr
    pictures = [read(picture) for _, picture in recorded(service.session())]
    assert len(pictures) == read_manifest(service.session()).counts["published"]


def test_50_starts_and_stops_leak_no_descriptors_and_no_memory(
    service: Service,
) -> None:
    service.start(CAMERA.replace("[pipelines.cam0.encoder]", ""))
    pid = run_once(service)
    for _ in range(4):  # what is imported or kept for good is there by then
        run_once(service)
    before = at_rest(service, pid)

    for _ in range(TIMES):
        assert run_once(service) == pid

    after = at_rest(service, pid)
    assert after.descriptors == before.descriptors
    assert after.maps <= before.maps + 10  # some are the allocator's own
    assert after.resident < before.resident + 10 * 2**20


def run_once(service: Service) -> int:
    """Have a few frames taken; give the pid of who took them."""
    ran = service.imagectl("start", "--frames", "5", "--wait")
    assert ran.returncode == 0, ran.stderr
    return capture(service)["pid"] or 0


@dataclass(frozen=True)
class Held:
    """What a process holds.

    Attributes:
        descriptors: The kinds of what it has open.
        maps: How many parts of its memory there are.
        resident: How much of it is in RAM, in bytes.
    """

    descriptors: list[str]
    maps: int
    resident: int


def at_rest(service: Service, pid: int) -> Held:
    """Say what a process holds once that does not change any more.

    It lets go of a session's ring a moment after the session's end is told.
    """
    looks: deque[Held] = deque(maxlen=LOOKS)
    while len(looks) < LOOKS or any(look.maps != looks[0].maps for look in looks):
        time.sleep(REST_S)
        looks.append(held(service, pid))
    return looks[-1]


def held(service: Service, pid: int) -> Held:
    """Say what a process holds now."""
    found = service.machine.run("sh", "-c", f"readlink /proc/{pid}/fd/*").split("\n")
    told = service.machine.path(f"/proc/{pid}/statm").read_text("ascii")
    maps = service.machine.path(f"/proc/{pid}/maps").read_text("ascii")
    kinds = sorted(name.partition(":[")[0] for name in found)
    return Held(kinds, len(maps.splitlines()), int(told.split()[1]) * 4096)


def capture(service: Service) -> dict[str, int | None]:
    """Give what status tells of the process that has the camera."""
    workers = service.status()["pipelines"]["cam0"]["workers"]
    return next(worker for worker in workers if worker["name"] == "capture")
