"""What the types of the wire let through, and how it looks as JSON."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from imagemp import codes, errors, topics
from imagemp.messages import METHODS, Problem, Reply, Request, SessionStart

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize(
    "params",
    [
        {"duration_s": 0},
        {"duration_s": -1},
        {"duration_s": 1e300},
        {"frames": 0},
        {"frames": 1.5},
        {"frames": True},
        {"at": "yesterday"},
        {"at": "9999999-01-01"},
        {"at": -1},
        {"wait": "long"},
        {"overrides": ["ring.slots"]},
        {"pipelines": "cam0"},
        {"pipelines": [""]},
        {"duraton_s": 60},
    ],
)
def test_an_impossible_start_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(params, SessionStart)


def test_a_start_may_be_given_in_unix_seconds_or_as_text() -> None:
    by_text = msgspec.convert({"at": "2026-11-20T10:15:00Z"}, SessionStart)
    by_local_text = msgspec.convert({"at": "2026-11-20T10:15:00"}, SessionStart)
    by_number = msgspec.convert({"at": 1795169700}, SessionStart)

    assert by_text.at_unix() == by_number.at_unix() == 1795169700
    assert by_local_text.at_unix() == datetime(2026, 11, 20, 10, 15).timestamp()  # noqa: DTZ001 - local on purpose
    assert SessionStart().at_unix() is None


@pytest.mark.parametrize("method", METHODS)
def test_every_method_refuses_what_it_does_not_know(method: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"pipelnes": []}, METHODS[method])


def test_a_reply_carries_no_more_than_it_says() -> None:
    good = Reply(1, "c1", True, {"n": 1}, instance="run")
    bad = Reply(1, "c1", False, error=Problem("E_DISK", "full"))

    assert msgspec.json.encode(good) == (
        b'{"v":1,"id":"c1","ok":true,"result":{"n":1},"instance":"run"}'
    )
    assert msgspec.json.encode(bad) == (
        b'{"v":1,"id":"c1","ok":false,"error":{"code":"E_DISK","message":"full"}}'
    )


def test_a_reply_of_a_later_daemon_may_say_more() -> None:
    told = b'{"v":1,"id":"c1","ok":true,"result":{},"mood":"good"}'

    assert msgspec.json.decode(told, type=Reply).ok


def test_a_request_has_defaults_for_all_but_its_name() -> None:
    told = b'{"v":1,"id":"c1","method":"ping"}'

    assert msgspec.json.decode(told, type=Request) == Request(1, "c1", "ping")


def test_every_code_is_a_constant_with_a_meaning() -> None:
    constants = {name for name in vars(codes) if name.startswith("E_")}

    assert constants == set(codes.CODES)
    assert errors.ConfigError.code in codes.CODES


def test_every_method_parameter_and_code_is_in_the_manual() -> None:
    pages = ("protocol.md", "reference/protocol.md")
    manual = "".join((DOCS / page).read_text() for page in pages)
    fields = {f for kind in METHODS.values() for f in kind.__struct_fields__}

    words = {*METHODS, *fields, *codes.CODES}
    words |= {*Request.__struct_fields__, *Reply.__struct_fields__}
    words |= {*Problem.__struct_fields__, *topics.Envelope.__struct_fields__}

    assert {word for word in words if f"`{word}`" not in manual} == set()


def test_topics_are_named_after_pipeline_and_callback() -> None:
    assert topics.metrics_topic("cam0") == "metrics.cam0"
    assert topics.event_topic("cam0") == "event.cam0"
    assert topics.callback_topic("cam0", "motion") == "callback.cam0.motion"
