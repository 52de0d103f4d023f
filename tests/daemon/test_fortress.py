"""What strangers do to the sockets costs a recording nothing, and its owner no answer.

Each of these happens beside a session that records all the time. When it is over a
client is answered, and each frame that was captured is found in the pages.
"""

import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from imagemp.client import Control
from imagemp.ctl.exits import Exit
from imagemp.daemon.workers.bounds import raise_file_limit
from tests.running import Daemon, running

from .test_faults import METRICS, check_nothing_lost
from .test_recording import begin, listening, wait_for
from .workers.raw_client import RawClient

LONG_S = 60.0
CONFIG = """
[telemetry]
rate_hz = 10

[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 100 }
ring = { slots = 256, overflow = "memory", overflow_size = "64 MiB" }
encoder = {}

[[pipelines.cam0.callbacks]]
name = "chatty"
target = "{folder}/mine.py:Chatty"
"""
USER_CODE = """
from imagemp.callback import Callback


class Chatty(Callback):
    def process(self, frame):
        self.send({"seq": frame.info.seq, "text": "x" * 20_000})
"""
CHATTER = "callback.cam0.chatty"
LISTENER = f"""
import sys
from imagemp.client import Telemetry

with Telemetry(["{CHATTER} "], sys.argv[1]) as telemetry:
    for topic, message in iter(telemetry.receive, None):
        print(message["body"]["seq"], flush=True)
        if "slow" in sys.argv:
            sys.stdin.read()  # has heard one, and reads no more
"""
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
PROPERTY = b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
READY = b"\x04" + bytes([6 + len(PROPERTY)]) + b"\x05READY" + PROPERTY
SENT_WITHIN = struct.pack("ll", int(LONG_S), 0)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for all of it, and room for what a test holds open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_file_limit()
    with daemon_in(tmp_path_factory.mktemp("daemon")) as started:
        yield started
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def daemon_in(folder: Path) -> Iterator[Daemon]:
    """Run a daemon with a callback that says much."""
    (folder / "mine.py").write_text(USER_CODE)
    with running(folder, CONFIG) as started:
        yield started


@pytest.fixture
def recording(daemon: Daemon) -> Iterator[Daemon]:
    """Give a daemon that records beside the test, and loses nothing to it."""
    with losing_nothing(daemon):
        yield daemon


@contextmanager
def losing_nothing(daemon: Daemon) -> Iterator[None]:
    """Record meanwhile; afterwards look whether it went on, and lost nothing."""
    begin(daemon)
    yield
    check_answers(daemon)
    check_goes_on(daemon)
    daemon.call("session.stop")
    left = check_nothing_lost(daemon)
    assert left.manifest.state == "complete"


def check_answers(daemon: Daemon) -> None:
    """Whoever asks now is answered, over the wire and by the command."""
    client = RawClient(daemon.runtime / "control.sock")
    client.ask("ping")
    pinged = client.hear()
    client.close()
    shown = subprocess.run(  # noqa: S603 - our own program
        imagectl(daemon, "status"), check=False, capture_output=True, text=True
    )  # fmt: skip

    assert pinged["result"]["uptime_s"] > 0
    assert (shown.returncode, "cam0" in shown.stdout) == (0, True), shown.stderr


def check_goes_on(daemon: Daemon, frames: int = 50) -> None:
    """So many frames are captured from now on."""
    now = daemon.pipeline()
    enough = now["counts"]["captured"] + frames

    def has_enough(told: dict[str, Any]) -> bool:
        is_this = told["session"] == now["session"]  # not the last report of another
        return bool(is_this and told["counts"]["captured"] >= enough)

    with listening(daemon, METRICS) as telemetry:
        wait_for(telemetry, METRICS, has_enough, LONG_S)


def imagectl(daemon: Daemon, *words: str) -> list[str]:
    """Give the command line of a client."""
    runtime = ["--runtime-dir", str(daemon.runtime)]
    return [sys.executable, "-m", "imagemp.ctl", *words, *runtime]


