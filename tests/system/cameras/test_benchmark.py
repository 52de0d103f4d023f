"""The camera's benchmark, where there is a camera."""

import json
import math

import pytest

from benchmarks.camera import KEYS
from tests.system.machine import Machine

from .test_signatures import ENVIRONMENT

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]  # it may build a root

FIGURES = "/root/figures.json"
RUN = (
    f"cd /src && /opt/imagemp/bin/python -m benchmarks.camera --quick --json {FIGURES}"
)


def test_the_benchmark_of_a_camera_tells_every_figure_it_promises(
    machine: Machine,
) -> None:
    ran = machine.try_run("sh", "-c", RUN, env=ENVIRONMENT, timeout_s=300.0)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(machine.path(FIGURES).read_text("utf-8"))["keys"]
    assert set(found) == set(KEYS)
    assert all(math.isfinite(value) for value in found.values())
    assert 0.9 < found["copies_per_frame"] < 1.2  # the one into the slot
