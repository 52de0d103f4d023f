"""What a session leaves agrees: pixels, pages, rows, manifest, reports and status.

One daemon serves all tests of the options that a session may set for itself.
"""

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
import pytest

from imagemp.client import Telemetry
from imagemp.counts import Counts
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import ControlError
from imagemp.recording.manifest import Manifest, read_manifest
from imagemp.recording.reading import frames, read_pixels
from tests.running import Daemon, running

METRICS = "metrics.cam0"
SOON_S = 10.0
PERIOD_MS = 5  # of the sources below

USER_CODE = """
import os
import time

import numpy as np

from imagemp.callback import Callback
from imagemp.daemon.sources.base import Grab, Source
from imagemp.daemon.sources.pace import Pace
from imagemp.spec import Field, FrameSpec


class Probe(Callback):
    '''Tells what it was given; returns every second frame.'''

    def set_up(self, settings):
        self.settings = dict(settings)

    def process(self, frame):
        time.sleep(self.settings.get("sleep_s", 0))
        kept = [one.info.seq for one in self.buffer]
        told = {"seq": frame.info.seq, "kept": kept, "pid": os.getpid()}
        self.send({**told, "settings": self.settings})
        return frame if frame.info.seq % 2 == 0 else None


class Warm(Source):
    '''Four numbers a frame, and the lamp's heat beside them.'''

    def open(self):
        self.fps, self.n = 200.0, self.first_seq
        self.pace = Pace(self.fps)
        fields = (Field("lamp_c", "f8"), Field("shot", "S4"))
        return FrameSpec.image((2, 2), "<u2", fields)

    def grab(self, wake):
        if not self.pace.wait(wake):
            return None
        t_sensor_ns, missed = self.pace.take_newest()
        self.n += 1
        told = {"lamp_c": self.n / 4, "shot": f"s{self.n}"}
        return Grab(t_sensor_ns, missed, fields=told)

    def retrieve(self, frame):
        frame.image[:] = self.n

    def close(self):
        pass


def three_times():
    yield from (0, 0.05, 0.1)
"""

NONE_MISSED = ("source.fps=0", "ring.when_full=wait")  # however busy the machine is
CONFIG = """
[telemetry]
rate_hz = 10

[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
encoder = {}

[pipelines.probed]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
encoder = {}
[[pipelines.probed.callbacks]]
name = "probe"
target = "{folder}/mine.py:Probe"
policy = "every"

[pipelines.inside]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
encoder = {}
[[pipelines.inside.callbacks]]
name = "probe"
target = "{folder}/mine.py:Probe"
inline = true

[pipelines.warm]
source = { kind = "{folder}/mine.py:Warm" }
encoder = {}

[pipelines.listed]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
schedule = { file = "times.csv" }
encoder = {}

[pipelines.planned]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
schedule = { generator = "{folder}/mine.py:three_times" }
encoder = {}
"""


@dataclass(frozen=True, slots=True)
class Left:
    """What a session left on disk.

    Attributes:
        path: Its folder.
        manifest: Its session.json.
        rows: Of its frame log.
        seqs: The seq drawn in each page, in order of the pages.
    """

    path: Path
    manifest: Manifest
    rows: list[dict[str, str]]
    seqs: list[int]

    @property
    def counts(self) -> Counts:
        """The accounts in the manifest."""
        return accounts(self.manifest.counts)


def accounts(plain: Any) -> Counts:  # noqa: ANN401 - as JSON has them
    """Give counts that came as JSON."""
    return msgspec.convert(plain, Counts)


def newest(daemon: Daemon, pipeline: str = "cam0") -> Path:
    """Give the folder of the session that was written last.

    By time: two that began in one second are told apart by a random token alone.
    """
    found = (daemon.folder / "data" / pipeline).iterdir()
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def what_is_left(daemon: Daemon, pipeline: str = "cam0", encoder: str = "main") -> Left:
    """Read what the newest session left, each page."""
    path = newest(daemon, pipeline)
    stem = "frames" if encoder == "main" else encoder
    with (path / f"{stem}.csv").open(newline="") as log:
        rows = list(csv.DictReader(log))
    found = [read_pixels(file, frame[0]) for file, frame in frames(path, encoder)]
    seqs = [read_seq(pixels) for pixels in found]
    return Left(path, read_manifest(path), rows, seqs)


