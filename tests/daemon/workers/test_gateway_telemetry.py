"""What subscribers of a real gateway process hear."""

from pathlib import Path
from typing import Any

import pytest

from imagemp.client import Telemetry

from .fake_supervisor import WAIT_S, FakeSupervisor
from .raw_client import RawClient, is_pinged


def test_a_late_subscriber_gets_the_last_of_each_topic_it_wants(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    for n in range(3):
        supervisor.publish("state", n=n)
    supervisor.publish("metrics.cam0", fps=30)
    supervisor.publish("metrics.cam01", fps=60)
    assert is_pinged(supervisor, client)  # so the gateway has read all that

    with Telemetry(["state", "metrics.cam0 "], supervisor.directory) as telemetry:
        told = dict(heard(telemetry, 2))

    assert {topic: body.get("n", body.get("fps")) for topic, body in told.items()} == {
        "state": 2,
        "metrics.cam0": 30,
    }
    assert told["state"]["instance"] == "run-1"


def test_what_is_sent_again_for_another_is_not_given_twice(
    supervisor: FakeSupervisor,
) -> None:
    with Telemetry(["state"], supervisor.directory) as first:
        supervisor.publish("state", n=1)
        assert heard(first, 1)[0][1]["n"] == 1
        with Telemetry(["state"], supervisor.directory) as second:
            assert heard(second, 1)[0][1]["n"] == 1
        supervisor.publish("state", n=2)

        assert heard(first, 1)[0][1]["n"] == 2


def test_a_subscriber_goes_on_with_the_successor_of_a_killed_gateway(
    supervisor: FakeSupervisor,
) -> None:
    supervisor.publish("state", n=1)
    with Telemetry(["state"], supervisor.directory) as telemetry:
        heard(telemetry, 1)

        supervisor.kill_gateway()
        supervisor.start_gateway()
        supervisor.publish("state", n=2)

        assert heard(telemetry, 1)[0][1]["n"] == 2
        assert telemetry.lost == 0


def test_a_slow_subscriber_blocks_nobody_and_sees_its_gap(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    with Telemetry(["bulk"], supervisor.directory) as slow:
        supervisor.publish("bulk", text="first")
        heard(slow, 1)

        for _ in range(5000):
            supervisor.publish("bulk", text="x" * 4000)
        assert is_pinged(supervisor, client)
        while (told := heard(slow, 1)[0][1]["text"]) != "last":
            supervisor.publish("bulk", text="last")  # one of them finds room

        assert told == "last"
        assert slow.lost > 0


def test_what_a_callback_sends_is_published_under_its_name(
    supervisor: FakeSupervisor,
) -> None:
    with (
        supervisor.callback_socket("callback.cam0.motion") as callback,
        Telemetry(["callback."], supervisor.directory) as telemetry,
    ):
        callback.send(b'[{"seq": 7, "level": NaN}]')

        topic, body = heard(telemetry, 1)[0]

    assert topic == "callback.cam0.motion"
    assert body["body"] == [{"seq": 7, "level": None}]
    assert {"v", "instance", "seq", "t_mono_ns", "t_unix_ns"} < body.keys()


@pytest.mark.parametrize("bad", [b"{", b"[" * 60000, b'"' + b"x" * 66000 + b'"'])
def test_a_callback_that_sends_garbage_is_not_published(
    supervisor: FakeSupervisor, bad: bytes
) -> None:
    with (
        supervisor.callback_socket("callback.cam0.motion") as callback,
        Telemetry(["callback."], supervisor.directory) as telemetry,
    ):
        callback.send(bad)
        callback.send(b"1")

        assert heard(telemetry, 1)[0][1]["body"] == 1


def test_a_callback_that_leaves_costs_nothing(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    descriptors = Path(f"/proc/{supervisor.gateway.pid}/fd")
    assert is_pinged(supervisor, client)
    before = len(list(descriptors.iterdir()))

    supervisor.callback_socket("callback.cam0.motion").close()
    assert is_pinged(supervisor, client)
    assert is_pinged(supervisor, client)

    assert len(list(descriptors.iterdir())) == before


def heard(telemetry: Telemetry, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Give the next messages."""
    told = [telemetry.receive(WAIT_S) for _ in range(count)]
    assert None not in told, "nothing was published"
    return [message for message in told if message is not None]
