"""A post is filled again whenever its worker dies, until it is asked to be empty."""

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from imagemp.daemon.life import Due, Life, State
from imagemp.daemon.post import Post, Watch, describe
from imagemp.daemon.workers.orders import Failed, LetGo, Prepare, Told
from imagemp.link import close_all

from .keeper import open_fds

WAIT_S = 20.0
T = TypeVar("T")


class Watched:
    """A post, and what its watch has seen."""

    def __init__(self, kind: str = "capture", *, never_gives_up: bool = False) -> None:
        self.seen: list[str] = []
        self.told: list[Told] = []
        self._changed = asyncio.Event()
        watch = Watch(self._ready, self._told, self._died)
        self.post = Post("cam", kind, watch, life=Life(never_gives_up))

    async def sees(self, *expected: str) -> None:
        """Wait until the watch has seen this, all in all."""
        while self.seen != list(expected):
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), WAIT_S)

    def hit(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process, behind the post's back."""
        assert self.post.pid is not None
        os.kill(self.post.pid, number)

    def get_stuck(self) -> None:
        """Do what the alarm of a kill does that had no effect."""
        self.post.life.alarm = (0.0, Due.STUCK)
        self.post._due()

    def _note(self, what: str) -> None:
        self.seen.append(what)
        self._changed.set()

    def _ready(self, post: Post) -> None:
        self._note("ready")

    def _told(self, _post: Post, told: Told, fds: list[int]) -> None:
        close_all(fds)
        self.told.append(told)
        self._note(type(told).__name__)

    def _died(self, _post: Post, code: int) -> None:
        self._note(describe(code))


def act(
    steps: Callable[[Watched], Awaitable[T]],
    kind: str = "capture",
    *,
    never_gives_up: bool = False,
) -> T:
    """Do something with a post, and have it left empty."""

    async def run() -> T:
        watched = Watched(kind, never_gives_up=never_gives_up)
        try:
            return await steps(watched)
        finally:
            await watched.post.leave()

    return asyncio.run(run())


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Have the kernel refuse to open anything."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_closing(post: Post) -> bool:
    """Tell whether it waits for a source to be closed."""
    return post._closing is not None


def fail_four_times(post: Post) -> None:
    """Have it one failure from too many."""
    for _ in range(4):
        post.restarts.failed(asyncio.get_running_loop().time(), 0.0, 0.5)


def test_a_post_is_running_when_its_worker_says_so() -> None:
    async def steps(watched: Watched) -> None:
        post = watched.post
        assert (post.state, post.pid) == (State.STOPPED, None)
        post.start()
        assert post.state is State.STARTING
        await watched.sees("ready")
        assert post.is_running

    act(steps)


def test_a_post_that_was_left_is_empty_and_nobody_is_told_of_a_death() -> None:
    before = open_fds()

    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        await watched.post.leave()
        assert (watched.post.state, watched.post.pid) == (State.STOPPED, None)
        assert watched.seen == ["ready"]

    act(steps)
    assert open_fds() == before


def test_a_worker_that_cannot_be_started_is_tried_again() -> None:
    before = open_fds()

    async def steps(watched: Watched) -> None:
        with no_more_descriptors():
            watched.post.start()
            await watched.sees("exit code 71")
        await watched.sees("exit code 71", "ready")
        assert watched.post.restarts.total == 1

    act(steps)
    assert open_fds() == before


def test_a_worker_that_died_has_a_successor() -> None:
    async def steps(watched: Watched) -> tuple[int | None, int | None]:
        watched.post.start()
        await watched.sees("ready")
        first = watched.post.pid
        watched.hit()
        await watched.sees("ready", "killed by SIGKILL")
        assert watched.post.state is State.BACKOFF
        await watched.sees("ready", "killed by SIGKILL", "ready")
        assert watched.post.restarts.total == 1
        return first, watched.post.pid

    first, second = act(steps)
    assert first != second


def test_what_a_worker_tells_comes_to_the_watch_and_orders_to_the_worker() -> None:
    bad = Prepare("s1", 0, 0, 0, {"kind": "nonsense"}, {"slots": 2})

    async def steps(watched: Watched) -> list[Told]:
        watched.post.start()
        watched.post.send(bad)  # not ready yet: lost
        await watched.sees("ready")
        watched.post.send(bad)
        await watched.sees("ready", "Failed")
        return watched.told

    (failed,) = act(steps)
    assert isinstance(failed, Failed)


def test_orders_to_an_empty_post_are_lost_quietly() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.send(LetGo())
        watched.post.kill()
        assert watched.post.state is State.STOPPED

    act(steps)


def test_a_post_left_while_its_worker_starts_stays_empty() -> None:
    async def steps(watched: Watched) -> list[str]:
        watched.post.start()
        await watched.post.leave()
        assert watched.post.state is State.STOPPED
        return watched.seen

    assert act(steps) == []


def test_a_post_left_while_it_waits_for_its_next_worker_stays_empty() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        watched.hit()
        await watched.sees("ready", "killed by SIGKILL")
        await watched.post.leave()
        assert watched.post.state is State.STOPPED
        assert watched.post._timer is None

    act(steps)


def test_two_who_ask_a_worker_to_leave_are_both_answered() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        both = asyncio.gather(watched.post.leave(), watched.post.leave())
        await asyncio.wait_for(both, WAIT_S)

    act(steps)


def test_a_worker_that_does_not_leave_is_killed() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        watched.hit(signal.SIGSTOP)
        await asyncio.wait_for(watched.post.leave(), WAIT_S)
        assert watched.post.state is State.STOPPED

    act(steps)


def test_no_timer_that_was_to_watch_a_kill_outlives_the_process() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        watched.post.kill()
        await watched.sees("ready", "killed by SIGKILL", "ready")
        assert watched.post._timer is None

    act(steps)


def test_a_worker_that_fails_too_often_is_given_up_until_somebody_starts_it() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        fail_four_times(watched.post)
        watched.hit()
        await watched.sees("ready", "killed by SIGKILL")
        assert (watched.post.state, watched.post.pid) == (State.FATAL, None)
        watched.post.start()
        await watched.sees("ready", "killed by SIGKILL", "ready")
        assert watched.post.is_running

    act(steps)


def test_a_camera_is_never_given_up() -> None:
    async def steps(watched: Watched) -> None:
        fail_four_times(watched.post)
        watched.post._do(watched.post.life._spawn())
        await watched.sees("exit code 1")
        assert watched.post.state is State.BACKOFF
        assert watched.post._timer is not None
        wait_s = watched.post._timer.when() - asyncio.get_running_loop().time()
        assert 25 < wait_s <= 30

    act(steps, "nonsense", never_gives_up=True)


@pytest.mark.parametrize(
    ("state", "failures"), [(State.RUNNING, 0), (State.BACKOFF, 1), (State.FATAL, 5)]
)
def test_a_restart_that_is_asked_for_starts_anew_whatever_was_before(
    state: State, failures: int
) -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        if state is State.FATAL:
            fail_four_times(watched.post)
        if state is not State.RUNNING:
            watched.hit()
            await watched.sees("ready", "killed by SIGKILL")
        assert watched.post.state is state
        watched.post.restart()
        await watched.sees("ready", "killed by SIGKILL", "ready")
        assert watched.post.is_running
        assert watched.post.restarts.total == failures

    act(steps)


def test_a_worker_that_could_not_be_killed_has_a_successor_once_it_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        watched.get_stuck()
        assert watched.post.state is State.STUCK
        assert watched.seen == ["ready", "killed by SIGKILL"]  # as good as dead
        watched.hit()
        await watched.sees("ready", "killed by SIGKILL", "ready")
        assert watched.post.is_running

    act(steps)
    assert "reboot needed" in caplog.text


def test_a_worker_that_has_closed_its_source_is_left_alone() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        watched.post.let_go()
        assert is_closing(watched.post)
        while is_closing(watched.post):  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
        assert watched.post.is_running
        assert watched.seen == ["ready"]

    act(steps)


def test_a_worker_that_hangs_in_closing_its_source_is_aborted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        watched.hit(signal.SIGSTOP)
        watched.post.let_go()
        assert is_closing(watched.post)
        watched.post._close_hangs()  # what its timer does
        watched.hit(signal.SIGCONT)
        await watched.sees("ready", "killed by SIGABRT", "ready")
        assert not is_closing(watched.post)

    act(steps)
    assert "does not close its source" in caplog.text


def test_nobody_waits_for_a_worker_that_cannot_be_killed() -> None:
    async def steps(watched: Watched) -> None:
        watched.post.start()
        await watched.sees("ready")
        watched.hit(signal.SIGSTOP)
        leaving = asyncio.create_task(watched.post.leave())
        await asyncio.wait({leaving}, timeout=0)
        watched.get_stuck()
        await asyncio.wait_for(leaving, WAIT_S)
        assert watched.post.state is State.STUCK
        watched.hit()
        while watched.post.pid is not None:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
        assert watched.seen == ["ready"]
        assert str(watched.post.state) == "stopped"

    act(steps)


def test_an_end_is_described_by_signal_or_exit_code() -> None:
    assert describe(-6) == "killed by SIGABRT"
    assert describe(1) == "exit code 1"
