"""The client says why nobody answers, and waits for those who will."""

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq

from imagemp import paths
from imagemp.client import Control, Telemetry
from imagemp.errors import ControlError, DaemonUnreachableError
from imagemp.messages import Reply, Request
from imagemp.wire import NoAnswerError, probe
from tests.daemon.workers.fake_supervisor import WAIT_S, FakeSupervisor, listening


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[FakeSupervisor]:
    with FakeSupervisor(tmp_path) as playing:
        yield playing


def test_no_socket_means_the_daemon_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachableError, match="does not run") as refused:
        Control(tmp_path)

    assert "systemctl start imagemp" in refused.value.hint


def test_a_socket_without_a_listener_means_the_daemon_has_died(tmp_path: Path) -> None:
    listening(paths.control_socket(tmp_path)).close()

    with pytest.raises(DaemonUnreachableError, match="nobody listens"):
        Control(tmp_path)


def test_a_full_backlog_means_the_daemon_is_busy(tmp_path: Path) -> None:
    with (
        listening(paths.control_socket(tmp_path)) as door,
        socket.socket(socket.AF_UNIX) as first,
    ):
        door.listen(0)
        first.connect(door.getsockname())

        with pytest.raises(DaemonUnreachableError, match="busy"):
            Control(tmp_path)


def test_a_socket_of_another_group_means_no_permission(tmp_path: Path) -> None:
    with listening(paths.control_socket(tmp_path)):
        paths.control_socket(tmp_path).chmod(0)

        with without_root(), pytest.raises(DaemonUnreachableError, match="permission"):
            Control(tmp_path)


