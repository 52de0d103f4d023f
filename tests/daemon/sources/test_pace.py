"""Tests of the pace."""

import fcntl
import os
import resource
import threading
import time
from collections.abc import Iterator

import pytest

from imagemp.daemon.sources.pace import FD_SETSIZE, Clock, Pace, is_readable
from tests.daemon.sources.stage import QUIET, SECOND_NS, HandClock, woken


@pytest.fixture
def high_fd() -> Iterator[int]:
    """Give a quiet descriptor that select cannot take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in {resource.RLIM_INFINITY} and hard <= FD_SETSIZE:
        pytest.skip("no descriptor above 1023 here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * FD_SETSIZE), hard))
    event = os.eventfd(0)
    fd = fcntl.fcntl(event, fcntl.F_DUPFD_CLOEXEC, FD_SETSIZE)
    yield fd
    os.close(fd)
    os.close(event)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_week_of_29_97_fps_does_not_drift() -> None:
    pace = Pace(29.97, HandClock(at_ns=0))

    pace.k = 2997 * 6048  # frames of exactly a week

    assert pace.deadline_ns == 7 * 24 * 3600 * SECOND_NS


@pytest.mark.parametrize("fps", [1 / 3, 7, 29.97, 1000.0, 90_000])
def test_the_last_deadline_before_a_deadline_is_itself(fps: float) -> None:
    pace = Pace(fps, HandClock(at_ns=0))
    pace.begin()

    for k in (1, 2, 3, 1000, 10**9 + 7):
        pace.k = k
        assert pace.last_before(pace.deadline_ns) == k
        assert pace.last_before(pace.deadline_ns - 1) == k - 1


def test_a_camera_that_is_late_loses_whole_periods_only() -> None:
    clock = HandClock(at_ns=0)
    pace = Pace(10, clock)
    pace.wait(QUIET)
    pace.take_newest()

    clock.at_ns = 450_000_000
    late = pace.take_newest()
    pace.wait(QUIET)

    assert late == (400_000_000, 3)
    assert pace.take_newest() == (500_000_000, 0)


def test_a_camera_with_buffers_keeps_as_many_frames_for_who_comes_late() -> None:
    clock = HandClock(at_ns=0)
    pace = Pace(10, clock)
    pace.wait(QUIET)
    pace.take_kept(3)

    clock.at_ns = 550_000_000
    taken = [pace.take_kept(3) for _ in range(4)]

    assert taken == [(300_000_000, 2), *((k * 100_000_000, 0) for k in (4, 5, 6))]


def test_a_player_that_is_late_gives_all_and_keeps_the_distance() -> None:
    clock = HandClock(at_ns=0)
    pace = Pace(10, clock)
    pace.wait(QUIET)
    pace.take_next()

    clock.at_ns = 450_000_000
    times = [pace.take_next() for _ in range(3) if pace.wait(QUIET)]

    assert times == [450_000_000, 550_000_000, 650_000_000]


def test_a_player_that_is_a_little_late_stays_on_its_grid() -> None:
    clock = HandClock(at_ns=0)
    pace = Pace(10, clock)
    pace.wait(QUIET)
    pace.take_next()

    clock.at_ns = 150_000_000
    times = [pace.take_next() for _ in range(2) if pace.wait(QUIET)]

    assert times == [150_000_000, 200_000_000]


def test_the_clock_never_comes_early() -> None:
    clock = Clock()

    for wait_us in (0, 1, 50, 999, 1500):
        until = clock.now() + wait_us * 1000
        assert clock.wait(until, QUIET)
        assert clock.now() >= until


def test_waiting_costs_no_cpu() -> None:
    clock, before = Clock(), time.thread_time_ns()

    clock.wait(clock.now() + 100_000_000, QUIET)

    assert time.thread_time_ns() - before < 5_000_000


def test_wake_ends_a_wait_of_an_hour() -> None:
    clock, wake = Clock(), os.eventfd(0)
    threading.Timer(0.02, os.eventfd_write, (wake, 1)).start()

    assert not clock.wait(clock.now() + 3600 * SECOND_NS, wake)

    os.close(wake)


def test_wake_comes_before_a_deadline_that_has_passed() -> None:
    with woken() as wake:
        assert not Clock().wait(0, wake)


def test_a_descriptor_beyond_select_wakes_too(high_fd: int) -> None:
    clock = Clock()
    threading.Timer(0.02, os.eventfd_write, (high_fd, 1)).start()

    assert not clock.wait(clock.now() + 3600 * SECOND_NS, high_fd)


def test_a_descriptor_beyond_select_keeps_the_microseconds(high_fd: int) -> None:
    clock = Clock()
    until = clock.now() + 2_300_000

    assert clock.wait(until, high_fd)
    assert clock.now() >= until
    assert not is_readable(high_fd, 0)
