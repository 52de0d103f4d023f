"""What goes wrong costs no more than it must, and every frame of it is counted.

Processes are stopped and killed, disks fill up; then pixels, rows and accounts are
compared. A busy machine may make the camera's clock miss frames: nothing here
relies on its not doing so.
"""

import os
import resource
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagemp.client import Telemetry
from imagemp.clock import boottime_ns
from imagemp.errors import ControlError
from tests.running import Daemon, running

from .test_recording import (
    Left,
    accounts,
    begin,
    check_agreement,
    heard,
    listening,
    record,
    wait_for,
    what_is_left,
)

METRICS = "metrics.cam0"
EVENTS = "event.cam0"
LONG_S = 40.0
FPS = 200  # of the source

CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = {{ kind = "synthetic", width = {width}, height = {height}, fps = 200 }}
encoder = {{}}
{more}
"""

USER_CODE = """
import time

from imagemp.callback import Callback
from imagemp.daemon.sources.synthetic import SyntheticSource
from imagemp.errors import SourceError


class Slow(Callback):
    def set_up(self, settings):
        self.pause_s = settings.get("pause_s", 0.1)

    def process(self, frame):
        time.sleep(self.pause_s)


class Telling(Callback):
    def process(self, frame):
        self.send({"seq": frame.info.seq})


class Raising(Callback):
    def process(self, frame):
        raise RuntimeError("not today")


class Once(SyntheticSource):
    '''Cannot be opened again.'''

    def open(self):
        if self.first_seq:
            raise SourceError("once: the cable is out")
        return super().open()


class Flaky(SyntheticSource):
    '''Fails once, at its frame 50.'''

    def grab(self, wake):
        if self.grabbed == 50 and not self.first_seq:
            raise SourceError("flaky: the cable is loose")
        return super().grab(wake)
