"""Text in the frames of a real daemon: recorded, received, and where it is refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.daemon.sources.synthetic import Pattern
from imagemp.errors import ControlError
from imagemp.frames import AnyArray
from imagemp.receiver import Receiver
from tests.running import Daemon, running

from .test_disk_limits import imagectl
from .test_recording import begin, has_ended, listening, newest, record, wait_for

SHAPE = (120, 480)
EVENTS = "event.cam0"
CONFIG = """
[pipelines.cam0]
source = { kind = "synthetic", width = 480, height = 120, fps = 200 }
overlay = { show = ["time", "rate", "queues", "seq"], position = "bottom-left" }
encoder = { keep_free = "0" }

[pipelines.plain]
source = { kind = "synthetic", width = 480, height = 120, fps = 200 }
encoder = { keep_free = "0" }

[pipelines.deep]
source = { kind = "{folder}/deep.py:Deep" }
encoder = { keep_free = "0" }
"""
DEEP = """
from imagemp.daemon.sources.base import Source
from imagemp.daemon.sources.synthetic import SyntheticSource


class Deep(SyntheticSource):
    def __init__(self, settings):
        super().__init__({"kind": "synthetic", "dtype": "<u2"})
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "deep.py").write_text(DEEP)
    with running(folder, CONFIG) as started:
        yield started


def pages(folder: Path) -> AnyArray:
    """Give all frames of a session, read by tifffile."""
    found: AnyArray = tifffile.imread(folder / "frames-0000.tif", key=slice(None))
    return found


def bare(seqs: int) -> AnyArray:
    """Give the first frames as the source draws them."""
    frames = np.empty((seqs, *SHAPE), np.uint8)
    pattern = Pattern(SHAPE, frames.dtype)
    for seq, frame in enumerate(frames):
        pattern.draw(seq, frame)
    return frames


def lines(frames: AnyArray) -> AnyArray:
    """Give the rows of pixels where a frame is not as the source drew it."""
    return np.nonzero((frames != bare(len(frames))).any(axis=(0, 2)))[0]


def test_the_recording_has_the_text_and_every_other_pixel(daemon: Daemon) -> None:
    record(daemon, frames=12)
    frames = pages(newest(daemon))

    changed = frames != bare(12)
    assert [read_seq(frame) for frame in frames] == list(range(12))
    assert changed.any(axis=(1, 2)).all()
    assert not changed[:, :20].any()
    assert not changed[:, :, 320:].any()


def test_a_program_outside_has_the_same_text(daemon: Daemon) -> None:
    with (
        listening(daemon, EVENTS) as telemetry,
        Receiver("cam0", "every", runtime_dir=daemon.runtime) as receiver,
    ):
        session = begin(daemon, frames=12)
        seen = {frame.info.seq: frame.copy().image for frame in receiver}
        wait_for(telemetry, EVENTS, has_ended(session))

    frames = pages(newest(daemon))
    assert seen
    assert all(np.array_equal(seen[seq], frames[seq]) for seq in seen)


def test_without_an_overlay_frames_are_as_the_source_gave_them(daemon: Daemon) -> None:
    begin(daemon, pipeline="plain")
    loaded = Path(f"/proc/{daemon.pid('capture', 'plain')}/maps").read_text()
    daemon.call("session.stop", pipelines=["plain"])

    frames = pages(newest(daemon, "plain"))
    assert np.array_equal(frames, bare(len(frames)))
    assert "/cv2/" not in loaded


def test_start_sets_the_overlay_of_one_session(daemon: Daemon) -> None:
    everything = lines_of(daemon)
    only_seq = ["-o", 'overlay.show=["seq"]']
    ran = imagectl(daemon, "start", "cam0", "--frames", "4", "--wait", *only_seq)
    few = lines(pages(newest(daemon)))
    large = lines_of(daemon, 'overlay.show=["seq"]', "overlay.size=1")
    above = lines_of(daemon, "overlay.position=top-right")
    none = lines_of(daemon, "overlay.show=[]")

    assert ran.returncode == 0, ran.stderr
    assert 3 * len(few) < len(everything)
    assert len(few) < len(large) < len(everything)
    assert above[0] == 0
    assert len(none) == 0


def lines_of(daemon: Daemon, *orders: str) -> AnyArray:
    """Record with these orders; give the rows of pixels that have text."""
    record(daemon, *orders, frames=4)
    return lines(pages(newest(daemon)))


def test_frames_of_another_kind_are_refused_by_name(daemon: Daemon) -> None:
    with pytest.raises(ControlError) as refused:
        begin(daemon, "overlay.show=['seq']", pipeline="deep")
    again = record(daemon, pipeline="deep", frames=3)

    assert refused.value.code == "E_CONFIG"
    assert "overlay.show: plane image must be of u1, is of uint16" in str(refused.value)
    assert again["state"] == "complete"


def test_what_the_configuration_knows_is_refused_before_anything_starts(
    daemon: Daemon,
) -> None:
    ran = imagectl(daemon, "start", "cam0", "-o", "source.dtype=u2")

    assert ran.returncode != 0
    assert "overlay.show: needs frames of u1, source.dtype is 'u2'" in ran.stderr
