"""A thousand of everything, and what is left behind: `make soak`.

Sessions are started and stopped, watched from outside, and programs that read are
killed with frames in their hands; then all of this at random, with workers killed and
the law checked against the pages. Each a thousand times or until the time is over
(SOAK_MINUTES). Then every process must hold what it held at first, and its memory
must not have grown with the cycles.

The first cycles fill what is bounded: the answers to 256 starts, for one. CPython's
table of interned names is made larger once in a while, by 0.5 to 0.9 MiB: a step in
the memory of a process, and no slope.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.daemon.test_cycles import (
    CONFIG,
    USER_CODE,
    Held,
    a_session,
    a_watched_session,
    held,
    kill_within_a_session,
    pids,
    repeat,
    rss_kib,
)
from tests.havoc import havoc
from tests.running import Daemon, running

MAX_SLOPE = 1.0  # KiB a cycle
STEP_KIB = 1500  # less is no growth, whatever its slope
BLOCK = 20  # cycles between two looks
ENOUGH = 200  # cycles
Files = dict[str, list[str]]


@dataclass(frozen=True)
class Plan:
    """One thing that happens again and again.

    Attributes:
        warm_up: So many times before anything is looked at.
        sessions: And so many plain sessions before that, to fill what is bounded.
        cycles: So many times then.
        replaces: Its workers die, so that only the supervisor's memory can have grown.
    """

    name: str
    happen: Callable[[Daemon, int], None]
    warm_up: int
    cycles: int = 1000
    replaces: bool = False
    sessions: int = 0


@dataclass
class Soaked:
    """What came of one plan.

    Attributes:
        done: Cycles after the warm-up, at each look.
        memory: KiB of each process at each look.
        before: What each process held after the warm-up.
        after: And in the end.
        files: What its descriptors were then and now, to say which one is new.
    """

    plan: Plan
    done: list[int] = field(default_factory=list)
    memory: list[Mapping[str, int]] = field(default_factory=list)
    before: dict[str, Held] = field(default_factory=dict)
    after: dict[str, Held] = field(default_factory=dict)
    files: tuple[Files, Files] = field(default_factory=lambda: ({}, {}))

    def slope(self, name: str) -> float:
        """Give KiB a cycle, by linear regression."""
        kib = [memory[name] for memory in self.memory]
        return float(np.polyfit(self.done, kib, 1)[0]) if len(kib) > 1 else 0.0

    def problems(self) -> Iterator[str]:
        """Say what has grown, and whether this was long enough to know."""
        if self.done[-1] < min(ENOUGH, self.plan.cycles):
            yield f"{self.plan.name}: {self.done[-1]} cycles are too few to tell"
        for name, before in self.before.items():
            if before != self.after[name]:
                old, new = (files[name] for files in self.files)
                there = sorted(set(new) - set(old)) or "as before"
                yield f"{name}: {before} is now {self.after[name]}; files {there}"
            if self.plan.replaces and name != "supervisor":
                continue
            grown = self.memory[-1][name] - self.memory[0][name]
            if self.slope(name) > MAX_SLOPE and grown > STEP_KIB:
                yield f"{name}: memory grew by {grown} KiB"


PLANS = [
    Plan("sessions", repeat(a_session), 300),
    Plan("watched sessions", repeat(a_watched_session), 300),
    Plan("killed receivers", kill_within_a_session, 100),
    Plan("havoc", havoc, 10, 150, replaces=True, sessions=300),
]


def soak(plan: Plan, folder: Path, limit_s: float) -> Soaked:
    """Carry out a plan with a daemon of its own."""
    folder.mkdir()
    (folder / "mine.py").write_text(USER_CODE)
    with running(folder, CONFIG) as daemon:
        daemon.wait_for_recovery()
        until = time.monotonic() + limit_s
        repeat(a_session)(daemon, plan.sessions)
        plan.happen(daemon, plan.warm_up)
        found = Soaked(plan, [0], [rss_kib(daemon)], held(daemon))
        files = files_of(daemon)
        while found.done[-1] < plan.cycles and time.monotonic() < until:
            n = min(BLOCK, plan.cycles - found.done[-1])
            plan.happen(daemon, n)
            found.done.append(found.done[-1] + n)
            found.memory.append(rss_kib(daemon))
        found.after, found.files = held(daemon), (files, files_of(daemon))
    return found


def files_of(daemon: Daemon) -> Files:
    """Give what the descriptors of each process are."""
    folders = {name: Path(f"/proc/{pid}/fd") for name, pid in pids(daemon).items()}
    return {
        name: [str(fd.readlink()) for fd in folder.iterdir() if fd.is_symlink()]
        for name, folder in folders.items()
    }


def table(found: list[Soaked]) -> Table:
    """Give a row for each process of each plan."""
    made = Table(title="what is left behind")
    for column in ("what", "cycles", "process", "descriptors", "maps", "threads"):
        made.add_column(column)
    for column in ("MiB", "KiB a cycle"):
        made.add_column(column, justify="right")
    for soaked in found:
        for name, before in soaked.before.items():
            after, kib = soaked.after[name], soaked.memory[-1][name]
            made.add_row(
                soaked.plan.name,
                str(soaked.done[-1]),
                name,
                change(before.files, after.files),
                change(before.maps, after.maps),
                change(before.threads, after.threads),
                f"{kib / 1024:.1f}",
                f"{soaked.slope(name):.3f}",
            )
    return made


def change(before: int, after: int) -> str:
    """Say how many there were, and are."""
    return str(after) if before == after else f"{before} > {after}"


def main() -> int:
    """Carry out all plans; give 1 if anything has grown, or the time was too short."""
    until = time.monotonic() + 60 * float(os.environ.get("SOAK_MINUTES", "30"))
    console, found = Console(), list[Soaked]()
    with tempfile.TemporaryDirectory(prefix="imagemp-soak-") as folder:
        for number, plan in enumerate(PLANS):
            console.print(f"{plan.name} ...")
            # What one does not need is there for those after it.
            limit_s = (until - time.monotonic()) / (len(PLANS) - number)
            found.append(soak(plan, Path(folder) / str(number), limit_s))
    console.print(table(found))
    problems = [problem for soaked in found for problem in soaked.problems()]
    for problem in problems:
        console.print(problem, style="red")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