def check_agreement(
    daemon: Daemon, pipeline: str = "cam0", *, timed: bool = False
) -> Left:
    """Read a session that is over: everything that counts frames says the same.

    Args:
        daemon: Still running.
        pipeline: Whose newest session it is.
        timed: It had a timetable: the seqs drawn count the frames let go as well.
    """
    left = what_is_left(daemon, pipeline)
    counts = left.counts
    recorded = next(iter(counts.encoders.values())).recorded
    assert counts.broken() == []
    assert counts.staged == 0
    rows = [int(row["seq"]) for row in left.rows]
    assert rows == (list(range(recorded)) if timed else left.seqs)
    assert rows == sorted(set(rows))
    assert len(left.seqs) == recorded
    assert accounts(daemon.pipeline(pipeline)["counts"]) == counts
    return left


def record(
    daemon: Daemon,
    *overrides: str,
    pipeline: str = "cam0",
    **params: Any,  # noqa: ANN401 - as the wire has them
) -> dict[str, Any]:
    """Run a session to its end; give what `session.start` answers of it."""
    answer = daemon.call(
        "session.start",
        pipelines=[pipeline],
        overrides=list(overrides),
        wait="done",
        **params,
    )
    result: dict[str, Any] = answer["sessions"][0]
    return result


def begin(
    daemon: Daemon,
    *overrides: str,
    pipeline: str = "cam0",
    **params: Any,  # noqa: ANN401 - as the wire has them
) -> str:
    """Start a session; give its id once the first frame is there."""
    answer = daemon.call(
        "session.start", pipelines=[pipeline], overrides=list(overrides), **params
    )
    return str(answer["sessions"][0]["session"])


@contextmanager
def listening(daemon: Daemon, *topics: str) -> Iterator[Telemetry]:
    """Subscribe; what is published from now on is received."""
    with Telemetry(["hb", *topics], daemon.runtime) as telemetry:
        wait_for(telemetry, "hb", lambda _: True)
        yield telemetry


def wait_for(
    telemetry: Telemetry,
    topic: str,
    is_it: Any,  # noqa: ANN401 - a predicate of a message
    timeout_s: float = SOON_S,
) -> dict[str, Any]:
    """Give the first message of a topic that is the one; fail if none comes."""
    until = time.monotonic() + timeout_s
    last: dict[str, Any] = {}
    while (left_s := until - time.monotonic()) > 0:
        message = telemetry.receive(left_s)
        if message is not None and message[0] == topic:
            last = message[1]
            if is_it(last):
                return last
    raise AssertionError(f"{topic}: not within {timeout_s} s; the last was {last}")


def has_ended(session: str) -> Callable[[dict[str, Any]], bool]:
    """Make a predicate of an event: all files of this session are closed."""
    ends = ("complete", "incomplete")
    return lambda m: m.get("session") == session and m["details"].get("stage") in ends


def heard(telemetry: Telemetry, topic: str, until_seq: int) -> list[dict[str, Any]]:
    """Give what a probe has told, up to a frame."""
    bodies: list[dict[str, Any]] = []

    def is_last(message: dict[str, Any]) -> bool:
        bodies.append(message["body"])
        return bool(message["body"]["seq"] >= until_seq)

    wait_for(telemetry, topic, is_last)
    return bodies


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "mine.py").write_text(USER_CODE)
    (folder / "times.csv").write_text("t_s\n0\n0.05\n0.1\n0.15\n")
    with running(folder, CONFIG) as started:
        yield started


def test_pixels_rows_manifest_report_and_status_agree(daemon: Daemon) -> None:
    with listening(daemon, METRICS) as telemetry:
        result = record(daemon, frames=50)
        final = wait_for(
            telemetry,
            METRICS,
            lambda m: m["session"] == result["session"] and m["state"] == "complete",
        )
    left = check_agreement(daemon)

    assert left.counts.captured == 50
    assert left.manifest.state == "complete"
    assert accounts(final["counts"]) == accounts(result["counts"]) == left.counts
    assert sum(file.pages for file in left.manifest.files) == len(left.seqs)


@pytest.mark.system  # a busy machine needs longer
def test_one_request_starts_two_pipelines(daemon: Daemon) -> None:
    answer = daemon.call(
        "session.start", pipelines=["cam0", "warm"], frames=20, wait="done"
    )

    assert [s["pipeline"] for s in answer["sessions"]] == ["cam0", "warm"]
    assert {s["state"] for s in answer["sessions"]} == {"complete"}
    assert check_agreement(daemon).counts.captured == 20
    assert read_manifest(newest(daemon, "warm")).counts["captured"] == 20


