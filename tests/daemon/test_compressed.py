"""A compressed recording is as safe as any: whatever goes wrong with frames in flight.

A real daemon, with frames large enough that some are always in flight.
"""

import os
import resource
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import tifffile

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.recording.reading import frames
from tests.running import Daemon

from .test_faults import (
    EVENTS,
    LONG_S,
    METRICS,
    captured,
    check_full,
    check_lost_are_counted,
    check_nothing_lost,
    daemon_of,
    kill_and_wait,
    stop,
    wait_gone,
)
from .test_recording import (
    begin,
    check_agreement,
    listening,
    record,
    wait_for,
    what_is_left,
)

CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = {{ kind = "synthetic", width = 320, height = 240, fps = 200 }}
ring = {{ slots = {slots}, overflow = "disk", overflow_size = "1 GiB" }}
encoder = {{ compression = "{kind}"{more} }}
"""
KINDS = pytest.mark.parametrize("kind", ["zlib", "zstd"])
MIXED = """
[[pipelines.cam0.callbacks]]
name = "mixed"
target = "{folder}/mixed.py:Mixed"
inline = true
policy = "every"
"""
USER_CODE = """
from imagemp.callback import Callback


class Mixed(Callback):
    '''Of four frames: one as it is, none, one of another shape, one as it is.'''

    def process(self, frame):
        turn = frame.info.index % 4
        if turn == 1:
            return None
        return frame.image[:10] if turn == 2 else frame.image
