"""What comes and goes leaves nothing behind: descriptors, maps, threads, memory."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from imagemp.receiver import Receiver
from tests.daemon.test_recording import begin, record
from tests.outside import open_files, outside, said, take_all
from tests.running import Daemon, running

WARM_UP = 3
REST_S, LOOKS = 0.2, 4  # workers and gateway close what is over a while after
CYCLES = [5, pytest.param(100, marks=pytest.mark.system)]
WORKERS = ("capture", "main", "half")
USER_CODE = """
from imagemp.callback import Callback


class Half(Callback):
    def process(self, frame):
        return frame if frame.info.seq % 2 == 0 else None
"""
CONFIG = """
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 500 }
ring = { slots = 64, overflow_size = "1 MB" }
encoder = {}
[[pipelines.cam0.callbacks]]
name = "half"
target = "{folder}/mine.py:Half"
policy = "every"
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at an instant.

    Attributes:
        maps: Of files and rings; where the interpreter's own memory lies may vary.
    """

    files: int
    maps: int
    threads: int


def held(daemon: Daemon) -> dict[str, Held]:
    """Say what each process of a daemon holds, once that does not change any more."""
    processes = pids(daemon).items()
    looks: deque[dict[str, Held]] = deque(maxlen=LOOKS)
    while len(looks) < LOOKS or any(look != looks[0] for look in looks):
        time.sleep(REST_S)
        looks.append({name: held_by(pid) for name, pid in processes})
    return looks[0]


def held_by(pid: int) -> Held:
    """Say what a process holds."""
    maps = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    named = [words for words in maps if words[4] != "0"]
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    return Held(open_files(pid), len(named), len(threads))


def rss_kib(daemon: Daemon) -> dict[str, int]:
    """Give the anonymous memory of each process."""
    found = {}
    for name, pid in pids(daemon).items():
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        told = next(line for line in lines if line.startswith("RssAnon"))
        found[name] = int(told.split()[1])
    return found


def pids(daemon: Daemon) -> dict[str, int]:
    """Give the pid of each process of a daemon."""
    status = daemon.call("status")
    found = {"supervisor": daemon.process.pid, "gateway": status["gateway"]["pid"]}
    workers = status["pipelines"]["cam0"]["workers"]
    return found | {w["name"]: w["pid"] for w in workers if w["name"] in WORKERS}


def a_session(daemon: Daemon) -> None:
    """Start a session and wait for its end."""
    record(daemon, frames=20)


def a_watched_session(daemon: Daemon) -> None:
    """The same with two receivers, one of which attaches in its midst."""
    with Receiver("cam0", "every", runtime_dir=daemon.runtime) as frames:
        begin(daemon, "source.fps=50")
        with Receiver("cam0", ring="callback:half", runtime_dir=daemon.runtime) as half:
            assert half.receive(10.0) is not None
        daemon.call("session.stop")
        assert take_all(frames)


def a_killed_receiver(daemon: Daemon) -> None:
    """Attach a program, and kill it with frames in its hands."""
    with outside(daemon, "every") as process:
        assert said(process) == "first"


def kill_within_a_session(daemon: Daemon, n: int) -> None:
    """Have many come and be killed within one session."""
    begin(daemon, "source.fps=100", pipeline="cam0")
    for _ in range(n):
        a_killed_receiver(daemon)
    daemon.call("session.stop")


def repeat(cycle: Callable[[Daemon], None]) -> Callable[[Daemon, int], None]:
    """Give a function that has a cycle happen so many times."""

    def happen(daemon: Daemon, n: int) -> None:
        for _ in range(n):
            cycle(daemon)

    return happen


@pytest.mark.parametrize(
    "happen",
    [
        pytest.param(repeat(a_session), marks=pytest.mark.system),
        repeat(a_watched_session),
        kill_within_a_session,
    ],
    ids=["sessions", "watched-sessions", "killed-receivers"],
)
@pytest.mark.parametrize("cycles", CYCLES)
def test_it_leaves_nothing_behind(
    tmp_path: Path,
    happen: Callable[[Daemon, int], None],
    cycles: int,
    record_property: Any,  # noqa: ANN401
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "mine.py").write_text(USER_CODE)
    with running(folder, CONFIG) as daemon:
        daemon.wait_for_recovery()
        happen(daemon, WARM_UP)
        before, rss_before = held(daemon), rss_kib(daemon)
        happen(daemon, cycles)
        after, rss_after = held(daemon), rss_kib(daemon)

    grown = {name: rss_after[name] - rss_before[name] for name in rss_before}
    record_property("rss_grown_kib", grown)
    assert after == before
    assert {name: kib for name, kib in grown.items() if kib > 20 * cycles + 2000} == {}


def test_no_two_sessions_bear_one_name_however_many_begin_in_a_second(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "d", CONFIG.partition("[[")[0]) as daemon:
        names = []
        for _ in range(20):
            names.append(begin(daemon, wait="none"))
            daemon.call("session.stop")

    numbers = [int(name.rpartition("-")[2], 16) for name in names]
    steps = {(b - a) % 65536 for a, b in pairwise(numbers)}
    assert steps == {1}  # drawn by chance, one in 65536 pairs would be alike
