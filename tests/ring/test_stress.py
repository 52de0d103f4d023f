"""Real processes, stopped and killed at random, and a producer that never waits.

Nothing may be torn, nothing lost that is not counted, nothing come twice but the
frame in use at a crash.
"""

import logging
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagemp.ring.layout import DROP_CAUSES, GRABBED

from .rig import Rig
from .stress_reader import ENTRY, SPEC

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
FAILSAFE_S = 60.0  # for a test that would hang


@dataclass
class Child:
    """One reader process on a place, and what it has logged."""

    place: int
    policy: str
    stranger: bool
    process: subprocess.Popen[bytes]
    link: socket.socket
    log: Path
    pidfd: int
    stopped: bool = False
    killed: bool = False
    verdict: bytes = b""

    @property
    def is_recorder(self) -> bool:
        """Whether it is the one that must not miss a frame."""
        return self.policy == "every" and not self.stranger

    @property
    def entries(self) -> list[tuple[int, ...]]:
        """Index, seq and whether it was torn, of each frame it took."""
        return list(ENTRY.iter_unpack(self.log.read_bytes()))

    def signal(self, number: int) -> None:
        """Send a signal, unless it has exited."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)
        self.stopped = number == signal.SIGSTOP
        self.killed = self.killed or number == signal.SIGKILL

    def hear(self) -> bytes:
        """Give its last words; if it left before it read ours, an error comes first."""
        with suppress(ConnectionResetError):
            return self.link.recv(64)
        return self.link.recv(64)

    def tell(self, end: int) -> None:
        """Tell it where the stream ends, unless it has exited."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.link.send(str(end).encode())


class WordRig(Rig):
    """A ring whose frames are words, each of them the seq."""

    def fill(self, slot: int, seq: int) -> None:
        self.writer.planes(slot)["image"][:] = seq


class Stress:
    """The producer and the supervisor, and the readers they look after."""

    def __init__(self, ring: Rig, folder: Path, stack: ExitStack) -> None:
        self.ring, self.folder, self.stack = ring, folder, stack
        self.dice = random.Random(4)  # noqa: S311 - to do the same every time
        self.children: list[Child] = []
        self.alive: dict[int, Child] = {}  # by pidfd
        self.poll = select.poll()
        self.poll.register(ring.writer, select.POLLIN)
        if ring.writer.spill is not None:
            self.poll.register(ring.writer.spill, select.POLLIN)
        self.seqs: list[int] = []  # by index
        self.end: int | None = None

    # -- readers

    def seat(self, policy: str, *, stranger: bool) -> None:
        """Attach a new reader on a place of its own."""
        place = self.ring.seat(every=policy == "every", evictable=stranger)
        self.start(place, policy, stranger=stranger)

    def start(self, place: int, policy: str, *, stranger: bool) -> None:
        """Start a reader's process with the counters of its place."""
        log = self.folder / f"{len(self.children)}.log"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log.open("wb") as file:
            memory = self.ring.writer.segment.fd
            fds = memory, *self.ring.counters[place], theirs.fileno(), file.fileno()
            command = [sys.executable, "-m", "tests.ring.stress_reader", policy]
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [*command, *map(str, fds)],
                pass_fds=[fd for fd in fds if fd >= 0],
                cwd=ROOT,
            )
        pidfd = os.pidfd_open(process.pid)
        child = Child(place, policy, stranger, process, ours, log, pidfd)
        self.stack.callback(self.end_process, child)
        self.children.append(child)
        self.alive[pidfd] = child
        self.poll.register(pidfd, select.POLLIN)
        if self.end is not None:
            child.tell(self.end)

    def end_process(self, child: Child) -> None:
        """Leave nothing behind, however the test went."""
        if child.pidfd in self.alive:
            child.process.kill()
            self.part_from(child)

    def part_from(self, child: Child) -> None:
        """A process exits, or has: give back what it had here."""
        child.process.wait()
        del self.alive[child.pidfd]
        child.link.close()
        os.close(child.pidfd)

    def bury(self, child: Child) -> None:
        """A process has exited: replace it, or hear what came of it."""
        self.poll.unregister(child.pidfd)
        if not child.killed:
            child.verdict = child.hear()
        self.part_from(child)
        if child.killed and child.is_recorder:
            self.ring.renew(child.place)
            self.start(child.place, "every", stranger=False)
            self.ring.hand_over(child.place)
            return
        self.ring.let_go(child.place)
        if child.verdict != b"finished":
            self.seat(child.policy, stranger=child.stranger)

    # -- what goes wrong

    def strike(self) -> None:
        """Do something to a reader, chosen by the dice."""
        child = self.dice.choice(list(self.alive.values()))
        if child.stopped:
            child.signal(signal.SIGCONT)
        elif self.dice.random() < (0.3 if child.is_recorder else 0.1):
            child.signal(signal.SIGKILL)
        else:
            child.signal(signal.SIGSTOP)

    def crash(self) -> None:
        """Kill the recorder, whatever the dice say."""
        for child in self.alive.values():
            if child.is_recorder:
                child.signal(signal.SIGKILL)

    # -- the producer

    def run(self, duration_s: float) -> None:
        """Publish without end, strike every few milliseconds, then stop."""
        over = time.monotonic() + duration_s
        strike_at = time.monotonic() + 0.4
        crash_at = over - duration_s / 2
        while (now := time.monotonic()) < over:
            if now >= strike_at:
                self.strike()
                strike_at = now + self.dice.expovariate(30)
            if now >= crash_at:
                self.crash()
                crash_at = over
            self.wait(0 if self.grab() else min(strike_at, crash_at) - now)
        self.stop()

    def grab(self) -> bool:
        """Grab one frame, each word of it its seq; False if it was dropped."""
        ring = self.ring
        slot = ring.commit()
        if slot >= 0:
            self.seqs.append(ring.header.cells[GRABBED] - 1)
        return slot >= 0

    def wait(self, timeout_s: float) -> None:
        """Serve what happens, for so long at most."""
        for fd, _ in self.poll.poll(max(0, timeout_s * 1000)):
            if (child := self.alive.get(fd)) is not None:
                self.bury(child)
        self.ring.writer.reclaim()

    def stop(self) -> None:
        """Tell every reader where the stream ends, and wait for the last one."""
        give_up = time.monotonic() + FAILSAFE_S
        while not self.ring.writer.is_drained:
            self.wait(give_up - time.monotonic())
        self.end = self.ring.ledger.next_index
        for child in self.alive.values():
            child.signal(signal.SIGCONT)
            child.tell(self.end)
        while self.alive:
            assert time.monotonic() < give_up, "readers do not finish"
            self.wait(give_up - time.monotonic())


