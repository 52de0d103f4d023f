"""`imagectl wait --until`: as far as asked, whoever is how far already."""

import json
from typing import Any

import pytest

from imagemp.ctl.exits import Exit

from .conftest import Imagectl
from .fake_daemon import COUNTS, METRICS, STATUS, FakeDaemon


def report(pipeline: str = "cam0", state: str = "running", **counts: Any) -> Any:  # noqa: ANN401
    """Give a report of a session; 100 captured, 96 recorded, unless told."""
    return {
        **METRICS,
        "pipeline": pipeline,
        "state": state,
        "counts": {**COUNTS, **counts},
    }


def answer_then(daemon: FakeDaemon, *reports: Any) -> None:  # noqa: ANN401
    """Have these reports come once `imagectl` listens."""

    def status(_params: object) -> Any:  # noqa: ANN401
        for one in reports:
            daemon.publish_now(f"metrics.{one['pipeline']}", one)
        return STATUS

    daemon.answers["status"] = status


@pytest.mark.parametrize(
    ("until", "first", "then"),
    [
        ("running", report(state="starting"), report()),
        ("captured=101", report(), report(captured=101)),
        (
            "recorded=97",
            report(),
            report(encoders={"main": {"recorded": 97, "durable": 90}}),
        ),
    ],
)
def test_it_waits_until_a_report_says_so(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    until: str,
    first: Any,  # noqa: ANN401
    then: Any,  # noqa: ANN401
) -> None:
    answer_then(daemon, first, then)

    assert imagectl("wait", "cam0", "--until", until, "--json") == Exit.OK

    told = json.loads(capsys.readouterr().out)
    assert told["until"] == until
    assert told["pipelines"]["cam0"]["captured"] == then["counts"]["captured"]


def test_what_is_so_already_is_not_waited_for(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.publish("metrics.cam0", report())

    assert imagectl("wait", "cam0", "--until", "captured=100") == Exit.OK

    assert capsys.readouterr().out == "cam0: running, captured 100, recorded 96\n"


def test_all_that_are_named_must_have_come_so_far(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    answer_then(daemon, report("cam1", captured=50), report("cam0"))

    waited = imagectl("wait", "--until", "captured=100", "--timeout", "0.3")

    assert waited == Exit.TIMEOUT
    answer_then(daemon, report("cam0"), report("cam1"))
    assert imagectl("wait", "--until", "captured=100") == Exit.OK


def test_a_session_that_ends_before_is_told_and_leaves_with_7(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_then(daemon, report(), report(state="complete"))

    assert imagectl("wait", "cam0", "--until", "captured=101") == Exit.FAILED

    assert "ended before it was captured=101" in capsys.readouterr().err


def test_a_session_that_was_over_before_does_not_count(
    daemon: FakeDaemon, imagectl: Imagectl
) -> None:
    daemon.publish("metrics.cam0", report(state="complete"))

    waited = imagectl("wait", "cam0", "--until", "captured=1", "--timeout", "0.3")

    assert waited == Exit.TIMEOUT


@pytest.mark.parametrize(
    "until", ["", "captured", "captured=0", "durable=3", "Running"]
)
def test_any_other_condition_is_refused_by_name(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str], until: str
) -> None:
    assert imagectl("wait", "--until", until) == Exit.USAGE

    assert f"{until!r} is not ended, running, captured=N" in capsys.readouterr().err