@contextmanager
def strangers(daemon: Daemon, *opening: bytes, n: int) -> Iterator[list[socket.socket]]:
    """Hold connections, each of which has said one of these; all have been met."""
    with ExitStack() as stack:
        held = []
        for number in range(n):
            held.append(stack.enter_context(stranger(daemon)))
            say(held[-1], opening[number % len(opening)])
        with suppress(ConnectionError):  # turned away is met as well
            held[-1].recv(1)
        yield held


def stranger(daemon: Daemon) -> socket.socket:
    """Give a connection to the control socket; waits for a place in its queue."""
    sock = socket.socket(socket.AF_UNIX)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SENT_WITHIN)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, SENT_WITHIN)
    sock.connect(str(daemon.runtime / "control.sock"))
    return sock


def say(sock: socket.socket, what: bytes) -> None:
    """Send it, unless one has been turned away."""
    with suppress(ConnectionError):
        sock.sendall(what)


def gateway_pid(daemon: Daemon) -> int:
    """Give the pid of the gateway that answers."""
    return int(daemon.call("status")["gateway"]["pid"])


@pytest.mark.system
def test_2000_connections_that_say_nothing_keep_nobody_out(recording: Daemon) -> None:
    gateway = gateway_pid(recording)

    with strangers(recording, GREETING + READY, b"", n=2000):
        check_answers(recording)
        check_goes_on(recording)

    assert gateway_pid(recording) == gateway


@pytest.mark.system
def test_a_gateway_without_descriptors_is_followed_by_one_that_has(
    recording: Daemon,
) -> None:
    gateway = gateway_pid(recording)
    used = len(list(Path(f"/proc/{gateway}/fd").iterdir()))
    resource.prlimit(gateway, resource.RLIMIT_NOFILE, (used + 20, used + 20))

    with strangers(recording, GREETING + READY, n=100):
        check_answers(recording)
        check_goes_on(recording)


@pytest.mark.system
def test_3000_connections_of_garbage_disturb_nobody(recording: Daemon) -> None:
    gateway = gateway_pid(recording)
    garbage = [
        os.urandom(1000),
        b"GET / HTTP/1.1\r\n\r\n",
        GREETING[:10],
        GREETING[:40],
        GREETING + READY[:5],
        GREETING + b"\x06" + b"\xff" * 8,  # a command without an end
    ]
    for _ in range(30):
        with strangers(recording, *garbage, n=100):
            pass

    assert gateway_pid(recording) == gateway


@pytest.mark.system
def test_endless_and_oversize_messages_cost_the_recording_nothing(
    recording: Daemon,
) -> None:
    import zmq

    for frames in ([b"x" * 100_000], [b"x" * 60_000] * 4000):
        greedy = RawClient(recording.runtime / "control.sock")
        lost = greedy.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        for frame in frames:
            greedy.socket.send(frame, zmq.SNDMORE)
        greedy.say(b"end")
        assert lost.poll(int(LONG_S * 1000))
        greedy.close()
        check_answers(recording)


@pytest.mark.system
@pytest.mark.parametrize("clients", [1, 8])
def test_a_gateway_that_is_killed_10_times_under_load_costs_the_moment(
    tmp_path: Path, clients: int
) -> None:
    with (
        daemon_in(tmp_path) as daemon,
        losing_nothing(daemon),
        asking(daemon, clients) as answers,
    ):
        session = daemon.pipeline()["session"]
        for _ in range(10):
            gateway, before = gateway_pid(daemon), len(answers)
            os.kill(gateway, signal.SIGKILL)
            assert gateway_pid(daemon) != gateway
            check_goes_on(daemon)
            while len(answers) < before + 10:
                time.sleep(0.01)
        assert daemon.pipeline()["session"] == session
        assert daemon.call("status")["gateway"]["restarts"] == 10


@contextmanager
def asking(daemon: Daemon, clients: int) -> Iterator[Sequence[Any]]:
    """Have clients ask without a pause; gives all answers so far."""
    answers: list[Any] = []
    enough = threading.Event()

    def ask() -> None:
        with Control(daemon.runtime) as control:
            while not enough.wait(0.02):
                answers.append(control.call("status", timeout_s=LONG_S))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        enough.set()
        for thread in threads:
            thread.join()