# -- what came of it


def check_recorder(stress: Stress) -> int:
    """Check that each frame came, once but for those in use at a crash."""
    next_index = repeated = 0
    for child in stress.children:
        if not child.is_recorder:
            continue
        indices = [index for index, _, _ in child.entries]
        if indices:
            assert indices[0] in (next_index, next_index - 1)
            repeated += next_index - indices[0]
            next_index = indices[-1] + 1
    assert next_index == stress.end
    return repeated


def check_order(child: Child) -> None:
    """Check that a reader never went back, and missed none that it must not."""
    indices = [index for index, _, _ in child.entries]
    assert indices == sorted(set(indices))
    if indices and child.policy == "every":
        assert len(indices) == indices[-1] - indices[0] + 1


def check_law(stress: Stress) -> int:
    """Check that what is not published was dropped and counted; give how much."""
    cells = stress.ring.header.cells
    dropped = sum(stress.ring.dropped(cause) for cause in range(len(DROP_CAUSES)))
    assert stress.ring.published == len(stress.seqs) == stress.end
    assert cells[GRABBED] == stress.ring.published + dropped
    return dropped


def stressed(ring: Rig, folder: Path, duration_s: float) -> Stress:
    """Stress a ring with a recorder, two more of our workers, three strangers."""
    with ExitStack() as stack:
        stress = Stress(ring, folder, stack)
        stress.seat("every", stranger=False)
        for stranger in (False, False, True, True):
            stress.seat("latest", stranger=stranger)
        stress.seat("every", stranger=True)
        stress.run(duration_s)
    return stress


def check(stress: Stress) -> None:
    """Check all that was promised, and show how much it was."""
    found = Counter[str]()
    for child in stress.children:
        for index, seq, torn in child.entries:
            assert not torn
            assert stress.seqs[index] == seq
        found["recorder" if child.is_recorder else child.policy] += len(child.entries)
        found[child.verdict.decode() or "killed"] += 1
        check_order(child)
    found["repeated"] = check_recorder(stress)
    found["dropped"] = check_law(stress)
    log.info("%s published, %s", stress.end, dict(found))


@pytest.fixture(params=[0, 6], ids=["ram", "overflow"])
def ring(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with closing(WordRig(SPEC, slots=5, overflow=request.param)) as ring:
        yield ring


def test_nothing_is_torn_or_lost_under_stress(ring: Rig, tmp_path: Path) -> None:
    stress = stressed(ring, tmp_path, 1.5)

    check(stress)


@pytest.mark.system
def test_nothing_is_torn_or_lost_under_stress_for_long(
    ring: Rig, tmp_path: Path
) -> None:
    stress = stressed(ring, tmp_path, 30)

    check(stress)
