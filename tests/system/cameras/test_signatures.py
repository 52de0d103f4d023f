"""The hand-written picamera2 of the fast tests against the real one.

Whatever the fake has of its names, the real package must have, and its methods must
take what is passed: the fast tests prove nothing about calls that would fail.
"""

import ast
import inspect
import json
import textwrap
from typing import Any

import pytest

from tests.daemon.sources import fake_picamera2 as fake
from tests.system.machine import Machine

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]  # it may build a root

ENVIRONMENT = {"LD_PRELOAD": "/opt/dma_heap.so", "LIBCAMERA_LOG_LEVELS": "*:ERROR"}
ONLY_OF_THE_FAKE = {
    *("there", "opened", "gives", "is_busy", "more_controls", "number", "requests"),
    *("fails", "is_started", "is_closed", "give", "fill", "read"),
}
TELL = """
import inspect, json, logging
logging.disable()
from picamera2 import Picamera2
from picamera2.request import CompletedRequest
import libcamera
picam = Picamera2(0)
config = picam.create_video_configuration(queue=False, encode=None, display=None)
picam.configure(config)
def told(value):
    if isinstance(value, str):
        try:
            value = getattr(picam, value, None)
        except KeyError:  # a property of what this camera has not
            return None
    try:
        return [p.name for p in inspect.signature(value).parameters.values()]
    except (TypeError, ValueError):
        return None
names = {n: told(n) for n in dir(picam) if n[0] != "_"}
config = picam.camera_configuration()
buffers = [type(m).__name__ for m in picam.allocator.mapped_buffers.values()]
requests = {n: told(getattr(CompletedRequest, n)) for n in dir(CompletedRequest)}
source = inspect.getsource(CompletedRequest.__init__)
known = picam.camera_ctrl_info  # all of a Pi's cameras have NoiseReductionMode
known["NoiseReductionMode"] = known["FrameDurationLimits"]
made = picam.create_video_configuration(controls={"FrameRate": 25})["controls"]
del known["NoiseReductionMode"]
defaults = {n: v if isinstance(v, tuple) else 0 for n, v in made.items()}
print("TOLD" + json.dumps({
    "camera": names, "request": requests, "request_init": source,
    "config": sorted(config), "main": sorted(config["main"]), "buffers": buffers,
    "info": sorted(Picamera2.global_camera_info()[0]),
    "modes": sorted(picam.sensor_modes[0]),
    "controls": {n: len(v) for n, v in picam.camera_controls.items()},
    "transform": repr(libcamera.Transform(hflip=True, vflip=False)),
    "create": told(picam.create_video_configuration),
    "defaults": defaults,
}))
picam.close()
"""


@pytest.fixture
def real(machine: Machine) -> dict[str, Any]:
    """What the real package tells of itself."""
    ran = machine.try_run("python3", "-c", TELL, env=ENVIRONMENT)
    line = next((x for x in ran.stdout.splitlines() if x.startswith("TOLD")), "")
    assert line, ran.stdout + ran.stderr
    told: dict[str, Any] = json.loads(line.removeprefix("TOLD"))
    return told


def parameters(method: Any) -> list[str]:  # noqa: ANN401
    named = inspect.signature(method).parameters.values()
    return [p.name for p in named if p.kind is not p.VAR_KEYWORD]


def test_the_fake_has_nothing_that_picamera2_has_not(real: dict[str, Any]) -> None:
    with fake.installed() as found:
        camera = found()
        names = {n for n in dir(camera) if not n.startswith("_")} - ONLY_OF_THE_FAKE
        methods = {n: parameters(m) for n in names if callable(m := getattr(camera, n))}
        camera.close()

    assert names <= set(real["camera"])
    for name, wanted in methods.items():
        taken = real["camera"][name]
        assert taken[: len(wanted)] == wanted, name


def test_a_request_of_the_fake_is_like_a_real_one(real: dict[str, Any]) -> None:
    body = ast.parse(textwrap.dedent(real["request_init"]))
    kept = {n.attr for n in ast.walk(body) if isinstance(n, ast.Attribute)}

    for name in ("get_metadata", "acquire", "release"):
        method = getattr(fake.Request, name)
        assert real["request"][name] == parameters(method), name
    assert {"stream_map", "request"} <= kept


def test_what_the_fake_tells_has_the_real_keys(real: dict[str, Any]) -> None:
    with fake.installed() as found:
        camera = found()
        stream = {"size": (64, 64), "format": "YUV420"}
        camera.configure(camera.create_video_configuration(main=stream, controls={}))
        config = camera.camera_configuration()
        info = found.there[0]
        camera.close()

    assert set(config) <= set(real["config"])
    assert set(config["main"]) <= set(real["main"])
    assert set(info) <= set(real["info"])
    assert set(fake.MODES[0]) <= set(real["modes"])
    assert set(real["controls"].values()) == {len(v) for v in fake.CONTROLS.values()}
    assert set(real["buffers"]) == {"mmap"}


def test_picamera2_sets_a_rate_by_itself_before_the_one_asked_for(
    real: dict[str, Any],
) -> None:
    with fake.installed() as found:
        camera = found()
        made = camera.create_video_configuration(controls={"FrameRate": 25})["controls"]
        camera.close()

    assert list(real["defaults"]) == list(made)
    assert tuple(real["defaults"]["FrameDurationLimits"]) == made["FrameDurationLimits"]


def test_what_is_asked_for_is_taken(real: dict[str, Any]) -> None:
    asked = {"main", "raw", "transform", "buffer_count", "queue"}

    assert asked | {"sensor", "display", "encode"} <= set(real["create"])
    assert "hflip" in real["transform"]