def test_every_plane_of_a_frame_is_a_page(daemon: Daemon) -> None:
    record(daemon, "source.depth=true", "source.channels=3", frames=10)
    left = check_agreement(daemon)

    found = [
        (one.plane, read_seq(read_pixels(file, one)), read_pixels(file, one).dtype.str)
        for file, frame in frames(left.path)
        for one in frame
    ]
    planes = [(0, "|u1"), (1, "<u2")]
    assert found == [(n, seq, dtype) for seq in left.seqs for n, dtype in planes]


@pytest.mark.parametrize("dtype", ["u2", "f4", "i2"])
def test_a_page_has_the_type_of_its_frame(daemon: Daemon, dtype: str) -> None:
    record(daemon, f"source.dtype={dtype}", "source.fps=1000", frames=5)
    left = check_agreement(daemon)

    kinds = {read_pixels(file, frame[0]).dtype for file, frame in frames(left.path)}
    assert kinds == {np.dtype(dtype)}


def test_the_fields_of_a_users_source_stand_in_the_rows(daemon: Daemon) -> None:
    record(daemon, pipeline="warm", frames=10)

    path = newest(daemon, "warm")
    with (path / "frames.csv").open(newline="") as log:
        rows = list(csv.DictReader(log))
    told = [(int(row["seq"]), float(row["lamp_c"]), row["shot"]) for row in rows]
    assert told == [(n, (n + 1) / 4, f"s{n + 1}") for n in range(10)]
    pixels = [read_pixels(file, frame[0]) for file, frame in frames(path)]
    assert [int(p[0, 0]) for p in pixels] == list(range(1, 11))


def test_a_duration_counts_from_the_first_frame(daemon: Daemon) -> None:
    result = record(daemon, duration_s=0.5)
    left = check_agreement(daemon)

    stamps = [int(row["t_sensor_ns"]) for row in left.rows]
    assert result["reason"] == "duration"
    assert 0.4 < (stamps[-1] - stamps[0]) / 1e9 < 0.5
    assert 80 < left.counts.expected <= 100


@pytest.mark.system
def test_a_time_in_the_future_is_waited_for(daemon: Daemon) -> None:
    at = time.time() + 5.4  # cameras are opened 5 s before
    record(daemon, frames=5, at=at, force=True)
    left = check_agreement(daemon, timed=True)

    stages = [e for e in left.manifest.events if e["name"] == "stage"]
    (opened,) = (e["t_unix_ns"] for e in stages if e["stage"] == "starting")
    assert opened / 1e9 >= at - 5
    assert int(left.rows[0]["t_unix_ns"]) / 1e9 >= at - 0.01


def test_a_session_that_waits_for_its_time_can_be_stopped(daemon: Daemon) -> None:
    daemon.call("session.start", pipelines=["cam0"], at=time.time() + 3600, force=True)
    waiting = daemon.pipeline()["state"]
    stopped = daemon.call("session.stop", pipelines=["cam0"])["sessions"][0]

    assert waiting == "waiting"
    assert (stopped["state"], stopped["reason"]) == ("complete", "stopped")


