"""`imagectl cameras` and `imagectl set` with real picamera2.

Not shown by it: modes and controls of a real sensor. Those of the stand-in are one
size at 30 fps, and no control but what libcamera's virtual camera has.
"""

import json
from typing import Any

import pytest

from tests.system.service import Service

from .test_record import CAMERA

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]  # it may build a root
MODES = [{"width": 640, "height": 480, "bits": 8, "fps": 30.0}]


def listed(service: Service) -> dict[str, dict[str, Any]]:
    """Give the cameras that are there, by id."""
    ran = service.imagectl("cameras", "--json")
    assert ran.returncode == 0, ran.stderr
    return {camera["id"]: camera for camera in json.loads(ran.stdout)["cameras"]}


def test_both_cameras_are_listed_with_their_modes(service: Service) -> None:
    service.start(CAMERA)

    found = listed(service)

    assert set(found) == {"Virtual0", "Virtual1"}
    assert sorted(camera["number"] for camera in found.values()) == [0, 1]
    for camera in found.values():
        assert (camera["modes"], camera["problem"]) == (MODES, "")


def test_a_camera_that_records_is_listed_and_loses_nothing(service: Service) -> None:
    service.start(CAMERA)
    service.begin(30)

    found = listed(service)

    assert found["Virtual1"]["modes"] == MODES
    counts = service.status()["pipelines"]["cam0"]["counts"]
    assert (counts["dropped"], counts["missed"]) == ({}, {})
    assert service.imagectl("stop").returncode == 0


def test_a_control_that_the_camera_has_not_is_refused_by_name(
    service: Service,
) -> None:
    service.start(CAMERA)
    service.begin(5)

    ran = service.imagectl("set", "cam0", "Zoom=3")

    assert ran.returncode == 7
    assert "controls.Zoom: this camera has no such control" in ran.stderr
    count = service.recorded()
    service.machine.wait_for(lambda: service.recorded() > count, 30.0)
    assert service.imagectl("stop").returncode == 0


def test_a_control_that_it_has_is_set_while_it_records(service: Service) -> None:
    service.start(CAMERA)
    service.begin(5)

    ran = service.imagectl("set", "FrameRate=25")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "cam0: FrameRate = 25\n"
    count = service.recorded()
    service.machine.wait_for(lambda: service.recorded() > count + 30, 30.0)
    assert service.imagectl("stop").returncode == 0
