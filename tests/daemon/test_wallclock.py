"""The wall clock: when it rings, and whether it is right."""

import asyncio
import ctypes
import os
import time
from pathlib import Path

import pytest

from imagemp.client import Telemetry
from imagemp.clock import LOST_US, boottime_ns, is_right, is_synchronised, max_error_us
from imagemp.daemon.wallclock import (
    Alarm,
    Steps,
    clock_pair,
    instant_of,
)
from tests.running import running

from .test_recording import wait_for


def rung(after_s: float, *, cancelled: bool = False) -> float | None:
    """Set an alarm; give the wall clock when it rang, None if it did not."""

    async def turn() -> float | None:
        told: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        alarm = Alarm(time.time() + after_s, lambda: told.set_result(time.time()))
        if cancelled:
            alarm.cancel()
            alarm.cancel()
            done, _ = await asyncio.wait({told}, timeout=0.05)
            return None if not done else told.result()
        return await told

    return asyncio.run(turn())


def test_an_alarm_rings_when_the_wall_clock_shows_the_time() -> None:
    at = time.time() + 0.05

    told = rung(0.05)

    assert told is not None
    assert told >= at


@pytest.mark.parametrize("after_s", [-1.0, -1e10])
def test_a_time_that_has_passed_rings_at_once(after_s: float) -> None:
    assert rung(after_s) is not None


def test_an_alarm_that_was_cancelled_is_silent() -> None:
    assert rung(0.0, cancelled=True) is None


def test_a_time_of_day_is_an_instant_of_the_clock_of_frames() -> None:
    before = boottime_ns()

    found = instant_of(time.time() + 10)

    assert found - 10 * 10**9 == pytest.approx(before, abs=50_000_000)


def test_both_clocks_are_of_one_instant() -> None:
    boot_ns, unix_ns = clock_pair()

    now = unix_ns + boottime_ns() - boot_ns
    assert now == pytest.approx(time.time_ns(), abs=50_000_000)


def test_the_kernel_tells_how_wrong_the_clock_may_be() -> None:
    """The same as glibc's ntp_gettime, which has another structure."""

    class Ntp(ctypes.Structure):
        _fields_ = [
            ("time", ctypes.c_long * 2),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("tai", ctypes.c_long),
            ("reserved", ctypes.c_long * 4),
        ]

    ntp = Ntp()
    ctypes.CDLL(None).ntp_gettime(ctypes.byref(ntp))

    found = max_error_us()

    if found is None:
        pytest.skip("not allowed here")
    assert found == pytest.approx(ntp.maxerror, abs=1000)
    assert is_synchronised() == (found < LOST_US)


@pytest.mark.parametrize(
    ("error_us", "right"), [(0, True), (15_999_999, True), (16_000_000, False)]
)
def test_a_clock_is_right_while_the_kernel_says_so(error_us: int, right: bool) -> None:
    assert is_right(error_us) == right


def test_a_clock_that_nobody_may_ask_about_is_as_timesyncd_says(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    before = is_right(None, str(mark))
    mark.touch()

    assert (before, is_right(None, str(mark))) == (False, True)


def set_clock() -> None:
    """Set the wall clock to what it shows: a step of some microseconds."""
    if os.geteuid() != 0:
        pytest.skip("only root can set the clock")
    try:
        time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns())
    except PermissionError:
        pytest.skip("nobody may set the clock here")


@pytest.mark.system
def test_each_step_of_the_clock_is_told() -> None:
    async def turn() -> None:
        told = asyncio.Event()
        steps = Steps(told.set)
        for _ in range(3):
            set_clock()
            await asyncio.wait_for(told.wait(), 10.0)
            told.clear()
        steps.close()
        steps.close()

    asyncio.run(turn())


@pytest.mark.system
def test_a_clock_that_is_set_is_in_the_manifest(tmp_path: Path) -> None:
    config = """
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 100 }
encoder = {}
"""
    with (
        running(tmp_path / "d", config) as daemon,
        Telemetry(["event.cam0"], daemon.runtime) as telemetry,
    ):
        daemon.call("session.start")
        set_clock()
        wait_for(telemetry, "event.cam0", lambda m: m["name"] == "clock_step")
        daemon.call("session.stop")
        manifest = daemon.manifest()

    steps = [e for e in manifest.events if e["name"] == "clock_step"]
    assert len(manifest.clock) == 2 + len(steps)
    assert all(abs(step["seconds"]) < 1 for step in steps)
    boots = [boot_ns for boot_ns, _ in manifest.clock]
    assert boots == sorted(boots)