@contextmanager
def without_root() -> Iterator[None]:
    """Be nobody for a while, if root, who may connect to everything."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def test_silence_ends_in_a_timeout(tmp_path: Path) -> None:
    with (
        listening(paths.control_socket(tmp_path)),
        Control(tmp_path) as control,
        pytest.raises(TimeoutError) as late,
    ):
        control.call("ping", timeout_s=0.05)

    assert isinstance(late.value, NoAnswerError)
    assert late.value.code == "E_TIMEOUT"


def test_an_order_given_up_is_not_carried_out_later(tmp_path: Path) -> None:
    door = listening(paths.control_socket(tmp_path))
    with zmq.Context() as context, Control(tmp_path) as control:
        with pytest.raises(NoAnswerError):
            control.call("session.start", timeout_s=0.05)

        with context.socket(zmq.ROUTER) as router:
            router.set(zmq.USE_FD, door.detach())
            router.bind(f"ipc://{paths.control_socket(tmp_path)}")
            thread = threading.Thread(target=answer_one, args=(router,))
            thread.start()
            assert control.call("ping", timeout_s=WAIT_S) == {"got": "ping"}
            thread.join()


def answer_one(router: "zmq.Socket[bytes]") -> None:
    """Answer the first request that comes, after a stray answer to another."""
    client, magic, text = router.recv_multipart()
    request = msgspec.json.decode(text, type=Request)
    for request_id, got in (("old", "nothing"), (request.id, request.method)):
        reply = Reply(1, request_id, True, {"got": got})
        router.send_multipart([client, magic, msgspec.json.encode(reply)])


def test_a_daemon_that_dies_is_noticed_while_one_waits(tmp_path: Path) -> None:
    with FakeSupervisor(tmp_path) as supervisor, Control(tmp_path) as control:
        stream = control.stream("session.wait")
        with supervisor.answering(lambda _: [{"result": {}, "more": True}]):
            next(stream)

        for door in supervisor.doors:
            door.close()
        supervisor.kill_gateway()

        with pytest.raises(DaemonUnreachableError, match="nobody listens"):
            next(stream)


def test_a_stream_gives_each_result_and_a_call_the_last(
    supervisor: FakeSupervisor,
) -> None:
    answers = [{"result": {"n": n}, "more": n < 3} for n in (1, 2, 3)]

    with (
        supervisor.answering(lambda _: answers),
        Control(supervisor.directory) as control,
    ):
        assert [result["n"] for result in control.stream("session.wait")] == [1, 2, 3]
        assert control.call("session.wait") == {"n": 3}


def test_an_error_has_the_daemons_code_message_and_hint(
    supervisor: FakeSupervisor,
) -> None:
    problem = {"code": "E_BUSY", "message": "no", "hint": "wait", "retryable": True}

    with (
        supervisor.answering(lambda _: [{"error": problem}]),
        Control(supervisor.directory) as control,
        pytest.raises(ControlError, match="no") as refused,
    ):
        control.call("session.start")

    error = refused.value
    assert (error.code, error.hint, error.retryable) == ("E_BUSY", "wait", True)


def test_every_start_has_a_name_of_its_own(supervisor: FakeSupervisor) -> None:
    with (
        supervisor.answering(lambda asked: [{"result": {"idem": asked.idem}}]),
        Control(supervisor.directory) as control,
    ):
        names = [
            control.call("session.start", idem=idem)["idem"]
            for idem in (None, None, "mine")
        ]

    assert len({*names, ""}) == 4
    assert names[2] == "mine"


def test_an_order_that_is_too_large_is_not_sent(supervisor: FakeSupervisor) -> None:
    with (
        Control(supervisor.directory) as control,
        pytest.raises(ControlError, match="at most 65536") as refused,
    ):
        control.call("config.check", {"text": "x" * 65536})

    assert refused.value.code == "E_TOO_LARGE"


def test_a_subscriber_waits_for_a_daemon_that_is_not_there_yet(tmp_path: Path) -> None:
    with Telemetry(runtime_dir=tmp_path) as telemetry:
        assert telemetry.receive(0) is None

        with FakeSupervisor(tmp_path) as supervisor:
            supervisor.publish("hb")
            message = telemetry.receive(WAIT_S)

    assert message is not None
    assert message[0] == "hb"


def test_a_conflating_subscriber_comes_to_the_newest(
    supervisor: FakeSupervisor,
) -> None:
    with Telemetry(["n"], supervisor.directory, conflate=True) as telemetry:
        for n in range(100):
            supervisor.publish("n", n=n)
        seen = [body["n"] for _, body in iter(lambda: telemetry.receive(0.5), None)]
        supervisor.publish("n", n=100)  # one of a burst may be dropped, the last too

        assert len(seen) < 100
        assert next(iter(telemetry))[1]["n"] == 100


def told(instance: str, seq: int, t_mono_ns: int) -> dict[str, object]:
    """Give a message as far as its place in the stream goes."""
    return {"instance": instance, "seq": seq, "t_mono_ns": t_mono_ns}


@pytest.mark.parametrize(
    ("after", "is_new", "lost"),
    [
        (told("run-1", 1006, 2_000_000), True, 0),  # the next
        (told("run-1", 1009, 2_000_000), True, 3),  # a gap
        (told("run-1", 1005, 1_900_000), False, 0),  # sent again
        (told("run-1", 1004, 1_800_000), False, 0),  # sent again, older
        (told("run-1", 5001, 5_000_900), True, 0),  # a new gateway, begun at 5000 us
        (told("run-2", 1, 9_000_000), True, 0),  # a new daemon
    ],
)
def test_gaps_are_counted_and_repetitions_are_not_given(
    tmp_path: Path, after: dict[str, object], is_new: bool, lost: int
) -> None:
    with Telemetry(runtime_dir=tmp_path) as telemetry:
        telemetry._is_new("t", told("run-1", 1005, 1_900_000))

        assert telemetry._is_new("t", after) == is_new
        assert telemetry.lost == lost


def test_a_subscriber_can_be_polled(supervisor: FakeSupervisor) -> None:
    with Telemetry(["state"], supervisor.directory) as telemetry:
        while telemetry.receive(0) is None:
            supervisor.publish("state")
            assert select.select([telemetry], [], [], WAIT_S)[0]


def test_closing_twice_is_allowed(supervisor: FakeSupervisor) -> None:
    control, telemetry = (
        Control(supervisor.directory),
        Telemetry(runtime_dir=supervisor.directory),
    )

    for _ in range(2):
        control.close()
        telemetry.close()


def test_probing_is_silent_where_somebody_listens(tmp_path: Path) -> None:
    with listening(tmp_path / "x.sock"):
        probe(tmp_path / "x.sock")


def test_the_client_needs_neither_numpy_nor_zmq_to_be_imported() -> None:
    code = "import sys, imagemp.client; print({'numpy', 'zmq'} & set(sys.modules))"

    printed = subprocess.check_output([sys.executable, "-c", code])  # noqa: S603

    assert printed.strip() == b"set()"


def test_the_example_prints_what_is_published(supervisor: FakeSupervisor) -> None:
    supervisor.publish("state", mood="good")
    example = Path(__file__).parent.parent / "examples" / "subscribe.py"

    with subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-u", example, "state"],
        env=os.environ | {"IMAGEMP_RUNTIME_DIR": str(supervisor.directory)},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        printed = program.stdout.readline()
        program.kill()

    assert printed.startswith("state {'v': 1, 'instance': 'run-1'")
