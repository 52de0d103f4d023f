"""A session whose workers are played: everything of it but their processes.

Session, rings, lives and timers are the daemon's own. What a worker does next, and
when, is for the test to say; the clock stands until it is moved.
"""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from imagemp.daemon.accounts import Facts, Stage
from imagemp.daemon.life import Do, Life, State
from imagemp.daemon.pipeline import PipelinePlan
from imagemp.daemon.post import Post
from imagemp.daemon.run import Run
from imagemp.daemon.session import Session
from imagemp.daemon.together import Together
from imagemp.daemon.workers.orders import (
    Drained,
    Ended,
    Failed,
    Finalise,
    Finished,
    FirstFrame,
    LetGo,
    Opened,
    OpenSession,
    Prepare,
    Report,
    RingMade,
    Start,
    Stop,
    Told,
)
from imagemp.daemon.workers.output import Output, RingSettings
from imagemp.frames import FrameInfo
from imagemp.link import close_all
from imagemp.ring.handover import End, Order

from .keeper import SPEC

TICK_S = 0.5
AN_HOUR_S = 3600.0


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time is what it is set to."""

    now = 0.0

    def time(self) -> float:
        return self.now


class Worker:
    """A post without a process; children say how it answers.

    Attributes:
        inbox: Orders that it has yet to obey.
    """

    kind = ""

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self.life = Life(never_gives_up=self.kind == "capture")
        self.inbox = deque[Order]()
        self.born = 0.0

    # -- as sessions see it

    @property
    def state(self) -> State:
        return self.life.state

    @property
    def is_running(self) -> bool:
        return self.state is State.RUNNING

    def start(self) -> None:
        self._do(self.life.start())

    def restart(self) -> None:
        self._do(self.life.restart(self.world.now))

    def kill(self) -> None:
        self._do(self.life.kill(self.world.now))

    def abort(self) -> None:
        self._do(self.life.abort(self.world.now))

    def let_go(self) -> None:
        self.send(LetGo())

    def send(self, order: Order, _fds: Iterable[int] = ()) -> None:
        if self.is_running:
            self.inbox.append(order)

    # -- what happens to it

    def is_up(self) -> None:
        if self.life.ready():
            self.world.session.greet(self.as_post)

    def exits(self, chance: float) -> None:
        if self.life.has_process:
            now = self.world.now
            self.inbox.clear()
            self.gone()
            self._do(self.life.exited(now, now - self.born, chance))

    def time_passes(self) -> None:
        alarm = self.life.alarm
        if alarm is not None and alarm[0] <= self.world.now:
            self._do(self.life.due(self.world.now))

    def obeys(self, *, well: bool = True) -> None:
        """Obey the next order, if it can."""
        if self.inbox and self.is_running:
            self.obey(self.inbox.popleft(), well=well)

    def tell(self, told: Told, fds: list[int] | None = None) -> None:
        if self.state is State.STUCK:  # nobody listens to it any more
            close_all(fds or [])
        else:
            self.world.session.told(self.as_post, told, fds or [])

    @property
    def as_post(self) -> Post:
        return cast("Post", self)

    # -- for the child

    def obey(self, order: Order, *, well: bool) -> None:
        raise NotImplementedError

    def gone(self) -> None:
        """Its process is no more."""

    def _do(self, deeds: list[Do]) -> None:
        for deed in deeds:
            if deed is Do.SPAWN:
                self.born = self.world.now
            elif deed is Do.TELL_OF_DEATH and not self.world.facts.has_ended:
                self.world.session.died(self.as_post, -signal.SIGKILL)


class Camera(Worker):
    """Plays capture; its ring is real."""

    kind = "capture"

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world, name)
        self.output = Output(lambda _: True)
        self.order: Prepare | None = None
        self.is_started = self.is_first = False

    def obey(self, order: Order, *, well: bool) -> None:
        if isinstance(order, Prepare) and not well:
            self.tell(Failed(order.session, "E_CAMERA", "no cable"))
        elif isinstance(order, Prepare):
            self._make_ring(order)
        elif isinstance(order, Start):
            self.is_started = self.is_first = True
        elif isinstance(order, Stop):
            self.ends("stopped")
        elif isinstance(order, LetGo):
            self.gone()

    def gone(self) -> None:
        self.output.close()
        self.is_started = False

    def grabs(self, n: int) -> None:
        """Publish so many, if it has been told to start."""
        for _ in range(n if self.is_started else 0):
            writer = self.output.writer
            assert writer is not None
            seq, slot = writer.count_grab(), writer.acquire()
            if slot < 0:
                writer.drop_for_want_of_a_slot()
                continue
            writer.commit(slot, FrameInfo(seq=seq))
            self.world.published += 1
            if self.is_first and self.order is not None:
                self.is_first = False
                self.tell(FirstFrame(self.order.session, self.order.epoch, 1))

    def ends(self, reason: str, *, retry: bool = False) -> None:
        """Say that no more frames come; whoever is to try again leaves."""
        if self.is_started and self.order is not None:
            self.is_started = False
            assert self.output.writer is not None
            index = self.output.writer.ledger.next_index
            told = (self.order.session, self.order.epoch, index, reason)
            self.tell(Ended(*told, "torn" if retry else "", retry=retry))
            if retry:
                self.exits(0.5)

    def _make_ring(self, order: Prepare) -> None:
        self.gone()
        self.order = order
        told = (order.first_seq, order.first_index)
        _, (ring,) = self.output.make(SPEC, RingSettings(8), *told)
        made = RingMade(order.session, order.epoch, SPEC.to_plain(), 30.0)
        self.tell(made, [os.dup(ring)])


class Reader(Worker):
    """Plays an encoder or a callback; its frames are numbers."""

    def __init__(self, world: "World", name: str, kind: str) -> None:
        self.kind = kind
        super().__init__(world, name)
        self.handled = 0
        self.is_open = self.knows_end = self.is_drained = self.is_finished = False

    def obey(self, order: Order, *, well: bool) -> None:
        if isinstance(order, OpenSession):
            self.handled = order.counts.get("handled", 0)
            self.is_open, self.knows_end, self.is_drained = well, False, False
            if well:
                self.tell(Opened(order.session, "/d" if self.kind == "encoder" else ""))
            else:
                cause = "callback_error" if self.kind == "callback" else "disk_error"
                self.tell(Failed(order.session, "E_DISK", "no room", cause=cause))
        elif isinstance(order, End):
            self.knows_end |= order.last
        elif isinstance(order, Finalise) and self.is_open:
            self.is_finished, self.is_open = True, False
            self.tell(Finished(self.world.facts.id))

    def gone(self) -> None:
        self.is_open = False

    def reads(self, n: int) -> None:
        """Deal with so many of those that are there, and say so."""
        if self.is_open and self.is_running:
            self.handled = min(self.world.published, self.handled + n)
            told = (self.world.facts.id, self.handled, self.handled)
            self.tell(Report(*told))
            if self.knows_end and not self.is_drained:
                self._drain()

    def _drain(self) -> None:
        if self.handled == self.world.published:
            self.is_drained = True
            self.tell(Drained(self.world.facts.id))


class World:
    """One session of a plan, and everybody in it.

    Args:
        plan: Of a pipeline whose source alone makes a ring.
        is_waiting: The session is to begin in an hour.

    Attributes:
        stages: All that it has been in.
        published: Frames, over all epochs.
    """

    def __init__(self, plan: PipelinePlan, *, is_waiting: bool = False) -> None:
        self.clock = Clock()
        self.published = 0
        self.stages = [Stage.WAITING]
        self.workers: dict[str, Worker] = {
            w.name: Camera(self, w.name)
            if w.kind == "capture"
            else Reader(self, w.name, w.kind)
            for w in plan.workers
        }
        self.facts = Facts("s1", plan, 0, duration_s=20.0)
        at_unix = time.time() + AN_HOUR_S if is_waiting else None
        self.act(lambda: self._begin(at_unix))

    @property
    def now(self) -> float:
        return self.clock.now

    @property
    def camera(self) -> Camera:
        return cast("Camera", self.workers["capture"])

    @property
    def readers(self) -> list[Reader]:
        return [w for w in self.workers.values() if isinstance(w, Reader)]

    def act(self, what: Callable[[], object]) -> None:
        """Do something in the loop, then what is due."""

        async def steps() -> None:
            what()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.clock.run_until_complete(steps())

    def time_passes(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.clock.now += TICK_S
            self.act(self._alarms_go_off)

    def its_time_comes(self) -> None:
        """It is 5 s before the time that was given."""
        if self.facts.stage is Stage.WAITING:
            self.run.timers.cancel("at")
            self.session._open()

    def everybody_works(self) -> None:
        """Each worker is there, obeys, and comes to the end of what there is."""
        for worker in self.workers.values():
            if self.is_dying(worker):
                self.act(partial(worker.exits, 0.5))
            self.act(worker.is_up)
            while worker.inbox and worker.is_running:
                self.act(worker.obeys)
        for reader in self.readers:
            self.act(partial(reader.reads, self.published))

    def is_dying(self, worker: Worker) -> bool:
        """Whether it was killed or aborted: its alarm says so."""
        return worker.life.has_process and worker.life.alarm is not None

    def close(self) -> None:
        self.camera.output.close()
        self.act(self.run.timers.cancel)
        for ring in self.run.rings.values():
            ring.close()
        self.clock.close()

    def _begin(self, at_unix: float | None) -> None:
        posts = {name: worker.as_post for name, worker in self.workers.items()}
        self.run = Run(self.facts, posts, {}, self._heard)
        self.session = Session(self.run)
        for worker in self.workers.values():
            worker.start()
            worker.life.ready()
        self.session.begin(Together(1, at_unix))

    def _alarms_go_off(self) -> None:
        for worker in self.workers.values():
            worker.time_passes()

    def _heard(self, _topic: str, body: dict[str, Any]) -> None:
        if body.get("name") == "stage":
            self.stages.append(Stage(body["details"]["stage"]))
