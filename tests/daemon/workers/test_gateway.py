"""A real gateway process, with the test in the supervisor's place."""

import os
from pathlib import Path

import pytest
import zmq

from imagemp.client import Control
from imagemp.daemon.workers.orders import Asked, Forgotten
from imagemp.errors import ControlError

from .fake_supervisor import WAIT_S, FakeSupervisor
from .raw_client import WAIT_MS, RawClient, is_pinged

GARBAGE = {
    "one empty frame": ([b""], "E_FRAME"),
    "one frame": ([b"IMP1"], "E_FRAME"),
    "three frames, as from a REQ": ([b"", b"IMP1", b"{}"], "E_FRAME"),
    "a thousand frames": ([b"x"] * 1000, "E_FRAME"),
    "wrong magic": ([b"HTTP", b"{}"], "E_FRAME"),
    "64 KiB and the magic": ([b"IMP1", b" " * 65536], "E_TOO_LARGE"),
    "nothing": ([b"IMP1", b""], "E_JSON"),
    "cut off": ([b"IMP1", b'{"v":1,"id":"c'], "E_JSON"),
    "not UTF-8": ([b"IMP1", b'{"v":"\xff\xfe"}'], "E_JSON"),
    "60,000 brackets": ([b"IMP1", b"[" * 60000], "E_JSON"),
    "deep": ([b"IMP1", b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"], "E_JSON"),
    "a list": ([b"IMP1", b"[]"], "E_JSON"),
    "a number": ([b"IMP1", b"5"], "E_JSON"),
    "a key twice": ([b"IMP1", b'{"v":1,"v":1}'], "E_JSON"),
    "no version": ([b"IMP1", b"{}"], "E_VERSION"),
    "no id": ([b"IMP1", b'{"v":1,"method":"ping"}'], "E_PARAMS"),
    "no such method": ([b"IMP1", b'{"v":1,"id":"a","method":"pong"}'], "E_METHOD"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_gets_a_code_and_the_next_request_an_answer(
    supervisor: FakeSupervisor, client: RawClient, name: str
) -> None:
    frames, code = GARBAGE[name]

    client.say(*frames)

    assert client.hear()["error"]["code"] == code
    assert is_pinged(supervisor, client)


def test_a_frame_above_64_kib_costs_its_sender_the_connection_alone(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    greedy = RawClient(supervisor.control_path)

    greedy.say(b"IMP1", b" " * 70000)
    assert is_pinged(supervisor, client)
    assert is_pinged(supervisor, greedy)  # zmq has connected again

    greedy.close()


def test_a_request_that_the_link_cannot_carry_is_too_large(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    body = ",".join(["1e15"] * 12000)  # 1000000000000000.0 each on the link
    params = f'{{"pipeline":"a","callback":"b","body":[{body}]}}'

    client.say(
        b"IMP1",
        f'{{"v":1,"id":"x","method":"callback.send","params":{params}}}'.encode(),
    )

    assert client.hear()["error"]["code"] == "E_TOO_LARGE"
    assert is_pinged(supervisor, client)


def test_a_request_reaches_the_supervisor_checked_and_complete(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    client.ask("session.stop", params={"now": True}, idem="once")

    asked = supervisor.expect(Asked)

    assert asked.params == {"pipelines": [], "now": True, "session": None}
    assert (asked.method, asked.idem) == ("session.stop", "once")
    assert asked.who == f"localhost:{os.getuid()}:{os.getgid()}:{os.getpid()}"


def test_replies_to_one_request_are_counted(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    client.ask("session.wait")
    token = supervisor.expect(Asked).token

    for share in (1, 2):
        supervisor.answer(token, result={"share": share}, more=True)
    supervisor.answer(token, result={"share": 3})
    supervisor.answer(token, result={"share": 4})  # too late: nobody waits

    told = [client.hear() for _ in range(3)]
    assert [(t.get("more", False), t["seq"]) for t in told] == [
        (True, 1),
        (True, 2),
        (False, 3),
    ]
    assert is_pinged(supervisor, client)


def test_an_error_of_the_supervisor_comes_through(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    problem = {"code": "E_DISK", "message": "full", "hint": "delete"}
    client.ask("session.start")

    supervisor.answer(supervisor.expect(Asked).token, error=problem)

    told = client.hear()
    assert (told["ok"], told["error"], told["instance"]) == (False, problem, "run-1")


def test_a_request_is_given_up_at_its_deadline(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    client.ask("status", deadline_ms=50)
    token = supervisor.expect(Asked).token

    assert client.hear()["error"]["code"] == "E_TIMEOUT"
    assert supervisor.expect(Forgotten).token == token
    supervisor.answer(token, result={})
    assert is_pinged(supervisor, client)


def test_a_client_that_vanishes_before_its_deadlines_costs_nothing(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    gone = RawClient(supervisor.control_path)
    for _ in range(20):
        gone.ask("status", deadline_ms=300)
    tokens = {supervisor.expect(Asked).token for _ in range(20)}

    gone.close()

    assert {supervisor.expect(Forgotten).token for _ in range(20)} == tokens
    assert is_pinged(supervisor, client)


def test_the_33rd_request_of_a_connection_that_would_wait_is_refused(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    for _ in range(33):
        client.ask("status")

    told = client.hear()

    assert (told["error"]["code"], told["error"]["retryable"]) == ("E_BUSY", True)
    tokens = [supervisor.expect(Asked).token for _ in range(32)]
    assert len(set(tokens)) == 32


def test_a_flood_is_told_to_slow_down_and_others_are_served(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    flooding = RawClient(supervisor.control_path)

    for _ in range(250):
        flooding.say(b"what?")
    codes = {flooding.hear()["error"]["code"] for _ in range(250)}

    assert codes == {"E_FRAME", "E_RATE"}
    assert is_pinged(supervisor, client)
    flooding.close()


def test_what_a_vanished_client_asked_for_is_forgotten(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    gone = RawClient(supervisor.control_path)
    gone.ask("session.wait")
    gone.ask("status")
    wait, status = (supervisor.expect(Asked).token for _ in range(2))

    gone.close()
    while supervisor.is_quiet():  # until the gateway has noticed
        supervisor.answer(wait, result={}, more=True)
        client.ask("version")
        client.hear()

    forgotten = {supervisor.expect(Forgotten).token for _ in range(2)}
    assert forgotten == {wait, status}


def test_the_gateway_answers_by_itself_what_it_knows(
    supervisor: FakeSupervisor,
) -> None:
    with Control(supervisor.directory) as control:
        described = control.call("methods.describe")
        version = control.call("version")
        found = control.call("config.check", {"text": "[pipelines.a.source]\nknd=1"})

    start = described["$defs"]["SessionStart"]["properties"]
    assert start["wait"]["enum"] == ["done", "first", "none"]
    assert version["protocol"] == 1
    assert found["findings"][0]["level"] == "error"
    assert supervisor.is_quiet()


def test_requests_are_served_by_the_successor_of_a_killed_gateway(
    supervisor: FakeSupervisor, client: RawClient
) -> None:
    assert is_pinged(supervisor, client)

    supervisor.kill_gateway()
    late = RawClient(supervisor.control_path)
    late.ask("ping")
    supervisor.start_gateway()

    supervisor.answer(supervisor.expect(Asked).token, result={"pong": True})
    assert late.hear()["ok"]
    assert is_pinged(supervisor, client)
    late.close()


def test_a_waiting_client_does_not_notice_that_the_gateway_was_killed(
    supervisor: FakeSupervisor,
) -> None:
    with Control(supervisor.directory) as control:
        stream = control.stream("session.wait", timeout_s=WAIT_S)
        with supervisor.answering(lambda _: [{"result": {"n": 1}, "more": True}]):
            assert next(stream) == {"n": 1}

        supervisor.kill_gateway()
        supervisor.start_gateway()
        with supervisor.answering(lambda _: [{"result": {"n": 2}}]):
            assert list(stream) == [{"n": 2}]


def test_an_order_that_cannot_be_repeated_ends_with_the_gateway(
    supervisor: FakeSupervisor,
) -> None:
    with Control(supervisor.directory) as control:
        stream = control.stream("trigger", timeout_s=WAIT_S)
        with supervisor.answering(lambda _: [{"result": {}, "more": True}]):
            next(stream)
        supervisor.kill_gateway()

        with pytest.raises(TimeoutError, match="connection was lost"):
            next(stream)


def test_a_gateway_is_bounded_in_files_and_memory(supervisor: FakeSupervisor) -> None:
    proc = Path(f"/proc/{supervisor.gateway.pid}")
    limits = (proc / "limits").read_text()
    rows = {line[:26].strip(): line[26:].split() for line in limits.splitlines()}

    used = megabytes(supervisor, "VmData")

    assert int(rows["Max open files"][0]) >= 4096
    assert used < int(rows["Max data size"][0]) >> 20 <= used + 160


def test_an_endless_multipart_costs_its_sender_the_connection_and_little_memory(
    supervisor: FakeSupervisor,
) -> None:
    greedy = RawClient(supervisor.control_path)
    lost = greedy.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    for _ in range(4000):
        greedy.socket.send(b"x" * 60000, zmq.SNDMORE)
    greedy.say(b"end")
    assert lost.poll(WAIT_MS)
    greedy.close()

    if supervisor.gateway.poll() is None:  # libzmq may have aborted as well
        assert megabytes(supervisor, "VmHWM") < 200
    supervisor.kill_gateway()
    supervisor.start_gateway()
    with Control(supervisor.directory) as control:
        assert control.call("version", timeout_s=WAIT_S)["protocol"] == 1


def test_a_refused_order_raises_its_code(supervisor: FakeSupervisor) -> None:
    with (
        Control(supervisor.directory) as control,
        pytest.raises(ControlError, match="duraton_s") as refused,
    ):
        control.call("session.start", {"duraton_s": 60})

    assert refused.value.code == "E_PARAMS"
    assert "duration_s" in refused.value.hint


def megabytes(supervisor: FakeSupervisor, what: str) -> int:
    """Give one of the kernel's numbers about the gateway's memory."""
    told = Path(f"/proc/{supervisor.gateway.pid}/status").read_text()
    return int(told.partition(f"{what}:")[2].split()[0]) >> 10
