"""A daemon with an overflow on a disk that a test has in its hands."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagemp.client import Telemetry
from imagemp.errors import ControlError
from tests.daemon.test_recording import (
    METRICS,
    Left,
    begin,
    check_agreement,
    listening,
    record,
    wait_for,
)
from tests.running import Daemon, running

LONG_S = 60.0
MB = 1_000_000
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
encoder = { keep_free = "0" }
[pipelines.cam0.ring]
slots = 16
overflow_size = "20 MB"
overflow_dir = "{folder}/spill"
"""
LARGE = ["source.width=1280", "source.height=720", "source.fps=100"]  # 0.9 MB a frame
Told = dict[str, Any]


@contextmanager
def recording(tmp_path: Path) -> Iterator[tuple[Daemon, Telemetry]]:
    """Run a daemon whose overflow goes to `d/spill`."""
    with (
        running(tmp_path / "d", CONFIG) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        yield daemon, telemetry


@contextmanager
def held(daemon: Daemon) -> Iterator[None]:
    """Hold the encoder: what is published meanwhile stays in the ring."""
    daemon.signal("main", signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.signal("main", signal.SIGCONT)


def until(telemetry: Telemetry, is_it: Callable[[Told], bool]) -> Told:
    """Wait for a report of a running session that is as wanted."""
    return wait_for(
        telemetry, METRICS, lambda m: m["state"] == "running" and is_it(m), LONG_S
    )


def captured(telemetry: Telemetry, n: int) -> Told:
    """Wait until so many frames have been captured."""
    return until(telemetry, lambda m: m["counts"]["captured"] >= n)


def dropped(telemetry: Telemetry, cause: str, n: int) -> Told:
    """Wait until so many frames have been dropped under a cause."""
    return until(telemetry, lambda m: m["counts"]["dropped"].get(cause, 0) >= n)


def in_overflow(telemetry: Telemetry, n: int) -> Told:
    """Wait until so many frames are in overflow."""
    return until(telemetry, lambda m: m["overflow"]["used"] >= n)


def check_only(daemon: Daemon, *causes: str) -> Left:
    """End the session: all that was published is recorded, the rest has these causes.

    On a busy machine the spill thread may be slow for once, whatever its disk does.
    The camera was not late: by its clock it would have missed nearly every frame.
    """
    daemon.call("session.stop")
    left = check_agreement(daemon)
    counts = left.counts
    assert left.manifest.state == "complete"
    assert set(counts.dropped) | {"overflow_slow"} == {*causes, "overflow_slow"}
    assert counts.encoders["main"].recorded == counts.published == len(left.seqs)
    assert sum(counts.missed.values()) < counts.captured / 2
    return left


def refusal(daemon: Daemon, *overrides: str) -> ControlError:
    """Start what cannot begin; the next session goes well."""
    with pytest.raises(ControlError) as refused:
        begin(daemon, *overrides)
    return refused.value


def check_goes_on(daemon: Daemon, *overrides: str) -> None:
    """The next session is recorded as if nothing had been."""
    assert record(daemon, *overrides, frames=20)["state"] == "complete"
    assert check_agreement(daemon).counts.captured == 20
