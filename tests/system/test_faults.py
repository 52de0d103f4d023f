"""imagemp.service when its supervisor dies or hangs."""

import re

import pytest

from .recordings import intact_frames
from .service import SMALL, Service

pytestmark = pytest.mark.system


def test_a_supervisor_killed_by_9_is_replaced_and_every_frame_is_there(
    service: Service,
) -> None:
    service.start(SMALL)
    service.begin(100)
    before, session = service.pid, service.session()
    safe = service.recorded()

    service.signal("KILL")

    service.wait_restarted(before)
    assert service.show("NRestarts") == "1"
    assert intact_frames(session) >= safe
    assert service.imagectl("start", "--frames", "5", "--wait").returncode == 0


def test_a_supervisor_that_hangs_shows_its_stack_and_is_replaced(
    service: Service,
) -> None:
    service.start(SMALL, drop_in="[Service]\nWatchdogSec=1\n")
    service.begin(10)
    before, session = service.pid, service.session()
    safe = service.recorded()

    service.signal("STOP")

    service.wait_restarted(before)
    assert "Watchdog timeout" in service.journal()
    assert "Fatal Python error" not in service.journal()  # ABRT hits the workers too
    assert re.search(r'File ".*/asyncio/.*", line \d+ in run', service.journal())
    assert intact_frames(session) >= safe


def test_a_watchdog_of_a_second_does_not_bark_at_a_busy_daemon(
    service: Service,
) -> None:
    service.start(SMALL, drop_in="[Service]\nWatchdogSec=1\n")

    ran = service.imagectl("start", "--duration", "3", "--wait")

    assert ran.returncode == 0, ran.stderr
    assert service.show("NRestarts") == "0"
