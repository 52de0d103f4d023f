"""`imagectl metrics`, read by the parser that Prometheus' own client has."""

import json
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from imagemp.ctl.exits import Exit
from imagemp.ctl.openmetrics import exposition, families

from .conftest import Imagectl
from .fake_daemon import METRICS, SESSION, STATUS, FakeDaemon


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Give each sample's value by its name and labels, as the parser has them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


def value(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples[f"imagemp_{name}", tuple(sorted(labels.items()))]


def test_prometheus_reads_what_status_and_reports_tell(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.publish("metrics.cam0", METRICS)

    assert imagectl("metrics") == Exit.OK

    found = read(capsys.readouterr().out)
    cam0 = {"pipeline": "cam0"}
    assert value(found, "frames_captured_total", **cam0) == 100
    assert value(found, "frames_dropped_total", **cam0, cause="ring_full") == 3
    assert value(found, "frames_recorded_total", **cam0, reader="main") == 96
    assert value(found, "frames_skipped_total", **cam0, reader="motion", cause="behind")
    assert value(found, "slots_high_water", **cam0, place="overflow") == 5
    assert value(found, "lag_seconds", **cam0, reader="motion", quantile="0.99") == (
        0.0025
    )
    assert value(found, "written_bytes_total", **cam0, encoder="main") == 2**30
    assert value(found, "durable_lag_seconds", **cam0, encoder="main") == 0.1804
    assert value(found, "callback_errors_total", **cam0, callback="motion") == 1
    assert value(found, "callback_over_budget_total", **cam0, callback="motion") == 3
    took = {**cam0, "callback": "motion", "quantile": "0.99"}
    assert value(found, "callback_call_seconds", **took) == 0.00275
    assert value(found, "session_info", **cam0, session=SESSION) == 1


def test_workers_that_do_not_run_are_down() -> None:
    found = read(exposition(families(STATUS, STATUS["pipelines"].items())))

    cam0 = {"pipeline": "cam0"}
    assert value(found, "worker_up", **cam0, worker="capture") == 1
    assert value(found, "worker_up", **cam0, worker="motion") == 0
    assert value(found, "worker_restarts_total", **cam0, worker="motion") == 2
    assert value(found, "worker_up", pipeline="", worker="gateway") == 1


def test_after_a_session_its_last_rate_is_not_told_any_more() -> None:
    over = {**METRICS, "state": "complete"}

    found = read(exposition(families({}, [("cam0", over)])))

    assert value(found, "fps", pipeline="cam0") == 0
    assert value(found, "frames_captured_total", pipeline="cam0") == 100


def test_a_daemon_without_pipelines_is_still_up() -> None:
    assert read(exposition(families({"state": "running"}, []))) == {
        ("imagemp_up", ()): 1
    }


def test_large_numbers_keep_every_digit() -> None:
    body = {"counts": {"captured": 123_456_789_012}}

    text = exposition(families({}, [("cam0", body)]))

    assert 'frames_captured_total{pipeline="cam0"} 123456789012\n' in text


def test_labels_may_hold_any_character() -> None:
    name = 'a "b"\\\nc'

    found = read(exposition(families({}, [(name, {"fps": 2.5})])))

    assert value(found, "fps", pipeline=name) == 2.5


def test_json_has_the_same_samples(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.publish("metrics.cam0", METRICS)

    assert imagectl("metrics", "--json") == Exit.OK

    told = json.loads(capsys.readouterr().out)["samples"]
    fps, idle = [s for s in told if s["name"] == "imagemp_fps"]
    assert fps == {
        "name": "imagemp_fps", "type": "gauge",
        "labels": {"pipeline": "cam0"}, "value": 29.9,
    }  # fmt: skip
    assert (idle["labels"], idle["value"]) == ({"pipeline": "cam1"}, 0)
