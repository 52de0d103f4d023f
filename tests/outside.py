"""Programs outside, for tests: receivers in processes of their own, and rude guests."""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from imagemp.daemon.sources.seqmark import read_seq
from imagemp.errors import Evicted
from imagemp.link import close_all, receive_packet
from imagemp.paths import frames_socket
from imagemp.receiver import Receiver
from tests.daemon.test_recording import listening, wait_for
from tests.running import Daemon

HEARD_S = 10.0
METRICS = "metrics.cam0"
RECEIVER = """
import sys
from imagemp import Receiver

runtime, policy, follow = sys.argv[1:]
with Receiver("cam0", policy, follow=follow == "follow", runtime_dir=runtime) as frames:
    print("in", flush=True)
    n = 0
    for frame in frames:
        n += 1
        if n == 1:
            print("first", flush=True)
    print(n, flush=True)
"""


@contextmanager
def outside(
    daemon: Daemon, policy: str = "every", follow: str = ""
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a receiver in a process of its own; it says `in`, `first`, and how many."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", RECEIVER, str(daemon.runtime), policy, follow],
        stdout=subprocess.PIPE,
        bufsize=0,  # so that nothing said waits where select does not look
    )
    try:
        assert said(process) == "in"
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: "subprocess.Popen[bytes]") -> str:
    """Give the next line that a process prints."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], HEARD_S)
    assert readable, "it says nothing"
    return process.stdout.readline().decode().strip()


def is_readable(file: Any) -> bool:  # noqa: ANN401 - whatever has a fileno
    """Whether an event loop would be woken."""
    return bool(select.select([file], [], [], 0)[0])


def ticks(pid: int) -> int:
    """Give the CPU time of a process so far, in clock ticks."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def open_files(pid: int) -> int:
    """Give how many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - no paths wanted


def finish(daemon: Daemon, session: str) -> None:
    """Wait until a session is closed, so that the next may begin."""
    daemon.call("session.wait", session=session)


def stop(daemon: Daemon) -> None:
    """End the session."""
    daemon.call("session.stop", pipelines=["cam0"])


def captured(daemon: Daemon, n: int) -> None:
    """Wait until so many frames of this session have been captured."""
    reported(daemon, lambda m: m["counts"]["captured"] >= n)


def used(daemon: Daemon, is_it: Callable[[int], bool]) -> None:
    """Wait until the number of slots in use is as wanted."""
    reported(daemon, lambda m: is_it(m["ring"]["used"]))


def reported(daemon: Daemon, is_it: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until a report of this session is as wanted."""
    session = daemon.pipeline()["session"]
    with listening(daemon, METRICS) as telemetry:
        wait_for(telemetry, METRICS, lambda m: m["session"] == session and is_it(m))


def take_all(frames: Receiver) -> list[int]:
    """Give the seqs of all frames, whatever is lost between."""
    seqs: list[int] = []
    while not frames.is_over:
        try:
            seqs += [read_seq(frame.copy().image) for frame in frames]
        except Evicted:
            continue
    return seqs


class RawGuest:
    """A connection to `frames.sock` that may say anything."""

    def __init__(self, runtime: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(str(frames_socket(runtime)))
        self.fds: list[int] = []

    def say(self, text: str | bytes) -> None:
        """Send a packet; a daemon that has hung up is not an error."""
        packet = text.encode() if isinstance(text, str) else text
        with suppress(BrokenPipeError):
            self.sock.send(packet)

    def ask(self, **fields: object) -> None:
        """Ask properly, but for some fields."""
        plain = {"request": "Ask", "pipeline": "cam0", "policy": "every", **fields}
        self.say(json.dumps(plain))

    def ask_again(self, session: str, place: int) -> None:
        """Say that this guest was evicted from a place."""
        plain = {"request": "Again", "session": session, "place": place}
        self.say(json.dumps(plain))

    def hear(self) -> dict[str, Any]:
        """Give the next message; {} at the end of the stream."""
        assert select.select([self.sock], [], [], HEARD_S)[0], "no answer"
        try:
            packet, fds = receive_packet(self.sock)
        except ConnectionError:
            return {}
        self.fds += fds
        told: dict[str, Any] = json.loads(packet or b"{}")
        return told

    def close(self) -> None:
        """Hang up."""
        self.sock.close()
        close_all(self.fds)
        self.fds = []

    def __enter__(self) -> "RawGuest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
