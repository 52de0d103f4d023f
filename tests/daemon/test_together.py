"""Sessions of one request begin at one instant, and so do those of a time of day."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from imagemp.clock import boottime_ns, is_synchronised
from imagemp.daemon import together
from imagemp.daemon.sources.seqmark import encode
from imagemp.daemon.together import Together
from imagemp.daemon.wallclock import check_clock
from imagemp.errors import ControlError
from imagemp.frames import AnyArray
from tests.running import Daemon, running

from .test_recording import newest, what_is_left

USER_CODE = """
import time

from imagemp.daemon.sources.synthetic import SyntheticSource


class Slow(SyntheticSource):
    def open(self):
        time.sleep(0.5)
        return super().open()
"""
CONFIG = """
[pipelines.quick]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
encoder = {}

[pipelines.slow]
source = { kind = "{folder}/slow.py:Slow", width = 64, height = 48, fps = 200 }
encoder = {}

[pipelines.film]
source = { kind = "file", path = "film.npy", fps = 0 }
ring = { when_full = "wait" }
encoder = {}

[pipelines.absent]
source = { kind = "opencv", device = "/dev/video250" }
"""
FILM = 20


def film() -> AnyArray:
    """Give frames that bear their number."""
    made = np.zeros((FILM, 8, 64), np.uint8)
    for seq in range(FILM):
        mark = encode(seq, np.dtype("u1"))
        made[seq].reshape(-1)[: mark.size] = mark
        made[seq].reshape(-1)[-mark.size :] = mark
    return made


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "slow.py").write_text(USER_CODE)
    np.save(folder / "film.npy", film())
    with running(folder, CONFIG) as started:
        yield started


def start(daemon: Daemon, *pipelines: str, **params: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as the wire has them
    """Have sessions run to their ends; give what came of each."""
    asked: dict[str, Any] = {"frames": FILM, "wait": "done", **params}
    ended: list[dict[str, Any]]
    ended = daemon.call("session.start", pipelines=list(pipelines), **asked)["sessions"]
    return ended


def stamps(daemon: Daemon, pipeline: str) -> tuple[int, list[int]]:
    """Give the instant that a session began at, and when its frames were taken."""
    left = what_is_left(daemon, pipeline)
    (began,) = (e["t_start_ns"] for e in left.manifest.events if e["name"] == "start")
    return int(began), [int(row["t_sensor_ns"]) for row in left.rows]


def check_in_step(daemon: Daemon, *pipelines: str) -> int:
    """Check that these began at one instant, and took no frame before; give it."""
    found = [stamps(daemon, pipeline) for pipeline in pipelines]
    (began,) = {began for began, _ in found}
    for _, times in found:
        assert len(times) == FILM
        assert min(times) >= began
    return began


def test_sessions_of_one_request_begin_when_the_slowest_is_ready(
    daemon: Daemon,
) -> None:
    before = boottime_ns()
    start(daemon, "quick", "slow", "film")

    assert check_in_step(daemon, "quick", "slow", "film") >= before + 500_000_000
    assert what_is_left(daemon, "film").seqs == list(range(FILM))
    seqs = what_is_left(daemon, "quick").seqs
    assert seqs == sorted(set(seqs))


def test_a_time_of_day_is_the_instant_of_all(daemon: Daemon) -> None:
    at = time.time() + 1.0
    ended = start(daemon, "quick", "slow", "film", at=at, force=True)

    began = check_in_step(daemon, "quick", "slow", "film")
    boot_ns, unix_ns = what_is_left(daemon, "quick").manifest.clock[0]
    assert began - boot_ns + unix_ns == pytest.approx(at * 1e9, abs=50e6)
    assert what_is_left(daemon, "film").seqs == list(range(FILM))
    assert {one["state"] for one in ended} == {"complete"}


def test_a_time_that_has_passed_is_now(daemon: Daemon) -> None:
    before = boottime_ns()
    start(daemon, "quick", at=time.time() - 60, force=True)

    assert check_in_step(daemon, "quick") >= before


def test_a_timetable_counts_from_the_common_instant(daemon: Daemon) -> None:
    times = [0.0, 0.1, 0.2]
    start(daemon, "quick", "slow", overrides=[f"schedule.times_s={times}"])

    for pipeline in ("quick", "slow"):
        began, taken = stamps(daemon, pipeline)
        due = [began + round(s * 1e9) for s in times]
        assert 1 <= len(taken) <= len(times)  # a busy machine skips some
        assert all(min(t - d for d in due if d <= t) >= 0 for t in taken)


def test_a_film_that_is_put_off_loses_nothing(daemon: Daemon) -> None:
    before = boottime_ns()
    start(daemon, "film", overrides=["schedule.start_in_s=0.3"])
    left = what_is_left(daemon, "film")

    assert left.seqs == list(range(FILM))
    assert int(left.rows[0]["t_sensor_ns"]) >= before + 300_000_000


def test_one_that_cannot_begin_does_not_keep_the_others(daemon: Daemon) -> None:
    with pytest.raises(ControlError, match="video250") as refused:
        start(daemon, "absent", "quick", wait="first", frames=None)
    daemon.call("session.wait", pipelines=["quick"], until="first")
    state = daemon.pipeline("quick")["state"]
    daemon.call("session.stop", pipelines=["quick"])

    assert refused.value.code == "E_CAMERA"
    assert state == "running"


def test_a_time_of_day_needs_a_clock_that_is_right(daemon: Daemon) -> None:
    there = newest(daemon, "quick")
    try:
        start(daemon, "quick", at=time.time())
        told = ""
    except ControlError as refused:
        told = refused.code

    assert told == ("" if is_synchronised() else "E_CLOCK")
    assert (newest(daemon, "quick") == there) == bool(told)


def test_a_clock_that_is_not_right_is_refused_with_what_helps() -> None:
    check_clock(is_right=True)

    with pytest.raises(ControlError, match="is not synchronised") as refused:
        check_clock(is_right=False)

    assert refused.value.code == "E_CLOCK"
    assert "--force" in refused.value.hint


# -- who waits for whom


def instants(act: Any, n: int = 2) -> dict[str, int]:  # noqa: ANN401 - a function of it
    """Let sessions become ready; give who went, and the instant it was told."""

    async def turn() -> dict[str, int]:
        went: dict[str, int] = {}

        def ready(name: str) -> None:
            common.ready(name, lambda instant: went.update({name: instant}))

        common = Together(n)
        act(common, ready)
        return went

    return asyncio.run(turn())


def test_nobody_goes_before_all_are_ready() -> None:
    assert instants(lambda _, ready: ready("a")) == {}


def test_all_that_are_ready_go_at_one_instant() -> None:
    went = instants(lambda _, ready: (ready("a"), ready("b")))

    assert went.keys() == {"a", "b"}
    assert went["a"] == went["b"] > 0


def test_who_is_ready_twice_is_still_one() -> None:
    assert instants(lambda _, ready: (ready("a"), ready("a"))) == {}


def test_who_is_over_is_not_waited_for_and_does_not_go() -> None:
    def act(common: Together, ready: Any) -> None:  # noqa: ANN401
        ready("a")
        common.leave("a")
        common.leave("a")
        ready("b")

    assert instants(act).keys() == {"b"}


def test_after_some_patience_the_others_go_and_the_late_one_has_their_instant() -> None:
    def act(common: Together, ready: Any) -> None:  # noqa: ANN401
        ready("a")
        assert common._timer is not None
        now = asyncio.get_running_loop().time()
        assert 0 < common._timer.when() - now <= together.PATIENCE_S
        common._go()  # what the timer does
        ready("b")

    went = instants(act)

    assert went["a"] == went["b"]