"""


def config(more: str = "", width: int = 64, height: int = 48) -> str:
    """Give a configuration with one pipeline."""
    return CONFIG.format(width=width, height=height, more=more)


def ring(overflow: str = "disk", size: str = "1 GiB", slots: int = 64) -> str:
    """Give a [ring] that is large enough for a busy machine."""
    keys = f'slots = {slots}, overflow = "{overflow}", overflow_size = "{size}"'
    return f"ring = {{ {keys} }}"


def callback(name: str, policy: str = "every", **keys: str) -> str:
    """Give the configuration of a callback of the class `name` in USER_CODE."""
    lines = [
        "[[pipelines.cam0.callbacks]]",
        f'name = "{name.lower()}"',
        f'target = "{{folder}}/mine.py:{name}"',
        f'policy = "{policy}"',
        *(f"{key} = {value}" for key, value in keys.items()),
    ]
    return "\n".join(lines)


@contextmanager
def daemon_of(tmp_path: Path, toml: str) -> Iterator[Daemon]:
    """Run a daemon whose user code is in `mine.py`."""
    folder = tmp_path / "d"
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(USER_CODE)
    with running(folder, toml.replace("{folder}", str(folder))) as daemon:
        yield daemon


def captured(n: int, session: str | None = None) -> Callable[[dict[str, Any]], bool]:
    """Make a predicate of a report: so many frames have been captured.

    Where there was a session before, name the one that is meant: the last report of
    the other may still be on its way.
    """

    def is_it(report: dict[str, Any]) -> bool:
        is_running = report["state"] == "running"
        is_meant = session in (None, report["session"])
        return is_running and is_meant and report["counts"]["captured"] >= n

    return is_it


def pid_in(message: dict[str, Any], worker: str) -> int | None:
    """Give the pid of a worker as a report has it."""
    found = next(w for w in message["workers"] if w["name"] == worker)
    return found["pid"] if found["state"] == "running" else None


def kill_and_wait(daemon: Daemon, telemetry: Telemetry, *workers: str) -> int:
    """Kill workers and wait for their successors; give how many frames there are."""
    old = {worker: daemon.pid(worker) for worker in workers}
    for pid in old.values():
        os.kill(pid, signal.SIGKILL)

    def are_back(message: dict[str, Any]) -> bool:
        return all(pid_in(message, w) not in (None, pid) for w, pid in old.items())

    return int(wait_for(telemetry, METRICS, are_back, LONG_S)["counts"]["captured"])


def stop(daemon: Daemon) -> dict[str, Any]:
    """Stop the session; give what came of it."""
    result: dict[str, Any] = daemon.call("session.stop")["sessions"][0]
    return result


def wait_gone(pidfds: list[int], timeout_s: float) -> bool:
    """Wait until all these processes have ended."""
    poll, left = select.poll(), set(pidfds)
    for fd in pidfds:
        poll.register(fd, select.POLLIN)
    while left:
        ready = poll.poll(timeout_s * 1000)
        if not ready:
            return False
        for fd, _ in ready:
            poll.unregister(fd)
            left.discard(fd)
    return True


def check_nothing_lost(daemon: Daemon) -> Left:
    """All that was captured is recorded."""
    left = check_agreement(daemon)
    assert left.counts.dropped == {}
    assert left.seqs == list(range(left.counts.captured))
    return left


def check_lost_are_counted(left: Left) -> int:
    """Frames that are not in the recording were dropped or skipped; give how many."""
    missing = set(range(left.counts.captured)) - set(left.seqs)
    main = left.counts.encoders["main"]
    dropped = sum(left.counts.dropped.values())
    assert len(missing) == dropped + sum(main.skipped.values())
    assert left.counts.broken() == []
    return len(missing)


@pytest.mark.parametrize(
    ("width", "height", "slots", "frames"),
    [
        (64, 48, 32, 100),
        # 640 x 480 x 3 for 3 s; the disk may stall for a second
        pytest.param(1920, 480, 256, 600, marks=pytest.mark.system),
    ],
)
def test_an_encoder_that_stands_still_loses_nothing(
    tmp_path: Path, width: int, height: int, slots: int, frames: int
) -> None:
    toml = config(ring(slots=slots), width, height)
    with (
        daemon_of(tmp_path, toml) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        before = wait_for(telemetry, METRICS, captured(50))["counts"]["captured"]
        daemon.signal("main", signal.SIGSTOP)
        stands = wait_for(telemetry, METRICS, captured(before + frames))
        daemon.signal("main", signal.SIGCONT)
        stop(daemon)
        left = check_nothing_lost(daemon)

    assert stands["overflow"]["used"] > 0
    assert max(int(row["overflow_used"]) for row in left.rows) > 0


def test_a_killed_encoder_loses_nothing_and_writes_nothing_twice(
    tmp_path: Path,
) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        n = kill_and_wait(daemon, telemetry, "main")
        wait_for(telemetry, METRICS, captured(n + 50))
        stop(daemon)
        left = check_nothing_lost(daemon)

    assert [e["worker"] for e in left.manifest.events if e["name"] == "worker_died"]


@pytest.mark.system
def test_an_encoder_that_is_killed_four_times_loses_nothing(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        for _ in range(4):
            n = kill_and_wait(daemon, telemetry, "main")
            wait_for(telemetry, METRICS, captured(n + 20))
        stop(daemon)
        left = check_nothing_lost(daemon)

    died = [e for e in left.manifest.events if e["name"] == "worker_died"]
    assert len(died) == 4


@pytest.mark.system
def test_an_encoder_that_is_killed_too_often_ends_the_session(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        for _ in range(4):
            kill_and_wait(daemon, telemetry, "main")
        daemon.signal("main", signal.SIGKILL)
        wait_for(telemetry, METRICS, lambda m: m["state"] == "incomplete", LONG_S)
        counts = accounts(daemon.pipeline()["counts"])
        left = what_is_left(daemon)
        again = record(daemon, frames=10)

    main = counts.encoders["main"]
    assert counts.broken() == []
    assert set(main.skipped) == {"undrained"}
    assert len(left.seqs) >= main.recorded
    assert again["state"] == "complete"


@pytest.mark.system
def test_an_inline_callback_is_not_blamed_for_the_encoders_death(
    tmp_path: Path,
) -> None:
    toml = config(ring() + "\n" + callback("Telling", inline="true"))
    with (
        daemon_of(tmp_path, toml) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(100))
        n = kill_and_wait(daemon, telemetry, "main")
        wait_for(telemetry, METRICS, captured(n + 20))
        stop(daemon)
        left = check_nothing_lost(daemon)

    assert left.counts.callbacks["telling"].skipped == {}


def test_a_killed_capture_leaves_a_gap_that_is_counted(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        os.kill(daemon.pid("capture"), signal.SIGKILL)
        wait_for(telemetry, EVENTS, lambda m: m["name"] == "capture_back", LONG_S)
        stop(daemon)
        left = check_agreement(daemon)

    check_lost_are_counted(left)
    back = [e for e in left.manifest.events if e["name"] == "capture_back"]
    missed = left.counts.missed["capture_restart"]
    assert missed > 0
    assert back[0]["missed"] == {"capture_restart": missed}
    gaps = [int(row["missed_before"]) for row in left.rows]
    assert missed in gaps


@pytest.mark.system
def test_capture_and_encoder_die_at_once(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        daemon.signal("main", signal.SIGSTOP)  # so that it has much to catch up with
        wait_for(telemetry, METRICS, captured(150))
        n = kill_and_wait(daemon, telemetry, "capture", "main")
        wait_for(telemetry, METRICS, captured(n + 50), LONG_S)
        stop(daemon)
        left = check_agreement(daemon)

    check_lost_are_counted(left)
    assert left.counts.missed["capture_restart"] > 0
    assert set(left.counts.dropped) <= {"capture_restart", "overflow_slow"}


@pytest.mark.system
def test_a_capture_that_is_killed_three_times_counts_three_gaps(
    tmp_path: Path,
) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        for _ in range(3):
            os.kill(daemon.pid("capture"), signal.SIGKILL)
            wait_for(telemetry, EVENTS, lambda m: m["name"] == "capture_back", LONG_S)
        stop(daemon)
        left = check_agreement(daemon)

    check_lost_are_counted(left)
    gaps = [e["missed"] for e in left.manifest.events if e["name"] == "capture_back"]
    told = sum(gap.get("capture_restart", 0) for gap in gaps)
    assert told == left.counts.missed["capture_restart"]


@pytest.mark.system
def test_frames_up_to_the_end_are_missed_if_the_camera_does_not_come_back(
    tmp_path: Path,
) -> None:
    toml = config(ring()).replace('"synthetic"', '"{folder}/mine.py:Once"')
    with (
        daemon_of(tmp_path, toml) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        os.kill(daemon.pid("capture"), signal.SIGKILL)
        wait_for(telemetry, EVENTS, lambda m: m["name"] == "failed", LONG_S)
        asked_ns = boottime_ns()
        stop(daemon)
        stopped_ns = boottime_ns()
        left = check_agreement(daemon)

    check_lost_are_counted(left)
    before = sum(int(row["missed_before"]) for row in left.rows)
    first_ns = int(left.rows[0]["t_sensor_ns"])
    least, most = ((t - first_ns) * FPS / 1e9 for t in (asked_ns, stopped_ns))
    assert left.counts.missed["capture_restart"] > 0
    assert sum(left.counts.missed.values()) > before
    assert least - 2 <= left.counts.expected <= most + 2


@pytest.mark.system
def test_a_capture_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        daemon.signal("capture", signal.SIGSTOP)
        stop(daemon)
        left = check_agreement(daemon)
        again = record(daemon, frames=10)

    check_lost_are_counted(left)
    assert again["state"] == "complete"


@pytest.mark.system
def test_a_source_without_readers_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    toml = config().replace("encoder = {}", "")
    with daemon_of(tmp_path, toml) as daemon:
        begin(daemon)
        daemon.signal("capture", signal.SIGSTOP)
        stopped = daemon.call("session.stop", timeout_s=20.0)["sessions"][0]
        again = record(daemon, frames=10)

    assert stopped["state"] in ("complete", "incomplete")
    assert again["state"] == "complete"


@pytest.mark.system
def test_a_source_that_fails_is_opened_again(tmp_path: Path) -> None:
    toml = config(ring()).replace('"synthetic"', '"{folder}/mine.py:Flaky"')
    with (
        daemon_of(tmp_path, toml) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        failed = wait_for(telemetry, EVENTS, lambda m: m["name"] == "source_failed")
        wait_for(telemetry, METRICS, captured(70), LONG_S)
        stop(daemon)
        left = check_agreement(daemon)

    assert "the cable is loose" in failed["details"]["message"]
    assert left.seqs == list(range(left.counts.captured))
    assert left.counts.missed["capture_restart"] > 0


@pytest.mark.system
def test_a_timetable_goes_on_after_capture_has_died(tmp_path: Path) -> None:
    times = [i / 10 for i in range(40)]
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon, f"schedule.times_s={times}", "schedule.late=catch-up")
        wait_for(telemetry, METRICS, captured(5))
        os.kill(daemon.pid("capture"), signal.SIGKILL)
        result = daemon.call("session.wait")["sessions"][0]
        left = check_agreement(daemon, timed=True)

    assert result["reason"] == "timetable"
    assert left.counts.captured <= len(times)
    stamps = [int(row["t_sensor_ns"]) for row in left.rows]
    assert (stamps[-1] - stamps[0]) / 1e9 == pytest.approx(times[-1], abs=0.3)


@pytest.mark.system
def test_triggers_that_capture_cannot_hear_are_served_by_its_successor(
    tmp_path: Path,
) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon, "schedule.trigger=true", "schedule.frames_per_trigger=2")
        daemon.call("trigger", n=3)
        wait_for(telemetry, METRICS, captured(3))
        daemon.signal("capture", signal.SIGSTOP)
        daemon.call("trigger")
        daemon.signal("capture", signal.SIGKILL)
        daemon.call("trigger", n=4)
        wait_for(telemetry, METRICS, captured(9), LONG_S)
        stop(daemon)
        left = check_agreement(daemon, timed=True)

    assert left.counts.captured == 9


@pytest.mark.system
def test_a_killed_callback_leaves_the_recording_alone(tmp_path: Path) -> None:
    topic = "callback.cam0.telling"
    with (
        daemon_of(tmp_path, config(ring() + "\n" + callback("Telling"))) as daemon,
        listening(daemon, METRICS, topic) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(20))
        n = kill_and_wait(daemon, telemetry, "telling")
        heard(telemetry, topic, n + 20)
        stop(daemon)
        left = check_nothing_lost(daemon)

    assert set(left.counts.callbacks["telling"].skipped) <= {"behind"}


@pytest.mark.system
def test_a_callback_that_always_raises_is_given_up(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring() + "\n" + callback("Raising"))) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, EVENTS, lambda m: m["name"] == "gave_up", LONG_S)
        states = {w["name"]: w["state"] for w in daemon.pipeline()["workers"]}
        stop(daemon)
        left = check_nothing_lost(daemon)

    assert states == {"capture": "running", "main": "running", "raising": "fatal"}
    assert left.manifest.state == "complete"
    raising = left.counts.callbacks["raising"]
    assert raising.skipped["callback_error"] > 0


@pytest.mark.system
def test_an_inline_callback_that_always_raises_is_switched_off(tmp_path: Path) -> None:
    toml = config(ring() + "\n" + callback("Raising", inline="true"))
    with daemon_of(tmp_path, toml) as daemon:
        record(daemon, frames=40)
        left = check_nothing_lost(daemon)

    names = [event["name"] for event in left.manifest.events]
    assert names.count("callback_error") == 5
    assert names.count("callback_off") == 1
    assert left.counts.callbacks["raising"].skipped == {"callback_error": 40}


def test_a_slow_callback_costs_no_recorded_frame(tmp_path: Path) -> None:
    toml = config(ring("none", slots=16) + "\n" + callback("Slow"))
    with daemon_of(tmp_path, toml) as daemon:
        record(daemon, "source.fps=100", frames=100)
        left = check_nothing_lost(daemon)

    slow = left.counts.callbacks["slow"]
    evicted = [e for e in left.manifest.events if e["name"] == "evicted"]
    assert slow.delivered > 0
    assert slow.skipped == {"behind": 100 - slow.delivered}
    assert evicted
    assert {event["reader"] for event in evicted} == {"slow"}


@pytest.mark.system
def test_a_session_with_thousands_of_events_is_closed(tmp_path: Path) -> None:
    toml = config(ring("none", slots=2) + "\n" + callback("Slow"))
    asked = ("source.fps=2000", "callbacks.slow.settings.pause_s=0.001")
    with daemon_of(tmp_path, toml) as daemon:
        result = record(daemon, *asked, duration_s=4)
        left = check_agreement(daemon)

    assert len(left.manifest.events) > 400
    assert result["state"] == "complete"


def test_a_killed_gateway_leaves_the_recording_alone(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        gateway = daemon.call("status")["gateway"]["pid"]
        before = wait_for(telemetry, METRICS, captured(50))["counts"]["captured"]
        os.kill(gateway, signal.SIGKILL)
        wait_for(telemetry, METRICS, captured(before + 100), LONG_S)
        served_by = daemon.call("status")["gateway"]["pid"]
        stop(daemon)
        check_nothing_lost(daemon)

    assert served_by != gateway


@pytest.mark.system
def test_who_waits_for_a_session_is_served_by_the_next_gateway(tmp_path: Path) -> None:
    from imagemp.client import Control

    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
        Control(daemon.runtime) as control,
    ):
        session = begin(daemon, duration_s=2)
        wait_for(telemetry, METRICS, captured(20))
        os.kill(daemon.call("status")["gateway"]["pid"], signal.SIGKILL)
        result = control.call("session.wait", {"session": session}, LONG_S)
        check_nothing_lost(daemon)

    assert result["sessions"][0]["state"] == "complete"


def test_without_its_supervisor_the_encoder_saves_what_there_is(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    daemon = Daemon(folder, config(ring()))
    with listening(daemon, METRICS) as telemetry:
        begin(daemon)
        daemon.signal("main", signal.SIGSTOP)  # so that there is much to save
        last = wait_for(telemetry, METRICS, captured(150))
    pids = [w["pid"] for w in daemon.pipeline()["workers"]]
    pids.append(daemon.call("status")["gateway"]["pid"])
    pidfds = [os.pidfd_open(pid) for pid in pids]
    daemon.process.kill()
    daemon.process.wait()
    os.kill(pids[1], signal.SIGCONT)

    assert wait_gone(pidfds, 10.0)
    left = what_is_left(daemon)
    assert left.manifest.state == "incomplete"
    assert len(left.seqs) >= last["counts"]["published"]
    assert left.seqs == list(range(len(left.seqs)))
    assert [int(row["seq"]) for row in left.rows] == left.seqs
    assert left.manifest.counts["encoders"]["main"]["recorded"] == len(left.seqs)
    check_starts_again(daemon)


def check_starts_again(daemon: Daemon) -> None:
    """A new daemon in the folder of one that was killed works."""
    daemon.stop()
    (daemon.folder / "notify").unlink()
    with running(daemon.folder, config(ring())) as successor:
        assert record(successor, frames=10)["state"] == "complete"
        check_nothing_lost(successor)


def test_what_finds_no_room_is_just_what_is_missing(tmp_path: Path) -> None:
    size = "1 MiB"  # 256 frames
    with (
        daemon_of(tmp_path, config(ring(size=size, slots=16))) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon, "source.fps=1000")
        daemon.signal("main", signal.SIGSTOP)
        told = wait_for(
            telemetry, METRICS, lambda m: sum(m["counts"]["dropped"].values()) > 50
        )
        daemon.signal("main", signal.SIGCONT)
        stop(daemon)
        left = check_agreement(daemon)

    assert told["overflow"]["used"] > 0
    assert check_lost_are_counted(left) > 50


@pytest.mark.system
def test_a_file_that_may_not_grow_ends_the_session(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config(ring())) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        limit = (400_000, resource.RLIM_INFINITY)  # some 120 frames
        resource.prlimit(daemon.pid("main"), resource.RLIMIT_FSIZE, limit)
        session = begin(daemon)
        wait_for(telemetry, METRICS, lambda m: m["state"] == "incomplete")
        result = daemon.call("session.wait", session=session)["sessions"][0]
        left = check_agreement(daemon)
        free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.pid("main"), resource.RLIMIT_FSIZE, free)
        again = record(daemon, frames=10)

    check_full(left, result)
    assert again["state"] == "complete"


def check_full(left: Left, result: dict[str, Any]) -> None:
    """The session ended by itself; what it had recorded is whole."""
    main = left.counts.encoders["main"]
    assert result["state"] == left.manifest.state == "incomplete"
    assert result["error"]["code"] == "E_DISK"
    assert main.recorded > 0 < main.skipped["disk_full"]
    assert left.seqs == list(range(len(left.seqs)))
    assert [e for e in left.manifest.events if e["name"] == "disk_full"]
    check_lost_are_counted(left)


def test_sigterm_drains_and_exits_with_0(tmp_path: Path) -> None:
    with daemon_of(tmp_path, config(ring())) as daemon:
        with listening(daemon, METRICS) as telemetry:
            begin(daemon)
            wait_for(telemetry, METRICS, captured(50))
        code = daemon.stop()
    left = what_is_left(daemon)

    assert code == 0
    assert left.manifest.state == "complete"
    assert left.counts.broken() == []
    assert left.seqs == list(range(left.counts.captured))


@pytest.mark.system
def test_a_second_sigterm_leaves_what_is_not_written(tmp_path: Path) -> None:
    toml = config(ring() + "\n" + callback("Slow", inline="true"))
    with daemon_of(tmp_path, toml) as daemon:
        with listening(daemon, METRICS, "state") as telemetry:
            begin(daemon)
            wait_for(telemetry, METRICS, captured(100))
            daemon.process.send_signal(signal.SIGTERM)
            wait_for(telemetry, "state", lambda m: m["state"] == "stopping")
        daemon.process.send_signal(signal.SIGTERM)
        code = daemon.stop()
    left = what_is_left(daemon)

    main = left.counts.encoders["main"]
    assert code == 0
    assert main.skipped["undrained"] > 50
    assert check_lost_are_counted(left) == main.skipped["undrained"]


@pytest.mark.system
def test_stop_now_leaves_what_is_not_written(tmp_path: Path) -> None:
    toml = config(ring() + "\n" + callback("Slow", inline="true"))
    with (
        daemon_of(tmp_path, toml) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(100))
        daemon.call("session.stop", now=True)
        left = check_agreement(daemon)

    main = left.counts.encoders["main"]
    assert main.skipped["undrained"] > 50
    assert check_lost_are_counted(left) == main.skipped["undrained"]


def test_a_session_that_is_stopped_while_it_starts_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    with daemon_of(tmp_path, config(ring())) as daemon:
        for _ in range(5):
            begin(daemon, wait="none")
            result = stop(daemon)
            assert result["state"] == "complete", result
        again = record(daemon, frames=10)
        check_nothing_lost(daemon)
        states = [read_state(path) for path in sessions_of(daemon)]

    assert again["state"] == "complete"
    assert set(states) <= {"complete", "incomplete"}


def sessions_of(daemon: Daemon) -> list[Path]:
    """Give the folders of all sessions."""
    return sorted((daemon.folder / "data" / "cam0").iterdir())


def read_state(folder: Path) -> str:
    """Give the state in a session.json."""
    from imagemp.recording.manifest import read_manifest

    return read_manifest(folder).state


@pytest.mark.system
def test_a_session_cannot_be_stopped_twice(tmp_path: Path) -> None:
    with daemon_of(tmp_path, config(ring())) as daemon:
        record(daemon, frames=10)
        with pytest.raises(ControlError, match="no session is on") as refused:
            stop(daemon)

    assert refused.value.code == "E_NOT_RUNNING"
