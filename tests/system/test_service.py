"""imagemp.service from day to day: start, use, reload, stop."""

import json
import re
import time
from pathlib import Path

import pytest

from imagemp.clock import TIMESYNCD as MARK
from imagemp.recording.manifest import read_manifest
from imagemp.recording.reading import frames, read_pixels

from .machine import Machine
from .recordings import intact_frames
from .service import CONFIG, SMALL, STRANGER, UNIT, Service

pytestmark = pytest.mark.system
IDLE_S = 6.0  # longer than from one state to the next


def test_a_member_of_the_group_records(service: Service) -> None:
    service.start(SMALL)

    ran = service.imagectl("start", "--duration", "2", "--wait")

    assert ran.returncode == 0, ran.stderr
    counts = read_manifest(service.session()).counts
    assert intact_frames(service.session()) == counts["captured"] > 0
    assert counts["expected"] == pytest.approx(200, abs=5)


def test_who_is_not_of_the_group_is_told_so(service: Service) -> None:
    service.start(SMALL)

    ran = service.imagectl("start", user=STRANGER)

    assert ran.returncode == 4
    assert "permission" in ran.stderr.lower()


def test_the_sockets_are_for_the_group(machine: Machine, service: Service) -> None:
    service.start(SMALL)

    for name in ("control", "telemetry", "frames"):
        path = f"/run/imagemp/{name}.sock"
        assert machine.run("stat", "--format=%a %U:%G", path) == "660 imagemp:imagemp"
    found = machine.run("stat", "--format=%a %U:%G", "/run/imagemp", "/var/lib/imagemp")
    assert found == "750 imagemp:imagemp\n750 imagemp:imagemp"


def test_the_unit_starts_at_a_time_if_the_clock_is_right_as_far_as_it_may_know(
    machine: Machine, service: Service
) -> None:
    """It may not ask the kernel (ProtectClock); what timesyncd leaves counts."""
    service.start(SMALL)
    at = ("start", "--at", "2999-01-01T00:00Z")
    machine.run("rm", "--force", MARK)

    refused = service.imagectl(*at)
    forced = service.imagectl(*at, "--force")
    service.imagectl("stop")
    machine.run("mkdir", "--parents", str(Path(MARK).parent))
    machine.run("touch", MARK)
    taken = service.imagectl(*at)

    assert (refused.returncode, forced.returncode, taken.returncode) == (5, 0, 0)
    assert "not synchronised" in refused.stderr


def test_a_stop_during_a_session_writes_it_to_the_end(
    machine: Machine, service: Service
) -> None:
    service.start(SMALL)
    service.begin(50)

    machine.run("systemctl", "stop", UNIT)

    manifest = read_manifest(service.session())
    assert manifest.state == "complete"
    counts = manifest.counts
    assert counts["encoders"]["main"]["recorded"] == counts["published"] >= 50
    assert intact_frames(service.session()) == counts["published"]
    assert service.show("Result") == "success"


def test_a_restart_ends_the_session_and_serves_again(
    machine: Machine, service: Service
) -> None:
    service.start(SMALL)
    service.begin(10)
    before = service.status()["instance"]

    machine.run("systemctl", "restart", UNIT)

    assert service.status()["instance"] != before
    assert read_manifest(service.session()).state == "complete"
    assert service.show("NRestarts") == "0"


def test_a_reload_takes_the_new_configuration(
    machine: Machine, service: Service
) -> None:
    service.start(SMALL)
    machine.write(CONFIG, SMALL.replace("cam0", "cam1"))

    machine.run("systemctl", "reload", UNIT)

    machine.wait_for(lambda: [*service.status()["pipelines"]] == ["cam1"], 10.0)


def test_a_reload_of_a_bad_configuration_changes_nothing(
    machine: Machine, service: Service
) -> None:
    service.start(SMALL)
    machine.write(CONFIG, SMALL.replace("fps", "fpss"))

    machine.run("systemctl", "reload", UNIT)

    machine.wait_for(lambda: "not reloaded: pipelines.cam0" in service.journal(), 10.0)
    assert [*service.status()["pipelines"]] == ["cam0"]


def test_a_bad_configuration_fails_once_and_says_why(
    machine: Machine, service: Service
) -> None:
    machine.write(CONFIG, SMALL.replace("fps", "fpss"))

    assert machine.try_run("systemctl", "start", UNIT).returncode != 0

    assert "pipelines.cam0.source.fpss: unknown key" in service.journal()
    assert service.show("ActiveState") == "failed"
    assert service.show("NRestarts") == "0"


def test_a_reload_leaves_a_session_alone_whose_camera_has_changed(
    machine: Machine, service: Service
) -> None:
    service.start(SMALL)
    service.begin(10)
    machine.write(CONFIG, SMALL.replace("width = 160", "width = 320"))

    machine.run("systemctl", "reload", UNIT)

    said = "not reloaded: pipelines.cam0: has changed, and a session is on"
    machine.wait_for(lambda: said in service.journal(), 10.0)
    assert service.imagectl("stop").returncode == 0
    assert set(sizes(service.session())) == {(160, 120)}
    machine.run("systemctl", "reload", UNIT)
    machine.wait_for(lambda: 'reloaded changed=["cam0"]' in service.journal(), 10.0)


def sizes(folder: Path) -> list[tuple[int, int]]:
    """Give width and height of each frame."""
    return [read_pixels(path, page).shape[1::-1] for path, (page,) in frames(folder)]


def test_the_line_of_status_is_live(machine: Machine, service: Service) -> None:
    service.start(SMALL)
    service.begin(50)
    live = re.compile(r"cam0 running [1-9]\d+\.\d fps, 0 dropped")

    machine.wait_for(lambda: live.fullmatch(service.show("StatusText")), 10.0)

    assert service.imagectl("stop").returncode == 0
    assert service.show("StatusText") == "cam0 complete 0.0 fps, 0 dropped"


def test_sigusr1_leaves_the_whole_status_in_the_journal(
    machine: Machine, service: Service
) -> None:
    service.start(SMALL)

    service.signal("USR1")

    machine.wait_for(lambda: "status: {" in service.journal(), 10.0)
    (line,) = (x for x in service.journal().splitlines() if x.startswith("status: "))
    told = json.loads(line.removeprefix("status: "))
    assert told["pid"] == service.pid
    workers = [w["name"] for w in told["pipelines"]["cam0"]["workers"]]
    assert workers == ["capture", "main"]


def test_nothing_is_written_to_a_disk_while_idle(service: Service) -> None:
    service.start(SMALL)
    assert service.imagectl("start", "--frames", "10", "--wait").returncode == 0
    time.sleep(1.0)  # until the end of the session has been told to all
    before, said = service.written(), service.journal()

    time.sleep(IDLE_S)

    assert len(before) == 4  # supervisor, gateway, capture, encoder
    assert service.written() == before
    assert service.journal() == said
