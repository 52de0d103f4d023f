"""One run of one peer, in processes of its own.

    python -m benchmarks.race PEER NBYTES READERS SLOTS SECONDS FPS CORE CORE

Prints the figures of the run as JSON. Every reader looks at every frame: which it
is, and at three of its words, whether it is of one piece.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from .limits import ROOT, cores
from .peers import FORK, Case, Peer, Words
from .strangers import make_peer

LAST = 2**63
RUN_S = 30
Figures = dict[str, float]


def race(
    peer: str, nbytes: int, readers: int, slots: int, seconds: float, fps: float
) -> Figures:
    """Run one in a process of its own; nothing if it did not come to an end."""
    arguments = map(str, (peer, nbytes, readers, slots, seconds, fps, *cores()))
    command = [sys.executable, "-m", "benchmarks.race", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, check=True, timeout=RUN_S + seconds, capture_output=True, cwd=ROOT
        )
    except subprocess.SubprocessError:
        if peer == "imagemp":
            raise
        return {}
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


@dataclass
class Witness:
    """What a reader saw; the clock starts with frame `warm`."""

    warm: int
    following: int = 0
    lost: int = 0
    torn: int = 0
    duplicated: int = 0
    started_cpu_ns: int = 0
    late_ns: list[int] = field(default_factory=list)

    def see(self, words: Words) -> bool:
        """Look at a frame; False if it was the last one."""
        now = time.monotonic_ns()
        seq = int(words[0])
        if not seq == words[len(words) // 2] == words[-1]:
            self.torn += 1
        if seq == LAST:
            return False
        self.lost += max(0, seq - self.following)
        self.duplicated += seq < self.following
        self.following = max(self.following, seq + 1)
        if seq == self.warm:
            self.started_cpu_ns = time.process_time_ns()
        if seq >= self.warm:
            self.late_ns.append(now - int(words[1]))
        return True

    def tell(self) -> Figures:
        """Give the figures of one reader."""
        return {
            "lost": self.lost,
            "torn": self.torn,
            "duplicated": self.duplicated,
            "cpu_ns": time.process_time_ns() - self.started_cpu_ns,
            "ended_ns": time.monotonic_ns(),
            "latency_us": statistics.median(self.late_ns or [0]) / 1e3,
        }


def read(peer: Peer, case: Case, reader: int, told: Connection) -> None:
    """Be a reader."""
    os.sched_setaffinity(0, {case.cores[1]})
    witness = Witness(warm(case))
    for words in peer.frames(reader):
        if words is None:
            told.send("ready")
        elif not witness.see(words):
            break
    told.send(witness.tell())
    told.recv()
    os._exit(0)  # a stranger's threads may not end


class Producer:
    """Draws frames and publishes them; one source, as a camera has one buffer."""

    def __init__(self, peer: Peer, case: Case) -> None:
        self.peer, self.case, self.seq = peer, case, 0
        self.words: Words = np.zeros(case.nbytes // 8, np.uint64)
        self.took_ns: list[int] = []

    def run(self) -> int:
        """Publish until the time is over; give when the clock started."""
        for _ in range(warm(self.case)):
            self.publish(self.seq)
            time.sleep(0.001)  # readers connect at the first one
        self.took_ns.clear()
        start = time.monotonic_ns()
        until = start + int(self.case.seconds * 1e9)
        while (now := time.monotonic_ns()) < until or not self.took_ns:
            if self.case.fps:
                due = start + int(len(self.took_ns) * 1e9 / self.case.fps)
                time.sleep(max(0, due - now) / 1e9)
            self.publish(self.seq)
        self.publish(LAST)
        return start

    def publish(self, seq: int) -> None:
        """Draw a frame and hand it over."""
        words = self.words
        words[0] = words[len(words) // 2] = words[-1] = seq
        words[1] = started = time.monotonic_ns()
        self.peer.publish(words)
        self.took_ns.append(time.monotonic_ns() - started)
        self.seq += 1


def warm(case: Case) -> int:
    """How many frames come before the clock starts: every slot has been touched."""
    return 2 * case.slots


def run(case: Case) -> Figures:
    """Fork the readers, publish, and put all figures together."""
    peer = make_peer(case)
    pipes = [FORK.Pipe() for _ in range(case.readers)]
    for reader, (_, told) in enumerate(pipes):
        FORK.Process(target=read, args=(peer, case, reader, told), daemon=True).start()
    os.sched_setaffinity(0, {case.cores[0]})
    hear: list[Connection] = [here for here, _ in pipes]
    for here in hear:
        here.recv()
    peer.open()
    producer, cpu_ns = Producer(peer, case), time.process_time_ns()
    start = producer.run()
    seen = [here.recv() for here in hear]
    cpu_ns = time.process_time_ns() - cpu_ns
    for here in hear:
        here.send("bye")
    peer.close()
    return _together(producer, start, cpu_ns, seen)


def _together(
    producer: Producer, start: int, cpu_ns: int, seen: list[Figures]
) -> dict[str, Any]:
    n = len(producer.took_ns)
    ended = max(figures["ended_ns"] for figures in seen)
    cpu_ns = (
        cpu_ns * n // (n + warm(producer.case))
    )  # its own includes the frames before the clock
    used = cpu_ns + sum(figures["cpu_ns"] for figures in seen)
    return {
        "frames": n,
        "fps": n / (ended - start) * 1e9,
        "publish_us": statistics.median(producer.took_ns) / 1e3,
        "cpu_us": used / n / 1e3,
        "latency_us": max(figures["latency_us"] for figures in seen),
        **{
            name: sum(figures[name] for figures in seen)
            for name in ("lost", "torn", "duplicated")
        },
    }


def main() -> None:
    """Run the command line."""
    peer, *numbers = sys.argv[1:]
    nbytes, readers, slots = map(int, numbers[:3])
    seconds, fps = map(float, numbers[3:5])
    on = (int(numbers[5]), int(numbers[6]))
    case = Case(peer, nbytes, readers, slots, seconds, fps, on)
    sys.stdout.write(json.dumps(run(case)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # likewise


if __name__ == "__main__":
    main()