def test_the_same_idem_is_one_session(daemon: Daemon) -> None:
    from imagemp.client import Control

    params = {"pipelines": ["cam0"], "frames": 5, "wait": "done"}
    with Control(daemon.runtime) as control:
        first = control.call("session.start", params, SOON_S, idem="one")
        again = control.call("session.start", params, SOON_S, idem="one")
        other = control.call("session.start", params, SOON_S, idem="two")

    ids = [answer["sessions"][0]["session"] for answer in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


def test_a_second_start_is_refused_and_costs_the_first_nothing(daemon: Daemon) -> None:
    daemon.call("session.start", pipelines=["cam0"], frames=100)
    with pytest.raises(ControlError, match="cam0") as refused:
        daemon.call("session.start", pipelines=["cam0"])
    daemon.call("session.stop", pipelines=["cam0"])

    assert refused.value.code == "E_ALREADY_RUNNING"
    assert check_agreement(daemon).counts.dropped == {}


@pytest.mark.parametrize(
    ("overflow", "slots"), [("none", 0), ("memory", 25), ("disk", 25)]
)
def test_overflow_is_where_and_as_large_as_it_was_asked_for(
    daemon: Daemon, overflow: str, slots: int
) -> None:
    size = 25 * 4096  # a frame is 64 x 48, so a page
    asked = [f"ring.overflow={overflow}", f"ring.overflow_size='{size} B'"]
    daemon.call("session.start", pipelines=["cam0"], overrides=asked)
    found, pid = daemon.pipeline()["overflow"], daemon.pid("capture")
    data = daemon.folder / "data"
    opened = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    on_disk = [name for name in opened if name.startswith(f"{data}/#")]
    daemon.call("session.stop", pipelines=["cam0"])

    assert found["slots"] == slots
    assert bool(on_disk) is (overflow == "disk")


def test_slots_are_as_many_as_asked_for(daemon: Daemon) -> None:
    daemon.call("session.start", pipelines=["cam0"], overrides=["ring.slots=7"])
    found = daemon.pipeline()["ring"]
    daemon.call("session.stop", pipelines=["cam0"])

    assert found["slots"] == 7
    assert 1 <= found["high_water"] <= 7


def test_who_drops_loses_frames_and_counts_them(daemon: Daemon) -> None:
    asked = ["ring.slots=4", "ring.overflow=none", "ring.when_full=drop"]
    slow = ["callbacks.probe.settings.sleep_s=0.02"]
    record(daemon, *asked, *slow, pipeline="inside", frames=60)
    left = check_agreement(daemon, "inside")

    assert left.counts.dropped["ring_full"] == 60 - len(left.seqs) > 0


def test_who_waits_loses_none(daemon: Daemon) -> None:
    asked = ["ring.slots=4", "ring.when_full=wait", "source.fps=0"]
    slow = ["callbacks.probe.settings.sleep_s=0.005"]
    record(daemon, *asked, *slow, pipeline="inside", frames=60)
    left = check_agreement(daemon, "inside")

    assert left.seqs == list(range(60))
    assert left.counts.dropped == {}


@pytest.mark.parametrize(
    ("limit", "files"),
    [
        ("segment_pages=20", [20, 20, 10]),
        ("segment_size='100 kB'", None),
        ("segment_s=0.1", None),
        ("segment_pages=0", [50]),
    ],
)
def test_a_full_segment_is_followed_by_another(
    daemon: Daemon, limit: str, files: list[int] | None
) -> None:
    record(daemon, f"encoder.{limit}", frames=50)
    left = check_agreement(daemon)

    found = [file.pages for file in left.manifest.files]
    assert sum(found) == 50
    assert found == files if files else len(found) >= 2
    assert [file.name for file in left.manifest.files] == [
        f"frames-{n:04}.tif" for n in range(len(found))
    ]


def test_sync_ms_says_how_soon_frames_are_durable(daemon: Daemon) -> None:
    durable, lags_ms = [], []
    for sync_ms in (1, 60_000):
        with listening(daemon, METRICS) as telemetry:
            asked = [f"encoder.sync_ms={sync_ms}"]
            session = begin(daemon, *asked)
            told = wait_for(
                telemetry,
                METRICS,
                lambda m, s=session: m["session"] == s and _recorded(m) > 100,
            )
        daemon.call("session.stop", pipelines=["cam0"])
        durable.append(told["counts"]["encoders"]["main"]["durable"])
        lags_ms.append(told["encoders"]["main"]["durable_lag_ms"])
        main = check_agreement(daemon).counts.encoders["main"]
        assert main.durable == main.recorded

    assert durable[0] > 0 == durable[1]
    assert lags_ms[1] >= 100  # the first of 100 frames is half a second old


def test_that_a_frame_is_durable_is_told_though_no_other_comes(daemon: Daemon) -> None:
    with listening(daemon, METRICS) as telemetry:
        daemon.call(
            "session.start",
            pipelines=["cam0"],
            overrides=["schedule.trigger=true", "encoder.sync_ms=400"],
        )
        daemon.call("trigger", pipelines=["cam0"], n=1)
        lags_ms: list[float] = []

        def is_durable(report: dict[str, Any]) -> bool:
            lags_ms.append(report["encoders"].get("main", {}).get("durable_lag_ms", 0))
            encoder = report["counts"]["encoders"].get("main", {})
            return bool(encoder.get("durable") == encoder.get("recorded") == 1)

        wait_for(telemetry, METRICS, is_durable)
    daemon.call("session.stop", pipelines=["cam0"])

    assert lags_ms[-1] == 0


def test_the_name_of_an_encoder_can_not_change_for_one_session(daemon: Daemon) -> None:
    with pytest.raises(ControlError, match="rename a worker"):
        record(daemon, "encoder.name=other", frames=5)


@pytest.mark.parametrize("pipeline", ["probed", "inside"])
def test_only_what_the_callback_returns_is_recorded(
    daemon: Daemon, pipeline: str
) -> None:
    asked = ["encoder.input=callback:probe", "ring.slots=64"]
    record(daemon, *asked, pipeline=pipeline, frames=40)
    left = what_is_left(daemon, pipeline)

    main = left.counts.encoders["main"]
    assert left.counts.broken() == []
    assert left.seqs == list(range(0, 40, 2))
    assert main.recorded == len(left.rows) == 20
    assert main.skipped == ({"filtered": 20} if pipeline == "inside" else {})


@pytest.mark.parametrize("pipeline", ["probed", "inside"])
@pytest.mark.parametrize("length", [1, 3])
def test_a_callback_looks_back_on_its_buffer(
    daemon: Daemon, pipeline: str, length: int
) -> None:
    topic = f"callback.{pipeline}.probe"
    with listening(daemon, topic) as telemetry:
        more = f"callbacks.probe.buffer_length={length}", "callbacks.probe.policy=every"
        asked = [*more, *NONE_MISSED]
        record(daemon, *asked, pipeline=pipeline, frames=10)
        bodies = heard(telemetry, topic, 9)

    assert bodies[-1]["kept"] == list(range(10))[-length:]
    assert max(len(body["kept"]) for body in bodies) == length


def test_settings_reach_the_callback(daemon: Daemon) -> None:
    topic = "callback.probed.probe"
    with listening(daemon, topic) as telemetry:
        asked = "callbacks.probe.settings.threshold=12"
        record(daemon, asked, pipeline="probed", frames=3)
        bodies = heard(telemetry, topic, 2)

    assert bodies[0]["settings"] == {"threshold": 12}


def test_inline_is_in_the_process_of_the_encoder(daemon: Daemon) -> None:
    pids = {}
    for pipeline in ("probed", "inside"):
        topic = f"callback.{pipeline}.probe"
        with listening(daemon, topic) as telemetry:
            record(daemon, pipeline=pipeline, frames=3)
            bodies = heard(telemetry, topic, 2)
        pids[pipeline] = bodies[0]["pid"]

    assert pids["probed"] == daemon.pid("probe", "probed")
    assert pids["inside"] == daemon.pid("main", "inside")


@pytest.mark.parametrize("policy", ["every", "latest"])
def test_the_policy_says_whether_a_callback_may_miss_frames(
    daemon: Daemon, policy: str
) -> None:
    asked = [f"callbacks.probe.policy={policy}", "ring.slots=64"]
    slow = ["callbacks.probe.settings.sleep_s=0.02"]
    record(daemon, *asked, *slow, pipeline="probed", frames=60)
    counts = check_agreement(daemon, "probed").counts

    probe = counts.callbacks["probe"]
    assert counts.encoders["main"].recorded == 60
    if policy == "every":
        assert (probe.delivered, probe.skipped) == (60, {})
    else:
        assert probe.delivered < 60
        assert probe.skipped == {"behind": 60 - probe.delivered}


def check_times(left: Left, times_ms: list[int]) -> None:
    """A deadline has the first frame from it on; a busy machine is late, not early."""
    stamps = [int(row["t_sensor_ns"]) for row in left.rows]
    late = [
        (stamp - stamps[0]) / 1e6 - deadline
        for stamp, deadline in zip(stamps, times_ms, strict=True)
    ]
    assert all(-PERIOD_MS <= ms < 200 for ms in late), late


@pytest.mark.parametrize(
    ("schedule", "times_ms"),
    [
        ("every_s=0.05", None),
        ("times_s=[0, 0.05, 0.2]", [0, 50, 200]),
        ("intervals_s=[0.05, 0.1]", [0, 50, 150]),
    ],
)
def test_a_timetable_says_which_frames_are_taken(
    daemon: Daemon, schedule: str, times_ms: list[int] | None
) -> None:
    limit = None if times_ms else 4
    record(daemon, f"schedule.{schedule}", "schedule.late=catch-up", frames=limit)
    left = check_agreement(daemon, timed=True)

    check_times(left, times_ms or [0, 50, 100, 150])
    assert left.counts.missed == {}


@pytest.mark.parametrize(("pipeline", "n"), [("listed", 4), ("planned", 3)])
def test_a_timetable_comes_from_a_file_or_a_generator(
    daemon: Daemon, pipeline: str, n: int
) -> None:
    result = record(daemon, "schedule.late=catch-up", pipeline=pipeline)
    left = check_agreement(daemon, pipeline, timed=True)

    assert result["reason"] == "timetable"
    check_times(left, [50 * i for i in range(n)])


def test_a_trigger_gives_as_many_frames_as_configured(daemon: Daemon) -> None:
    asked = ["schedule.trigger=true", "schedule.frames_per_trigger=3"]
    with listening(daemon, METRICS) as telemetry:
        daemon.call("session.start", pipelines=["cam0"], overrides=asked)
        armed = daemon.pipeline()["state"]
        daemon.call("trigger", pipelines=["cam0"])
        wait_for(telemetry, METRICS, lambda m: m["counts"]["captured"] == 3)
        daemon.call("trigger", pipelines=["cam0"], n=2)
        wait_for(telemetry, METRICS, lambda m: m["counts"]["captured"] == 5)
    daemon.call("session.stop", pipelines=["cam0"])

    assert armed == "armed"
    assert check_agreement(daemon, timed=True).counts.captured == 5


def test_a_start_that_is_put_off_takes_no_frame_before(daemon: Daemon) -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    record(daemon, "schedule.start_in_s=0.4", frames=3)
    left = check_agreement(daemon, timed=True)

    assert (int(left.rows[0]["t_sensor_ns"]) - before) / 1e9 >= 0.4


@pytest.mark.parametrize("late", ["skip", "catch-up"])
def test_late_deadlines_are_skipped_or_caught_up_with(
    daemon: Daemon, late: str
) -> None:
    dense = ", ".join(str(i / 1000) for i in range(20))  # 1 ms apart, a frame is 5
    record(daemon, f"schedule.times_s=[{dense}]", f"schedule.late={late}")
    left = check_agreement(daemon, timed=True)
    (told,) = (e for e in left.manifest.events if e["name"] == "timetable")

    captured = left.counts.captured
    assert captured == 20 if late == "catch-up" else captured <= 6
    assert told["late"] > 0 if late == "catch-up" else told["late"] == 20 - captured


def test_a_session_that_starts_with_the_daemon_is_reported_on(tmp_path: Path) -> None:
    config = """
[telemetry]
rate_hz = 1
[pipelines.cam0]
autostart = true
source = { kind = "synthetic", width = 64, height = 48, fps = 100 }
encoder = {}
"""
    with (
        running(tmp_path / "daemon", config) as started,
        Telemetry([METRICS], started.runtime) as telemetry,
    ):
        slow = report_period_s(telemetry, 2)
    check_autostarted(started)

    assert slow > 0.75  # half a second by default; a busy machine only adds to it


def test_the_rate_says_how_often_reports_come(daemon: Daemon) -> None:
    with listening(daemon, METRICS) as telemetry:
        session = begin(daemon)
        wait_for(telemetry, METRICS, lambda m: m["session"] == session)
        period = report_period_s(telemetry, 5)
    daemon.call("session.stop", pipelines=["cam0"])

    assert period < 0.4


def report_period_s(telemetry: Telemetry, periods: int) -> float:
    """Give the usual time between two reports of a session that records."""
    wait_for(telemetry, METRICS, lambda m: _recorded(m) > 0)
    stamps = [
        wait_for(telemetry, METRICS, lambda _: True)["t_mono_ns"]
        for _ in range(periods + 1)
    ]
    return float(median(after - before for before, after in pairwise(stamps))) / 1e9


def check_autostarted(daemon: Daemon) -> None:
    """Read what a daemon that has ended left of the session it began itself."""
    left = what_is_left(daemon)
    assert left.path.parent == daemon.folder / "data" / "cam0"
    assert left.manifest.state == "complete"
    assert left.counts.broken() == []
    assert left.seqs == [int(row["seq"]) for row in left.rows] != []


def test_a_disk_that_is_not_mounted_is_refused(tmp_path: Path) -> None:
    config = """
require_mount = true
[pipelines.cam0]
source = { kind = "synthetic" }
encoder = {}
"""
    with (
        running(tmp_path / "daemon", config) as started,
        pytest.raises(ControlError, match="not a mount point") as refused,
    ):
        started.call("session.start")

    assert refused.value.code == "E_DISK"
    assert not list((tmp_path / "daemon" / "data").glob("cam0/*"))


def _recorded(metrics: dict[str, Any]) -> int:
    encoders = metrics["counts"]["encoders"]
    return int(encoders["main"]["recorded"]) if encoders else 0
