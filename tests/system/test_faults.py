"""imagemp.service when its supervisor dies or hangs."""

import re

import pytest
from msgspec import convert

from imagemp.counts import Counts
from imagemp.recording.manifest import read_manifest

from .machine import Machine
from .recordings import intact_frames
from .service import CONFIG, SMALL, Service

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


def test_a_loop_that_is_blocked_shows_where_and_the_encoder_drains(
    machine: Machine, service: Service
) -> None:
    service.start(SMALL, drop_in="[Service]\nWatchdogSec=1\n")
    service.begin(50)
    before, session = service.pid, service.session()
    machine.run("mv", CONFIG, f"{CONFIG}.kept")
    machine.run("mkfifo", "--mode=644", CONFIG)  # nobody ever writes: open blocks

    service.signal("HUP")
    machine.wait_for(lambda: "Watchdog timeout" in service.journal(), 20.0)
    machine.run("mv", f"{CONFIG}.kept", CONFIG)

    service.wait_restarted(before)
    told = service.journal()
    assert re.search(r'File ".*/config/loading.py", line \d+ in load', told)
    assert "supervisor gone: draining" in told
    manifest = read_manifest(session)
    recorded = manifest.counts["encoders"]["main"]["recorded"]
    assert intact_frames(session) == recorded >= 50
    assert service.show("NRestarts") == "1"
    assert service.imagectl("start", "--frames", "5", "--wait").returncode == 0


@pytest.mark.parametrize("worker", ["gateway", "capture", "main"])
def test_a_worker_killed_by_9_costs_what_the_accounts_say(
    machine: Machine, service: Service, worker: str
) -> None:
    service.start(SMALL)
    service.begin(50)
    before = service.worker(worker)["pid"]

    machine.run("sh", "-c", f"kill -KILL {before}")

    def is_back() -> bool:
        found = service.worker(worker)
        return bool(found["state"] == "running" and found["pid"] != before)

    machine.wait_for(is_back, 30.0)
    more = service.recorded() + 50
    machine.wait_for(lambda: service.recorded() >= more, 30.0)
    assert service.imagectl("stop").returncode == 0
    manifest = read_manifest(service.session())
    counts = convert(manifest.counts, Counts)
    assert manifest.state == "complete"
    assert counts.broken() == []
    assert intact_frames(service.session()) == counts.encoders["main"].recorded
    lost = sum(counts.dropped.values()) + sum(counts.encoders["main"].skipped.values())
    assert counts.captured - counts.encoders["main"].recorded == lost
    assert worker == "capture" or lost == 0
    assert service.show("NRestarts") == "0"


def test_a_watchdog_of_a_second_does_not_bark_at_a_busy_daemon(
    service: Service,
) -> None:
    service.start(SMALL, drop_in="[Service]\nWatchdogSec=1\n")

    ran = service.imagectl("start", "--duration", "3", "--wait")

    assert ran.returncode == 0, ran.stderr
    assert service.show("NRestarts") == "0"
