"""A received frame is a view that can be read, checked and given back, not written."""

import errno
import mmap
from collections.abc import Iterator

import pytest

from imagemp.errors import RingError
from imagemp.receiver import Receiver
from tests.daemon.test_recording import begin
from tests.running import Daemon, running

from .outside import RawGuest, finish

SOON_S = 10.0
CONFIG = """
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
encoder = {}
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("daemon"), CONFIG) as started:
        yield started


def test_a_frame_can_not_be_written(daemon: Daemon) -> None:
    with Receiver("cam0", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, frames=1)
        frame = frames.receive(SOON_S)
        assert frame is not None
        with pytest.raises(ValueError, match="read-only"):
            frame.image[0, 0] = 1
        kept = frame.copy()
        kept.image[0, 0] = 1

    finish(daemon, session)


@pytest.mark.parametrize("overflow", ["memory", "disk"])
def test_the_memory_can_not_be_mapped_for_writing(
    daemon: Daemon, overflow: str
) -> None:
    with RawGuest(daemon.runtime) as guest:
        guest.ask()
        asked = [f"ring.overflow={overflow}", "ring.overflow_size='1 MB'"]
        session = begin(daemon, *asked, frames=5)
        while guest.hear()["order"] != "Enter":
            pass
        maps = guest.fds[:2] if overflow == "disk" else guest.fds[:1]
        refused = []
        for fd in maps:
            with pytest.raises(PermissionError) as error:
                mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            refused.append(error.value.errno)

    finish(daemon, session)
    assert refused == [errno.EPERM, errno.EACCES][: len(maps)]


def test_a_released_frame_was_whole_and_can_not_be_copied(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, frames=3)
        first, *_ = list(frames)
        finish(daemon, session)

        assert first.is_whole
        with pytest.raises(RingError, match="released already"):
            first.copy()


def test_a_frame_can_be_given_back_early(daemon: Daemon) -> None:
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        session = begin(daemon, frames=3)
        for frame in frames:
            with frame:
                assert frame.is_whole is None
            assert frame.release()

    finish(daemon, session)