"""


def config(kind: str, more: str = "", slots: int = 1024) -> str:
    """Give a configuration with one pipeline that compresses."""
    return CONFIG.format(kind=kind, more=more, slots=slots)


def sizes(folder: Path) -> list[int]:
    """Give the size of each page of a session."""
    return [frame[0].nbytes for _, frame in frames(folder)]


def test_every_key_of_compression_changes_what_is_written(tmp_path: Path) -> None:
    asked: dict[str, tuple[str, ...]] = {
        "none": ("encoder.compression=none",),
        "zlib": (),
        "plain": ("encoder.predictor=false",),
        "level": ("encoder.predictor=false", "encoder.level=12"),
        "zstd": ("encoder.compression=zstd",),
    }
    found = {}
    with daemon_of(tmp_path, config("zlib")) as daemon:
        for name, overrides in asked.items():
            record(daemon, *overrides, frames=8)
            left = check_nothing_lost(daemon)
            with tifffile.TiffFile(left.path / "frames-0000.tif") as tiff:
                tags = tiff.pages.first.tags
                code = tags["Compression"].value
                predictor = tags["Predictor"].value if "Predictor" in tags else 1
                seqs = [read_seq(page.asarray()) for page in tiff.pages]
            assert seqs == list(range(8))
            found[name] = (int(code), int(predictor), sum(sizes(left.path)))

    codes = {name: one[:2] for name, one in found.items()}
    assert codes["none"] == (1, 1)
    assert codes["zlib"] == (8, 2)
    assert codes["plain"] == codes["level"] == (8, 1)
    assert codes["zstd"] == (50000, 2)
    assert len({nbytes for _, _, nbytes in found.values()}) == 5
    assert found["none"][2] == 8 * 320 * 240


@KINDS
def test_a_ring_of_two_slots_is_enough(tmp_path: Path, kind: str) -> None:
    toml = config(kind, slots=2)
    with daemon_of(tmp_path, toml) as daemon:
        record(daemon, "ring.overflow=none", "ring.when_full=wait", frames=40)
        check_nothing_lost(daemon)


@pytest.mark.parametrize(
    "kind", ["zlib", pytest.param("zstd", marks=pytest.mark.system)]
)
def test_a_killed_encoder_loses_nothing_that_was_in_flight(
    tmp_path: Path, kind: str
) -> None:
    with (
        daemon_of(tmp_path, config(kind)) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(50))
        n = kill_and_wait(daemon, telemetry, "main")
        wait_for(telemetry, METRICS, captured(n + 50))
        stop(daemon)
        check_nothing_lost(daemon)


@pytest.mark.system
@KINDS
def test_an_encoder_killed_with_much_to_catch_up_loses_nothing(
    tmp_path: Path, kind: str
) -> None:
    with (
        daemon_of(tmp_path, config(kind, ", level = 9")) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        for _ in range(4):
            daemon.signal("main", signal.SIGSTOP)
            n = wait_for(telemetry, METRICS, captured(0))["counts"]["captured"]
            wait_for(telemetry, METRICS, captured(n + 100), LONG_S)
            daemon.signal("main", signal.SIGCONT)
            n = kill_and_wait(daemon, telemetry, "main")
            wait_for(telemetry, METRICS, captured(n + 20), LONG_S)
        stop(daemon)
        check_nothing_lost(daemon)


@pytest.mark.system
def test_what_a_dead_capture_left_is_recorded_before_its_ring_is_let_go(
    tmp_path: Path,
) -> None:
    with (
        daemon_of(tmp_path, config("zlib", ", level = 9")) as daemon,
        listening(daemon, METRICS, EVENTS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(100))
        os.kill(daemon.pid("capture"), signal.SIGKILL)
        wait_for(telemetry, EVENTS, lambda m: m["name"] == "capture_back", LONG_S)
        stop(daemon)
        left = check_agreement(daemon)

    check_lost_are_counted(left)
    assert left.counts.encoders["main"].skipped == {}


def test_stop_now_with_frames_in_flight_closes_the_law(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config("zlib", ", level = 12")) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        begin(daemon)
        wait_for(telemetry, METRICS, captured(150))
        daemon.call("session.stop", now=True)
        left = check_agreement(daemon)

    main = left.counts.encoders["main"]
    assert main.recorded == len(left.seqs) > 0
    assert set(main.skipped) <= {"undrained"}
    assert left.seqs == list(range(len(left.seqs)))


def test_what_is_in_flight_when_the_disk_is_full_is_counted(tmp_path: Path) -> None:
    with (
        daemon_of(tmp_path, config("zlib")) as daemon,
        listening(daemon, METRICS) as telemetry,
    ):
        limit = (400_000, resource.RLIM_INFINITY)
        resource.prlimit(daemon.pid("main"), resource.RLIMIT_FSIZE, limit)
        session = begin(daemon)
        wait_for(telemetry, METRICS, lambda m: m["state"] == "incomplete", LONG_S)
        result = daemon.call("session.wait", session=session)["sessions"][0]
        left = check_agreement(daemon)

    check_full(left, result)


@pytest.mark.system
def test_without_its_supervisor_the_encoder_records_what_is_in_flight(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    daemon = Daemon(folder, config("zlib", ", level = 9"))
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        telemetry = stack.enter_context(listening(daemon, METRICS))
        begin(daemon)
        last = wait_for(telemetry, METRICS, captured(100))
        pids = [worker["pid"] for worker in daemon.pipeline()["workers"]]
        pids.append(daemon.call("status")["gateway"]["pid"])
        pidfds = [os.pidfd_open(pid) for pid in pids]
        daemon.process.kill()
        assert wait_gone(pidfds, 20.0)

    left = what_is_left(daemon)
    assert left.manifest.state == "incomplete"
    assert len(left.seqs) >= last["counts"]["published"]
    assert left.seqs == list(range(len(left.seqs)))
    assert [int(row["seq"]) for row in left.rows] == left.seqs


def test_frames_of_callbacks_are_recorded_filtered_or_refused_in_order(
    tmp_path: Path,
) -> None:
    toml = config("zlib", ', input = "callback:mixed"') + MIXED
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mixed.py").write_text(USER_CODE)
    with daemon_of(tmp_path, toml) as daemon:
        record(daemon, frames=16)
        left = check_agreement(daemon)

    main = left.counts.encoders["main"]
    assert left.seqs == [n for n in range(16) if n % 4 in (0, 3)]
    assert main.skipped == {"filtered": 4, "callback_error": 4}