@pytest.mark.system
def test_slow_stopped_and_vanished_subscribers_hold_up_nobody(
    recording: Daemon,
) -> None:
    with (
        listener(recording, "slow"),
        listener(recording) as stopped,
        listener(recording) as vanished,
        listening(recording, f"{CHATTER} ") as healthy,
    ):
        stopped.send_signal(signal.SIGSTOP)
        vanished.send_signal(signal.SIGKILL)
        # 20 kB a frame: far more than the gateway keeps for one that does not read
        n = recording.pipeline()["counts"]["captured"]
        last = wait_for(healthy, CHATTER, lambda m: m["body"]["seq"] > n + 300, LONG_S)
        check_answers(recording)
        stopped.send_signal(signal.SIGCONT)
        assert stopped.stdout is not None
        caught_up = any(int(line) > last["body"]["seq"] for line in stopped.stdout)

    assert caught_up


@contextmanager
def listener(daemon: Daemon, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a subscriber that has heard something already."""
    command = [sys.executable, "-c", LISTENER, str(daemon.runtime), *words]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.system
@pytest.mark.parametrize("stay", ["--follow", "--wait"])
def test_a_session_goes_on_when_the_client_that_follows_it_is_killed(
    daemon: Daemon, stay: str
) -> None:
    begun = [*imagectl(daemon, "start", "cam0"), stay]
    with subprocess.Popen(begun, stdout=subprocess.PIPE) as client:  # noqa: S603 - ours
        assert client.stdout is not None
        assert b"started" in client.stdout.readline()
        client.kill()
    check_goes_on(daemon, 100)
    check_answers(daemon)
    daemon.call("session.stop")
    left = check_nothing_lost(daemon)

    assert len(left.seqs) > 100
    assert left.manifest.state == "complete"


@pytest.mark.parametrize(
    ("magic", "said", "code"),
    [
        (b"IMP1", {"v": 0}, "E_VERSION"),
        (b"IMP1", {"v": 2}, "E_VERSION"),
        (b"IMP1", {"v": 2, "method": "ping.all", "urgent": True}, "E_VERSION"),
        (b"IMP1", {}, "E_VERSION"),
        (b"IMP1", {"v": None}, "E_VERSION"),
        (b"IMP1", {"v": "1"}, "E_VERSION"),
        (b"IMP1", {"v": 1.0}, "E_VERSION"),
        (b"IMP1", {"v": True}, "E_VERSION"),
        (b"IMP1", {"v": [1]}, "E_VERSION"),
        (b"IMP1", {"v": 2**70}, "E_VERSION"),
        (b"IMP1", {"v": 1, "urgent": True}, "E_PARAMS"),
        (b"IMP1", {"v": 1, "method": "ping.all"}, "E_METHOD"),
        (b"IMP0", {"v": 0}, "E_FRAME"),
        (b"IMP2", {"v": 2}, "E_FRAME"),
    ],
)
def test_an_older_and_a_newer_client_are_told_what_is_spoken_here(
    daemon: Daemon, magic: bytes, said: dict[str, Any], code: str
) -> None:
    client = RawClient(daemon.runtime / "control.sock")
    client.say(magic, json.dumps({"id": "c1", "method": "ping", **said}).encode())
    told = client.hear()
    client.ask("ping")
    pinged = client.hear()
    client.close()

    assert (told["v"], told["ok"], told["error"]["code"]) == (1, False, code)
    assert told["id"] == ("" if code == "E_FRAME" else "c1")
    assert pinged["ok"]


@pytest.mark.parametrize("version", [0, 2])
def test_an_imagectl_of_another_version_leaves_with_8(
    daemon: Daemon, version: int
) -> None:
    played = (
        "import sys; from imagemp import messages; from imagemp.ctl.main import main;"
        f" messages.VERSION = {version}; sys.exit(main())"
    )
    command = [sys.executable, "-c", played, *imagectl(daemon, "start")[3:]]
    before = daemon.pipeline()["session"]

    left = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours

    assert left.returncode == Exit.VERSION
    assert f"request of version {version}, this daemon speaks version 1" in left.stderr
    assert daemon.pipeline()["session"] == before
