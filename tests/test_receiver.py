"""Programs outside see the frames they were promised, and wait without CPU."""

import asyncio
import select
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import ControlError, DaemonUnreachableError
from imagemp.received import ReceivedFrame
from imagemp.receiver import Receiver
from tests.daemon.test_recording import begin, check_agreement, record
from tests.running import Daemon, running

from .outside import finish, is_readable, outside, said, stop, ticks

SOON_S = 10.0
USER_CODE = """
import numpy as np

from imagemp.callback import Callback
from imagemp.daemon.sources.synthetic import SyntheticSource
from imagemp.spec import Field, FrameSpec


class Half(Callback):
    def process(self, frame):
        return frame if frame.info.seq % 2 == 0 else None


class Told(SyntheticSource):
    '''Tells more of each frame.'''

    def open(self):
        fields = (Field("lamp_c", "f8"), Field("pose", "<f4", (2, 2)))
        return FrameSpec(super().open().planes, fields)

    def grab(self, wake):
        grab = super().grab(wake)
        if grab is not None:
            grab.fields = {"lamp_c": 36.5, "pose": np.eye(2)}
        return grab
"""

CONFIG = """
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
ring = { slots = 256 }
encoder = {}

[pipelines.rgbd]
source = { kind = "synthetic", width = 64, height = 48, channels = 3, depth = true }

[pipelines.told]
source = { kind = "{folder}/mine.py:Told", width = 64, height = 48, fps = 200 }

[pipelines.half]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
[[pipelines.half.callbacks]]
name = "half"
target = "{folder}/mine.py:Half"
policy = "every"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "mine.py").write_text(USER_CODE)
    with running(folder, CONFIG) as started:
        yield started


def seen(frame: ReceivedFrame) -> tuple[int, int]:
    """Give a frame's seq as drawn and as told."""
    return read_seq(frame.image), frame.info.seq


# ---- which frames


def test_who_attaches_before_sees_each_frame_once_and_in_order(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, frames=100)
        found = [seen(frame) for frame in frames]

    finish(daemon, session)
    assert found == [(n, n) for n in range(100)]
    assert frames.is_over
    assert frames.session == session


def test_who_attaches_in_mid_session_sees_all_from_then_on(daemon: Daemon) -> None:
    with Receiver("cam0", runtime_dir=daemon.runtime) as early:
        begin(daemon)
        assert early.receive(SOON_S) is not None
        with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
            found = [seen(frame) for _, frame in zip(range(50), frames, strict=False)]
            stop(daemon)
            found += [seen(frame) for frame in frames]

    first = found[0][0]
    assert first > 0
    assert found == [(n, n) for n in range(first, first + len(found))]
    assert check_agreement(daemon).seqs[-1] == found[-1][0]


def test_who_attaches_between_sessions_sees_the_next(daemon: Daemon) -> None:
    record(daemon, frames=5)
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        assert (frames.receive(0), frames.is_over) == (None, False)
        session = begin(daemon, frames=20)
        found = [seen(frame) for frame in frames]

    finish(daemon, session)
    assert found == [(n, n) for n in range(20)]


def test_latest_gives_no_frame_twice_and_the_last_one_at_the_end(
    daemon: Daemon,
) -> None:
    with Receiver("cam0", "latest", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, "source.fps=2000", frames=1000)
        found = []
        for frame in frames:
            found.append(seen(frame))
            np.sort(np.tile(frame.image, 16), axis=None)  # slower than the source

    finish(daemon, session)
    seqs = [seq for seq, _ in found]
    assert seqs == sorted(set(seqs))
    assert seqs == [told for _, told in found]
    assert (len(seqs) < 1000, seqs[-1]) == (True, 999)


def test_what_a_callback_returns_can_be_received(daemon: Daemon) -> None:
    with Receiver(
        "half", "every", ring="callback:half", runtime_dir=daemon.runtime
    ) as frames:
        session = begin(daemon, pipeline="half", frames=40)
        found = [read_seq(frame.image) for frame in frames]

    finish(daemon, session)
    assert found == list(range(0, 40, 2))


def test_nobody_else_need_read_for_all_frames_to_come(daemon: Daemon) -> None:
    with Receiver("told", "every", follow=True, runtime_dir=daemon.runtime) as frames:
        for _ in range(10):
            session = begin(daemon, pipeline="told", frames=3)
            found = [f.info.seq for _, f in zip(range(3), frames, strict=False)]
            finish(daemon, session)
            assert (frames.session, found) == (session, [0, 1, 2])


def test_receiving_costs_the_recording_nothing(daemon: Daemon) -> None:
    with outside(daemon, "every") as every, outside(daemon, "latest") as latest:
        session = begin(daemon, frames=100)
        told = said(every), said(latest), said(every), said(latest)
        finish(daemon, session)
    left = check_agreement(daemon)

    assert told[:3] == ("first", "first", "100")
    assert left.counts.dropped == {}
    assert left.counts.encoders["main"].recorded == 100


