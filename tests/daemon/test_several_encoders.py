"""Several encoders on one pipeline: each records all, and has its line in the law."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagemp.recording.manifest import Manifest
from tests.running import Daemon, running

from .test_faults import METRICS, captured, kill_and_wait, stop, wait_gone
from .test_recording import begin, listening, record, wait_for, what_is_left

CONFIG = """
[telemetry]
rate_hz = 10
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
ring = { slots = 64, overflow_size = "64 MiB" }
[[pipelines.cam0.encoder]]
[[pipelines.cam0.encoder]]
name = "spare"
segment_pages = 40
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path / "d", CONFIG) as started:
        yield started


def check_both(daemon: Daemon) -> Manifest:
    """Each encoder has every frame, and the manifest every file."""
    main, spare = what_is_left(daemon), what_is_left(daemon, encoder="spare")
    counts = main.counts
    assert counts.broken() == []
    assert main.seqs == spare.seqs == list(range(counts.published))
    assert [int(row["seq"]) for row in spare.rows] == spare.seqs
    for name in ("main", "spare"):
        assert counts.encoders[name].recorded == counts.published
        files = [file for file in main.manifest.files if file.encoder == name]
        assert sum(file.pages for file in files) == counts.published
        assert all((main.path / f.name).stat().st_size == f.bytes for f in files)
    return main.manifest


def test_each_records_every_frame_in_files_of_its_own(daemon: Daemon) -> None:
    record(daemon, frames=100)

    manifest = check_both(daemon)

    assert manifest.state == "complete"
    assert [file.name for file in manifest.files if file.encoder == "spare"] == [
        "spare-0000.tif",
        "spare-0001.tif",
        "spare-0002.tif",
    ]


@pytest.mark.parametrize("encoder", ["main", "spare"])
def test_one_that_is_killed_loses_nothing_and_leaves_the_other_alone(
    daemon: Daemon, encoder: str
) -> None:
    with listening(daemon, METRICS) as telemetry:
        begin(daemon)
        wait_for(telemetry, METRICS, captured(30))
        seen = kill_and_wait(daemon, telemetry, encoder)
        wait_for(telemetry, METRICS, captured(seen + 30))
        stop(daemon)

    assert check_both(daemon).state == "complete"


def test_without_their_supervisor_both_save_what_there_is(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, CONFIG)
    with listening(daemon, METRICS) as telemetry:
        begin(daemon)
        for encoder in ("main", "spare"):
            daemon.signal(encoder, signal.SIGSTOP)  # so that there is much to save
        last = wait_for(telemetry, METRICS, captured(60))
    pids = [daemon.pid(name) for name in ("main", "spare")]
    pidfds = [os.pidfd_open(pid) for pid in pids]
    daemon.process.kill()
    daemon.process.wait()
    for pid in pids:
        os.kill(pid, signal.SIGCONT)

    assert wait_gone(pidfds, 10.0)
    main, spare = what_is_left(daemon), what_is_left(daemon, encoder="spare")
    daemon.stop()
    assert main.seqs == spare.seqs == list(range(len(main.seqs)))
    assert len(main.seqs) >= last["counts"]["published"]
    assert [int(row["seq"]) for row in spare.rows] == spare.seqs
