"""Recording on demand: exactly the frames of the spans, whatever happens meanwhile.

Beside the encoder in question another one records all: its rows say which frames
there were, and when they came.
"""

import csv
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagemp.client import Control, Telemetry
from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import ControlError
from imagemp.recording.export.pictures import pictures_of
from imagemp.recording.mend.recorded import frames_in
from tests.running import Daemon, running

from .test_faults import METRICS, captured, kill_and_wait, stop, wait_gone
from .test_recording import (
    Left,
    begin,
    listening,
    record,
    wait_for,
    what_is_left,
)

EVENTS = "event.cam0"
ENDLESS = 2**62
USER_CODE = """
from imagemp.callback import Callback


class Watch(Callback):
    '''Triggers at one frame, in the way it is set to.'''

    def process(self, frame):
        if frame.info.seq == self.at:
            if self.how == "send":
                self.send({"trigger": True})
            else:
                self.trigger("seen")

    def set_up(self, settings):
        self.at, self.how = settings["at"], settings.get("how")


def watch(buffer, queue):
    watch.n = getattr(watch, "n", 0) + 1
    if watch.n == 80:
        queue.trigger()
"""
CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
ring = { slots = 64, overflow = "memory", overflow_size = "16 MiB" }
[[pipelines.cam0.encoder]]
name = "all"
[[pipelines.cam0.encoder]]
name = "part"
pre_s = 0.2
post_s = 0.1
segment_pages = 50
"""
WATCH = """
[[pipelines.cam0.callbacks]]
name = "watch"
target = "{folder}/mine.py:Watch"
policy = "every"
settings = { at = 80 }
"""
KINDS = {
    "plain": (),
    "compressed": ("encoder.part.compression=zstd",),
    "video": ("encoder.part.format=mkv", "encoder.part.codec=ffv1"),
}
NO_PRE = ("encoder.part.pre_s=0", "encoder.part.post_s=0")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    with running(folder, CONFIG) as started:
        yield started


def events(left: Left, name: str) -> list[dict[str, Any]]:
    """Give the events of a name in the manifest."""
    return [event for event in left.manifest.events if event["name"] == name]


def seqs_in(left: Left, spans: list[tuple[int, int]]) -> list[int]:
    """Give the frames that came in these spans, by what the other encoder has."""
    with (left.path / "all.csv").open(newline="") as log:
        rows = list(csv.DictReader(log))
    return [
        int(row["seq"])
        for row in rows
        if any(start <= int(row["t_arrival_ns"]) < end for start, end in spans)
    ]


def check_spans(daemon: Daemon, cause: str, pipeline: str = "cam0") -> Left:
    """What is recorded is what lies in the spans that were told; all adds up."""
    everything = what_is_left(daemon, pipeline, encoder="all")
    left = part_of(daemon, pipeline)
    counts = left.counts
    assert counts.broken() == []
    assert counts.dropped == {}
    assert everything.seqs == list(range(counts.published))
    told = events(left, "span_recorded")
    spans = [(e["from_ns"] or 0, e["to_ns"] or ENDLESS) for e in told]
    assert left.seqs == seqs_in(left, spans)
    line = counts.encoders["part"]
    assert line.recorded == len(left.seqs) == sum(e["frames"] for e in told)
    assert line.skipped == {cause: counts.published - len(left.seqs)}
    for event in told:
        check_places(left, event)
    return left


def part_of(daemon: Daemon, pipeline: str) -> Left:
    """Read what the encoder with the gate left, in whatever format."""
    left = what_is_left(daemon, pipeline, encoder="part")
    found = [(file, frame[0]) for file, frame in frames_in(left.path, "part")]
    return replace(left, seqs=[read_seq(pixels) for _, pixels in pictures_of(found)])


def check_places(left: Left, event: dict[str, Any]) -> None:
    """An event says on which pages its first and its last frame are."""
    places = {int(r["seq"]): (r["file"], int(r["page"])) for r in left.rows}
    told = list(zip(event["file"], event["page"], strict=True))
    assert told == [places[seq] for seq in event["seq"]]


def call(daemon: Daemon, *methods: str, **params: Any) -> None:  # noqa: ANN401
    for method in methods:
        daemon.call(method, pipelines=["cam0"], **params)


def reach(telemetry: Telemetry, session: str, frames: int) -> None:
    """Wait until a session, not the one before, has so many frames."""
    wait_for(telemetry, METRICS, captured(frames, session))


def later(telemetry: Telemetry, session: str, frames: int) -> None:
    """Wait until so many more frames have come."""
    now = wait_for(telemetry, METRICS, lambda m: m["session"] == session)
    reach(telemetry, session, now["counts"]["captured"] + frames)


def spanned(telemetry: Telemetry) -> dict[str, Any]:
    """Wait until a span is complete, and give what is told of it."""
    heard = wait_for(telemetry, EVENTS, lambda e: e["name"] == "span_recorded")
    return dict(heard["details"])


@pytest.mark.parametrize("kind", ["plain", "compressed", "video"])
def test_triggers_record_what_was_before_and_after_them(
    daemon: Daemon, kind: str
) -> None:
    with listening(daemon, METRICS, EVENTS) as telemetry:
        session = begin(daemon, *KINDS[kind])
        call(daemon, "trigger")  # before there is as much as it reaches back
        spanned(telemetry)
        later(telemetry, session, 80)
        call(daemon, "trigger", "trigger")  # one span
        spanned(telemetry)
        later(telemetry, session, 80)
        call(daemon, "trigger")  # its end is not reached
        stop(daemon)

    left = check_spans(daemon, "not_triggered")
    triggered, told = events(left, "triggered"), events(left, "span_recorded")
    assert [e["trigger"] for e in triggered] == [1, 2, 3, 4]
    assert [e["by"] for e in triggered] == ["client"] * 4
    assert [e["triggers"] for e in told] == [[1], [2, 3], [4]]
    assert len({name for e in told for name in e["file"]}) > 1
    spans = [(e["t_ns"] - 200_000_000, e["t_ns"] + 100_000_000) for e in triggered]
    assert left.seqs == seqs_in(left, spans)
    assert left.seqs[-1] == left.counts.published - 1


@pytest.mark.parametrize(
    ("override", "before", "after"),
    [("encoder.part.pre_s=0", 0, 0.1), ("encoder.part.post_s=0", 0.2, 0)],
)
def test_each_of_the_two_times_may_stand_alone(
    daemon: Daemon, override: str, before: float, after: float
) -> None:
    with listening(daemon, METRICS, EVENTS) as telemetry:
        session = begin(daemon, override)
        reach(telemetry, session, 60)
        call(daemon, "trigger")
        spanned(telemetry)
        stop(daemon)

    left = check_spans(daemon, "not_triggered")
    t_ns = events(left, "triggered")[0]["t_ns"]
    span = (t_ns - round(before * 1e9), t_ns + round(after * 1e9))
    assert left.seqs == seqs_in(left, [span]) != []


def test_a_session_without_a_trigger_records_nothing(daemon: Daemon) -> None:
    record(daemon, frames=80)

    assert check_spans(daemon, "not_triggered").seqs == []


@pytest.mark.parametrize("at_start", [True, False])
def test_recording_is_switched_off_and_on_in_a_running_session(
    daemon: Daemon, *, at_start: bool
) -> None:
    methods = ["record.stop", "record.start"] * 2
    with listening(daemon, METRICS) as telemetry:
        overrides = f"encoder.part.record_at_start={str(at_start).lower()}"
        session = begin(daemon, *NO_PRE, overrides)
        for method in methods if at_start else methods[1:]:
            later(telemetry, session, 20)
            call(daemon, method, encoder="part")
        later(telemetry, session, 20)
        stop(daemon)

    left = check_spans(daemon, "not_recording")
    told = [
        (e["name"], e["t_ns"])
        for e in left.manifest.events
        if e["name"] in ("record_start", "record_stop")
    ]
    starts = [0] * at_start + [t for name, t in told if name == "record_start"]
    stops = [t for name, t in told if name == "record_stop"]
    found = events(left, "span_recorded")
    assert [e["from_ns"] or 0 for e in found] == starts
    assert all(e["to_ns"] >= t for e, t in zip(found, stops, strict=False))
    assert found[-1]["to_ns"] is None
    assert left.seqs[-1] == left.counts.published - 1


def test_a_running_trigger_is_cut_off_by_an_order_to_stop(daemon: Daemon) -> None:
    with listening(daemon, METRICS, EVENTS) as telemetry:
        session = begin(daemon, "encoder.part.post_s=100")
        reach(telemetry, session, 20)
        call(daemon, "trigger")
        later(telemetry, session, 20)
        call(daemon, "record.stop", encoder="part")
        spanned(telemetry)
        stop(daemon)

    left = check_spans(daemon, "not_triggered")
    assert left.seqs[-1] < left.counts.published - 1


@pytest.mark.parametrize(
    "when",
    [
        "held",
        pytest.param("recording", marks=pytest.mark.system),
        pytest.param("default", marks=pytest.mark.system),
    ],
)
def test_an_encoder_that_is_killed_loses_nothing_and_records_nothing_twice(
    daemon: Daemon, when: str
) -> None:
    overrides = {"held": (), "recording": ("encoder.part.post_s=1",), "default": NO_PRE}
    cause = "not_recording" if when == "default" else "not_triggered"
    with listening(daemon, METRICS, EVENTS) as telemetry:
        session = begin(daemon, *overrides[when])
        reach(telemetry, session, 60)
        if when == "recording":
            call(daemon, "trigger")
            later(telemetry, session, 120)
        elif when == "default":
            call(daemon, "record.stop", encoder="part")
        daemon.signal("part", signal.SIGKILL)
        if when == "default":
            later(telemetry, session, 20)
            call(daemon, "record.start", encoder="part")
        elif when == "held":
            call(daemon, "trigger")
        later(telemetry, session, 150)
        stop(daemon)

    left = check_spans(daemon, cause)
    triggers = events(left, "triggered")
    assert any(e["name"] == "worker_died" for e in left.manifest.events)
    assert len(triggers) == (when != "default")
    for triggered in triggers:
        span = events(left, "span_recorded")[0]
        assert span["from_ns"] == triggered["t_ns"] - 200_000_000
        assert span["triggers"] == [1]


@pytest.mark.system
def test_capture_and_then_the_encoder_may_die_and_what_was_held_is_there(
    daemon: Daemon,
) -> None:
    with listening(daemon, METRICS, EVENTS) as telemetry:
        session = begin(daemon, "encoder.part.pre_s=5")
        reach(telemetry, session, 60)
        kill_and_wait(daemon, telemetry, "capture")
        later(telemetry, session, 20)
        daemon.signal("part", signal.SIGKILL)
        call(daemon, "trigger")
        spanned(telemetry)
        stop(daemon)

    left = what_is_left(daemon, encoder="part")
    (told,) = events(left, "span_recorded")
    assert left.counts.broken() == []
    rows = [int(row["seq"]) for row in left.rows]
    assert rows == left.seqs == seqs_in(left, [(told["from_ns"], told["to_ns"])])
    epochs = [e["t_unix_ns"] for e in events(left, "capture_back")]
    assert int(left.rows[0]["t_unix_ns"]) < epochs[0]


@pytest.mark.system
def test_without_their_supervisor_the_spans_that_are_known_hold(
    tmp_path: Path,
) -> None:
    daemon = Daemon(tmp_path, CONFIG)
    with listening(daemon, METRICS) as telemetry:
        reach(telemetry, begin(daemon), 60)
        call(daemon, "trigger")
        last = wait_for(telemetry, METRICS, captured(61))
    pidfds = [os.pidfd_open(daemon.pid(name)) for name in ("all", "part")]
    daemon.process.kill()
    daemon.process.wait()

    assert wait_gone(pidfds, 10.0)
    everything = what_is_left(daemon, encoder="all")
    left = what_is_left(daemon, encoder="part")
    daemon.stop()
    newest = everything.seqs[-1]
    assert newest >= last["counts"]["captured"] - 1
    assert left.seqs == list(range(left.seqs[0], left.seqs[-1] + 1))
    arrivals = {int(r["seq"]): int(r["t_arrival_ns"]) for r in everything.rows}
    span_ns = arrivals[left.seqs[-1]] - arrivals[left.seqs[0]]
    assert left.seqs[-1] == newest or span_ns > 0.28e9
    assert 0.1e9 < span_ns < 0.3e9


def test_status_and_reports_say_what_is_held(daemon: Daemon) -> None:
    with listening(daemon, METRICS) as telemetry:
        session = begin(daemon)
        armed = wait_for(
            telemetry,
            METRICS,
            lambda m: m["session"] == session and m["encoders"]["part"]["held_s"] > 0.5,
        )["encoders"]
        status = daemon.pipeline()["encoders"]
        stop(daemon)

    assert armed["part"]["armed"]
    assert not armed["part"]["recording"]
    assert armed["part"]["held"] > 90
    assert (armed["all"]["recording"], armed["all"]["held"]) == (True, 0)
    assert status["part"]["held"] > 90


def test_stop_now_gives_up_what_is_held(daemon: Daemon) -> None:
    with listening(daemon, METRICS) as telemetry:
        reach(telemetry, begin(daemon), 80)
        stopped = daemon.call("session.stop", pipelines=["cam0"], now=True)

    line = stopped["sessions"][0]["counts"]["encoders"]["part"]
    assert line["recorded"] == line["in_flight"] == 0
    assert line["skipped"]["not_triggered"] > 60


def test_what_does_not_fit_is_refused_with_what_would_help(daemon: Daemon) -> None:
    with pytest.raises(ControlError, match=r"encoder.pre_s: 30 s at 200") as refused:
        begin(daemon, "encoder.part.pre_s=30")

    assert refused.value.code == "E_CONFIG"
    size = refused.value.hint.partition('overflow_size = "')[2].partition('"')[0]
    session = begin(daemon, "encoder.part.pre_s=30", f"ring.overflow_size={size}")
    assert session
    stop(daemon)


def test_where_no_rate_is_known_as_much_is_held_as_fits(daemon: Daemon) -> None:
    every = ["source.fps=0", "ring.when_full=wait", "encoder.part.pre_s=1000"]
    with listening(daemon, EVENTS) as telemetry:
        begin(daemon, *every, frames=3000)
        short = wait_for(telemetry, EVENTS, lambda e: e["name"] == "held_short")
        daemon.call("session.wait", pipelines=["cam0"])

    left = check_spans(daemon, "not_triggered")
    assert short["details"]["worker"] == "part"
    assert left.counts.published == 3000


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("record.start", {"encoder": "nobody"}, "E_PARAMS"),
        ("record.stop", {"encoder": "nobody"}, "E_PARAMS"),
        ("trigger", {"n": 3}, "E_PARAMS"),
    ],
)
def test_what_makes_no_sense_is_refused(
    daemon: Daemon, method: str, params: dict[str, Any], code: str
) -> None:
    begin(daemon)
    with Control(daemon.runtime) as control, pytest.raises(ControlError) as refused:
        control.call(method, {"pipelines": ["cam0"], **params})
    stop(daemon)

    assert refused.value.code == code


@pytest.mark.parametrize("method", ["record.start", "record.stop", "trigger"])
def test_without_a_session_there_is_nothing_to_record(
    daemon: Daemon, method: str
) -> None:
    with pytest.raises(ControlError) as refused:
        call(daemon, method)

    assert refused.value.code == "E_NOT_RUNNING"


def test_callbacks_trigger_in_every_way_there_is(tmp_path: Path) -> None:
    ways = {
        "called": WATCH,
        "sent": WATCH.replace("at = 80", 'at = 80, how = "send"'),
        "inline": WATCH + "inline = true\n",
        "function": WATCH.replace("Watch", "watch") + "inline = true\n",
    }
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "mine.py").write_text(USER_CODE)
    watches = [text.replace('"watch"', f'"{way}"') for way, text in ways.items()]
    with running(folder, CONFIG + "".join(watches)) as daemon:
        record(daemon, "encoder.part.pre_s=1", frames=200)
        left = check_spans(daemon, "not_triggered")

    triggered = events(left, "triggered")
    notes = {event["by"]: event.get("note") for event in triggered}
    assert notes == {"called": "seen", "sent": None, "inline": "seen", "function": None}
    assert {79, 80, 81} <= set(left.seqs)
    assert len(triggered) == len(ways)
