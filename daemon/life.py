"""A worker's life: which state follows which, and what is to be done. Pure.

A post asks it whenever something happens; the clock and chance are arguments, in
seconds. What it answers is done by the post, in order.
"""

import enum
from dataclasses import dataclass, field
from typing import Self

from .restarts import GATEWAY_CAP_S, Restarts

KILLED_S = 5.0  # alive this long after SIGKILL: stuck in the kernel
LEAVE_S = 2.0
ABORT_S = 1.0  # for faulthandler to write the stacks


class State(enum.StrEnum):
    """Where a worker is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FATAL = "fatal"
    STUCK = "stuck"


MOVES = {
    State.STOPPED: {State.STARTING},
    State.STARTING: {
        *(State.RUNNING, State.STOPPING, State.BACKOFF, State.FATAL, State.STUCK)
    },
    State.RUNNING: {State.STOPPING, State.BACKOFF, State.FATAL, State.STUCK},
    State.BACKOFF: {State.STARTING, State.STOPPED},
    State.STOPPING: {State.STOPPED, State.STARTING, State.STUCK},
    State.FATAL: {State.STARTING, State.STOPPED},
    State.STUCK: {State.BACKOFF, State.FATAL, State.STOPPED},
}


class Do(enum.Enum):
    """What the post is to do."""

    SPAWN = enum.auto()
    ASK_TO_LEAVE = enum.auto()
    ABORT = enum.auto()
    KILL = enum.auto()
    TELL_OF_DEATH = enum.auto()  # also of a process that cannot be killed
    TELL_IT_LEFT = enum.auto()


class Due(enum.Enum):
    """What is to happen when the alarm goes off."""

    SPAWN = enum.auto()
    KILL = enum.auto()
    STUCK = enum.auto()


@dataclass(slots=True)
class Life:
    """One worker over all its processes; at most one is there at a time.

    Attributes:
        never_gives_up: Too many failures only slow it down.
        has_process: Whether one is there, dying ones included.
        is_leaving: It was asked to leave for good.
        is_renewing: It was asked to leave for a successor: that is no failure.
        is_restarting: It is killed for a successor: that is none either.
        alarm: When `due` is to be called next, and what will happen then.
    """

    never_gives_up: bool = False
    state: State = State.STOPPED
    restarts: Restarts = field(default_factory=Restarts)
    has_process: bool = False
    is_leaving: bool = False
    is_renewing: bool = False
    is_restarting: bool = False
    alarm: tuple[float, Due] | None = None

    @classmethod
    def of_gateway(cls) -> Self:
        """Give that of the gateway: its death costs nothing but the moment."""
        return cls(never_gives_up=True, restarts=Restarts(GATEWAY_CAP_S))

    # -- orders

    def start(self) -> list[Do]:
        """Have a process, unless there is one or one is about to be."""
        if self.state not in (State.STOPPED, State.FATAL):
            return []
        self.restarts.forgive()
        return self._spawn()

    def restart(self, now: float) -> list[Do]:
        """Have another process, whatever happened before."""
        self.restarts.forgive()
        if not self.has_process:
            return self._spawn()
        self.is_restarting = self.state is not State.STUCK
        return self.kill(now)

    def renew(self, now: float) -> list[Do]:
        """Have another process because this one is out of date."""
        if self.state not in (State.STARTING, State.RUNNING):
            return []
        self.is_renewing = True
        return self._ask_to_leave(now)

    def leave(self, now: float) -> list[Do]:
        """Have none any more."""
        if not self.has_process:
            self.alarm = None
            self._move(State.STOPPED)
            return [Do.TELL_IT_LEFT]
        was_asked = self.is_leaving or self.is_renewing
        self.is_leaving, self.is_renewing = True, False
        if self.state is State.STUCK:
            return [Do.TELL_IT_LEFT]
        return [] if was_asked else self._ask_to_leave(now)

    def kill(self, now: float) -> list[Do]:
        """End the process; unless it is leaving, another follows."""
        if not self.has_process:
            return []
        if self.state is not State.STUCK and not self._is_being_killed:
            self.alarm = (now + KILLED_S, Due.STUCK)
        return [Do.KILL]

    def abort(self, now: float) -> list[Do]:
        """End the process with its stack in the log, if it still can."""
        if not self.has_process or self.state is State.STUCK or self._is_being_killed:
            return []
        self.alarm = (now + ABORT_S, Due.KILL)
        return [Do.ABORT]

    # -- what happens

    def ready(self) -> bool:
        """The process says that it is up; give whether that is news."""
        if self.state is not State.STARTING:
            return False
        self._move(State.RUNNING)
        return True

    def exited(self, now: float, lived_s: float, chance: float) -> list[Do]:
        """The process is gone."""
        self.has_process, self.alarm = False, None
        if self.is_leaving:
            was_stuck = self.state is State.STUCK
            self._move(State.STOPPED)
            return [] if was_stuck else [Do.TELL_IT_LEFT]
        if self.is_renewing:
            return self._spawn()
        if self.is_restarting:
            self._follow(now)
            return [Do.TELL_OF_DEATH]
        was_stuck = self.state is State.STUCK
        self._fail(now, lived_s, chance)
        return [] if was_stuck else [Do.TELL_OF_DEATH]

    def due(self, now: float) -> list[Do]:
        """The alarm has gone off."""
        assert self.alarm is not None
        (_, what), self.alarm = self.alarm, None
        if what is Due.SPAWN:
            return self._spawn()
        if what is Due.KILL:
            return self.kill(now)
        self._move(State.STUCK)
        self.is_renewing = self.is_restarting = False
        return [Do.TELL_IT_LEFT if self.is_leaving else Do.TELL_OF_DEATH]

    # -- steps

    @property
    def _is_being_killed(self) -> bool:
        return self.alarm is not None and self.alarm[1] is Due.STUCK

    def _spawn(self) -> list[Do]:
        self._move(State.STARTING)
        self.has_process, self.alarm = True, None
        self.is_leaving = self.is_renewing = self.is_restarting = False
        return [Do.SPAWN]

    def _ask_to_leave(self, now: float) -> list[Do]:
        self._move(State.STOPPING)
        if not self._is_being_killed:
            self.alarm = (now + LEAVE_S, Due.KILL)
        return [Do.ASK_TO_LEAVE]

    def _fail(self, now: float, lived_s: float, chance: float) -> None:
        delay = self.restarts.failed(now, lived_s, chance)
        is_too_many = self.restarts.is_too_many(now)
        if is_too_many and not self.never_gives_up:
            self._move(State.FATAL)
        else:
            self._follow(now + (self.restarts.cap_s if is_too_many else delay))

    def _follow(self, at: float) -> None:
        self._move(State.BACKOFF)
        self.alarm = (at, Due.SPAWN)

    def _move(self, to: State) -> None:
        assert to is self.state or to in MOVES[self.state], f"{self.state} > {to}"
        self.state = to
