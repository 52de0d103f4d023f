"""The door lets in who asks properly, and nobody else's manners cost a frame."""

import asyncio
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from imagemp.daemon.door import ASK_S, Door, Guest
from imagemp.errors import ControlError
from imagemp.paths import frames_socket
from imagemp.receiver import Receiver
from tests.daemon.test_recording import begin, check_agreement, record
from tests.outside import RawGuest, open_files
from tests.running import Daemon, running

NOBODY = "65534"
CONFIG = """
[pipelines.cam0]
source = { kind = "synthetic", width = 64, height = 48, fps = 200 }
ring = { slots = 256 }
encoder = {}
"""
ASK = '{"request": "Ask", "pipeline": "cam0", "policy": "every"}'
NONSENSE: dict[str, tuple[str | bytes, str]] = {
    "list": ("[]", "E_JSON"),
    "number": ("5", "E_JSON"),
    "half of it": ("{", "E_JSON"),
    "no text": (b"\xff\xfe", "E_JSON"),
    "deep": ("[" * 4000, "E_JSON"),
    "other request": ('{"request": "Leave"}', "E_JSON"),
    "no pipeline": ('{"request": "Ask", "policy": "every"}', "E_JSON"),
    "policy": (ASK.replace("every", "some"), "E_JSON"),
    "too much": (ASK.replace("}", ', "more": 1}'), "E_JSON"),
    "version": (ASK.replace("}", ', "v": 2}'), "E_VERSION"),
    "pipeline": (ASK.replace("cam0", "cam9"), "E_PARAMS"),
    "ring": (ASK.replace("}", ', "ring": "callback:x"}'), "E_PARAMS"),
    "5 KiB": (ASK + " " * 5120, "E_TOO_LARGE"),
}
MANY = """
import contextlib, socket, sys

guests = []
for _ in range(17):
    guest = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    guest.connect(sys.argv[1])
    with contextlib.suppress(BrokenPipeError):  # it may have been refused already
        guest.send(sys.argv[2].encode())
    guests.append(guest)
for guest in guests:
    print(guest.recv(4096).decode())
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that records all the while; nothing may be lost by what guests do."""
    with running(tmp_path_factory.mktemp("daemon"), CONFIG) as started:
        begin(started)
        yield started
        counts = started.call("session.stop")["sessions"][0]["counts"]
        check_agreement(started)
    assert counts["dropped"] == {}
    assert counts["encoders"]["main"]["recorded"] == counts["captured"]


# ---- what is refused


@pytest.mark.parametrize("said", NONSENSE)
def test_nonsense_is_refused_and_the_connection_closed(
    daemon: Daemon, said: str
) -> None:
    packet, code = NONSENSE[said]
    with RawGuest(daemon.runtime) as guest:
        guest.say(packet)
        guest.say("and more, that nobody will read")
        told = guest.hear()
        end = guest.hear()

    assert (told["order"], told["code"]) == ("Refused", code)
    assert told["message"]
    assert end == {}


def test_who_asks_twice_is_refused(daemon: Daemon) -> None:
    with RawGuest(daemon.runtime) as guest:
        guest.ask()
        heard = [guest.hear()["order"] for _ in range(3)]
        guest.ask()
        told = guest.hear()

    assert heard == ["Admitted", "Begin", "Enter"]
    assert (told["code"], told["message"]) == (
        "E_PARAMS",
        "asked twice on one connection",
    )


@pytest.mark.parametrize("said", [b"", b"x" * 70_000], ids=["empty", "70 kB"])
def test_what_is_no_packet_of_ours_closes_the_connection(
    daemon: Daemon, said: bytes
) -> None:
    with RawGuest(daemon.runtime) as guest:
        guest.say(said)

        assert guest.hear() == {}


def test_descriptors_that_nobody_wants_are_closed(daemon: Daemon) -> None:
    with RawGuest(daemon.runtime) as guest:
        guest.ask()
        assert guest.hear()["order"] == "Admitted"
        before = open_files(daemon.process.pid)
        for fds in (1, 16, 200):
            again = b'{"request": "Again", "session": "none", "place": 0}'
            socket.send_fds(guest.sock, [again], [0] * fds)
        daemon.call("status")
        with RawGuest(daemon.runtime) as other:
            other.say("5")
            other.hear()
        after = open_files(daemon.process.pid)

    assert after <= before


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock a test moves on."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


def test_who_does_not_ask_is_sent_home_after_two_seconds(tmp_path: Path) -> None:
    loop = HurriedLoop()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(str(frames_socket(tmp_path)))
    listening.listen()

    async def wait() -> tuple[dict[str, Any], int]:
        came = asyncio.Event()
        door = Door(listening, lambda _: came.set(), lambda _, __: None, nothing)
        with RawGuest(tmp_path) as silent, RawGuest(tmp_path) as polite:
            polite.ask()
            await came.wait()
            loop.ahead_s = ASK_S
            end = await loop.run_in_executor(None, silent.hear)
            n = len(door.guests)
        door.close()
        return end, n

    end, n = loop.run_until_complete(wait())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    listening.close()
    assert ASK_S == 2.0
    assert (end, n) == ({}, 1)


def nothing(_: Guest) -> None:
    """Care for no guest."""


# ---- how many


def test_sixty_four_may_come_and_no_more(daemon: Daemon) -> None:
    with ExitStack() as stack:
        for n in range(64):
            policy = "every" if n % 8 == 0 else "latest"
            stack.enter_context(Receiver("cam0", policy, runtime_dir=daemon.runtime))  # type: ignore[arg-type]
        for _ in range(5):
            with pytest.raises(ControlError, match="64 programs") as refused:
                Receiver("cam0", runtime_dir=daemon.runtime)
            assert refused.value.code == "E_BUSY"

    with Receiver("cam0", runtime_dir=daemon.runtime) as frames:
        assert frames.receive(10.0) is not None


def test_sixty_four_at_once_see_every_frame() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), CONFIG) as daemon,
        ExitStack() as stack,
    ):
        guests = [
            stack.enter_context(Receiver("cam0", "every", runtime_dir=daemon.runtime))
            for _ in range(64)
        ]
        record(daemon, "source.fps=50", frames=30)
        counted = [[frame.info.seq for frame in guest] for guest in guests]
        left = check_agreement(daemon)

    assert counted == [list(range(30))] * 64
    assert left.counts.dropped == {}


def test_sixteen_of_one_user_may_come() -> None:
    command = ["setpriv", "--reuid", NOBODY, "--regid", "0", "--clear-groups"]
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    probe = subprocess.run([*command, "true"], check=False, capture_output=True)  # noqa: S603
    if probe.returncode != 0:
        pytest.skip("only root may become another user")
    folder.chmod(0o755)
    with running(folder, CONFIG) as daemon:
        path = str(frames_socket(daemon.runtime))
        told = subprocess.run(  # noqa: S603 - our own program
            [*command, "/usr/bin/python3", "-c", MANY, path, ASK],
            check=True,
            capture_output=True,
            text=True,
            cwd="/",
        ).stdout.splitlines()

    assert [line for line in told[:16] if "Admitted" not in line] == []
    assert "16 programs of uid 65534" in told[16]