# ---- what it learns


def test_it_learns_shape_dtype_and_rate(daemon: Daemon) -> None:
    with Receiver("rgbd", runtime_dir=daemon.runtime) as frames:
        before = frames.spec, frames.fps
        session = begin(daemon, pipeline="rgbd", frames=1)
        frame = frames.receive(SOON_S)
        assert frame is not None
        shapes = {name: (a.shape, a.dtype.str) for name, a in frame.items()}
        spec, fps = frames.spec, frames.fps

    finish(daemon, session)
    assert (before, fps) == ((None, 0.0), 30.0)
    assert shapes == {"image": ((48, 64, 3), "|u1"), "depth": ((48, 64), "<u2")}
    assert spec is not None
    assert {p.name: (p.shape, p.dtype) for p in spec.planes} == shapes


def test_each_plane_is_of_the_same_frame(daemon: Daemon) -> None:
    with Receiver("rgbd", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, "source.fps=200", pipeline="rgbd", frames=20)
        found = [(read_seq(f["image"]), read_seq(f["depth"])) for f in frames]

    finish(daemon, session)
    assert found == [(n, n) for n in range(20)]


def test_the_users_fields_come_with_each_frame(daemon: Daemon) -> None:
    with Receiver("told", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, pipeline="told", frames=5)
        fields = [dict(frame.info.fields) for frame in frames]

    finish(daemon, session)
    assert [told["lamp_c"] for told in fields] == [36.5] * 5
    assert np.array_equal(fields[0]["pose"], np.eye(2))


# ---- waiting


def test_waiting_costs_no_cpu(daemon: Daemon) -> None:
    with (
        outside(daemon, "every") as early,
        outside(daemon, "every", "follow") as between,
        outside(daemon, "latest", "follow") as newest,
    ):
        record(daemon, "source.fps=100", frames=20, pipeline="cam0")
        assert (said(early), said(between), said(newest)) == ("first",) * 3
        assert said(early) == "20"
        with outside(daemon, "every") as first, outside(daemon, "latest") as other:
            pids = [process.pid for process in (first, between, newest, other)]
            time.sleep(1)  # the last to come has still to lie down
            before = [ticks(pid) for pid in pids]
            time.sleep(2)
            after = [ticks(pid) for pid in pids]

    assert after == before


def test_who_has_taken_all_is_not_woken_again(daemon: Daemon) -> None:
    with Receiver("cam0", "every", follow=True, runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, frames=50)
        assert frames.receive(SOON_S) is not None
        finish(daemon, session)  # so that the end is heard before the frames
        found = []
        while (frame := frames.receive(0)) is not None:
            found.append(frame.info.seq)
        is_woken = is_readable(frames)

    assert found == list(range(1, 50))
    assert not is_woken


def test_a_timeout_gives_none_and_loses_nothing(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        assert frames.receive(0) is None
        assert frames.receive(0.01) is None
        session = begin(daemon, frames=10)
        found = [frame.info.seq for frame in frames]

    finish(daemon, session)
    assert found == list(range(10))


def test_it_can_be_selected(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, frames=50)
        found: list[int] = []
        while not frames.is_over:
            assert select.select([frames], [], [], SOON_S)[0]
            while (frame := frames.receive(0)) is not None:
                found.append(read_seq(frame.image))

    finish(daemon, session)
    assert found == list(range(50))


def test_it_can_be_awaited_beside_other_tasks(daemon: Daemon) -> None:
    async def receive() -> list[int]:
        with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
            return [read_seq(frame.image) async for frame in frames]

    async def both() -> tuple[list[int], list[int]]:
        order = asyncio.to_thread(record, daemon, frames=50)
        first, second, _ = await asyncio.gather(receive(), receive(), order)
        return first, second

    assert asyncio.run(both()) == (list(range(50)), list(range(50)))


# ---- how it ends, or does not begin


def test_closing_is_the_end_and_may_be_said_twice(daemon: Daemon) -> None:
    with Receiver("cam0", follow=True, runtime_dir=daemon.runtime) as frames:
        before = frames.is_over
        frames.close()

    assert (before, frames.is_over) == (False, True)
    assert frames.receive() is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"pipeline": "cam9"}, "no pipeline 'cam9'; there is cam0"),
        ({"pipeline": "cam0", "ring": "callback:x"}, "no ring 'callback:x'"),
    ],
)
def test_what_is_not_there_is_refused_by_name(
    daemon: Daemon, asked: dict[str, str], words: str
) -> None:
    with pytest.raises(ControlError, match=words) as refused:
        Receiver(runtime_dir=daemon.runtime, **asked)  # type: ignore[arg-type]

    assert refused.value.code == "E_PARAMS"


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachableError, match="the daemon does not run"):
        Receiver("cam0", runtime_dir=tmp_path)
