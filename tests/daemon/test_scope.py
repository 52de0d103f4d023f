"""Which pipelines, sessions and workers are meant, by name or without one."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from imagemp.errors import ControlError
from tests.running import Daemon, running

from .test_recording import begin, record

PIPELINE = """
[pipelines.{name}.source]
kind = "synthetic"
width = 64
height = 48
fps = 200
[[pipelines.{name}.callbacks]]
name = "both"
target = "{{folder}}/mine.py:look"
"""
CODE = """
def look(buffer, queue):
    pass
"""
NAMES = ("left", "right", "never")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with three pipelines; in `never` no test begins a session."""
    folder = tmp_path_factory.mktemp("d")
    (folder / "mine.py").write_text(CODE)
    toml = "".join(PIPELINE.format(name=name) for name in NAMES)
    with running(folder, toml.replace("{folder}", str(folder))) as started:
        yield started


def ends(daemon: Daemon, **params: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401
    """Wait, and give pipeline, session and state of what one waited for."""
    found = daemon.call("session.wait", **params)["sessions"]
    return [(one["pipeline"], one["session"], one["state"]) for one in found]


def refusal(daemon: Daemon, method: str, **params: Any) -> tuple[str, str]:  # noqa: ANN401
    """Give code and words of a refusal."""
    with pytest.raises(ControlError) as refused:
        daemon.call(method, **params)
    return refused.value.code, str(refused.value)


def test_who_waits_too_late_is_told_how_the_last_session_ended(
    daemon: Daemon,
) -> None:
    record(daemon, pipeline="left", frames=3)
    last = record(daemon, pipeline="left", frames=5)

    waited = daemon.call("session.wait", pipelines=["left"])["sessions"]

    assert waited == [last]
    assert (last["state"], last["counts"]["captured"]) == ("complete", 5)
    first = daemon.call("session.wait", pipelines=["left"], until="first")["sessions"]
    assert first[0]["session"] == last["session"]


def test_who_waits_for_nobody_in_particular_waits_for_those_at_work(
    daemon: Daemon,
) -> None:
    over = record(daemon, pipeline="left", frames=3)
    on = begin(daemon, pipeline="right", frames=20)

    assert ends(daemon) == [("right", on, "complete")]

    both = [("left", over["session"], "complete"), ("right", on, "complete")]
    assert ends(daemon) == both  # now nothing is on: the last of each
    assert ends(daemon, pipelines=["right", "left"]) == both[::-1]
    assert ends(daemon, session=on) == both[1:]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"pipelines": ["never"]}, "wait: no session is on: never"),
        ({"pipelines": ["left", "never"]}, "wait: no session is on: never"),
        ({"session": "2026-x"}, "wait: no session '2026-x'"),
    ],
)
def test_there_is_nothing_to_wait_for_where_there_was_no_session(
    daemon: Daemon, params: dict[str, Any], named: str
) -> None:
    record(daemon, pipeline="left", frames=3)

    assert refusal(daemon, "session.wait", **params) == ("E_NOT_RUNNING", named)


def test_only_waiting_may_come_too_late(daemon: Daemon) -> None:
    record(daemon, pipeline="left", frames=3)

    for method in ("session.stop", "record.start", "trigger"):
        code, words = refusal(daemon, method, pipelines=["left"])
        assert code == "E_NOT_RUNNING"
        assert words.endswith("no session is on: left")


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("session.wait", {"pipelines": ["middle"]}, "there is left, right, never"),
        ("worker.restart", {"worker": "both"}, "worker: several pipelines have one"),
        ("worker.restart", {"worker": "main"}, "worker: no pipeline has one called"),
        ("callback.send", {"callback": "both", "body": 1}, "several pipelines have"),
        ("callback.send", {"callback": "neither", "body": 1}, "no pipeline has one"),
    ],
)
def test_what_is_not_there_or_could_be_several_is_refused_by_name(
    daemon: Daemon, method: str, params: dict[str, Any], words: str
) -> None:
    code, said = refusal(daemon, method, **params)

    assert code == "E_PARAMS"
    assert words in said


def test_a_gateway_that_is_restarted_by_order_has_not_failed(daemon: Daemon) -> None:
    before = daemon.call("status")["gateway"]

    daemon.call("worker.restart", worker="gateway")
    while (now := daemon.call("status")["gateway"])["pid"] == before["pid"]:
        time.sleep(0.01)

    assert now["restarts"] == before["restarts"]


def test_a_worker_that_is_restarted_by_order_has_not_failed(daemon: Daemon) -> None:
    pid = daemon.pid("both", "left")

    daemon.call("worker.restart", worker="both", pipeline="left")
    while (now := worker(daemon, "left"))["pid"] in (pid, None):
        time.sleep(0.01)

    assert now["restarts"] == 0


def worker(daemon: Daemon, pipeline: str) -> dict[str, Any]:
    """Give what is said of the callback."""
    workers = daemon.pipeline(pipeline)["workers"]
    return dict(next(w for w in workers if w["name"] == "both"))
