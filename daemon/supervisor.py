"""The supervisor: owns the sockets, the gateway and a crew for each pipeline.

One asyncio loop, one thread; it knows no zmq and no numpy, makes no camera call
and no call to the data disk.
"""

import asyncio
import logging
import os
import signal
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

from imagemp.config import Config, load
from imagemp.errors import ControlError, ImagempError, RingError
from imagemp.link import close_all, pair
from imagemp.ring.handover import Again
from imagemp.topics import EVENT, HEARTBEAT, STATE, metrics_topic

from . import diary
from .crew import Crew
from .door import Door, Guest
from .life import Life
from .logs import fields
from .pipeline import changed_pipelines, plan_pipeline
from .post import Post, Watch
from .pulse import Pulse, status_line
from .recovery import Recovery
from .reports import Meter, metrics, status, worker
from .requests import Requests
from .sockets import Sockets
from .timers import Timers
from .wallclock import Steps
from .workers.orders import Asked, Forgotten, Listen, Publish, Serve, Serving, Told

log = logging.getLogger(__name__)


class Supervisor:
    """The daemon, from `run` to its end.

    Attributes:
        config: In use.
        instance: Names this run of the daemon.
        crews: By pipeline.
    """

    def __init__(self, config: Config, config_path: Path, sockets: Sockets) -> None:
        self.config, self.config_path, self.sockets = config, config_path, sockets
        self.instance = uuid.uuid4().hex
        self.began = time.monotonic()
        self.crews: dict[str, Crew] = {}
        self.is_stopping = False
        self.pulse = Pulse(self._beat, lambda: self.publish(STATE, {}))
        self.requests = Requests(self)
        self.recovery = Recovery(self.publish, self._is_on)
        self._meters: dict[str, Meter] = {}
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._changing: set[str] = set()  # pipelines that a reload is replacing
        self._one_reload = asyncio.Lock()
        self._timers = Timers()
        self._steps = Steps(self._clock_was_set)
        watch = Watch(self._gateway_ready, self._gateway_told, self._gateway_died)
        self.gateway = Post("gateway", "gateway", watch, life=Life.of_gateway())

    async def run(self) -> None:
        """Serve until told to stop, then stop everything in order."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.ask_to_stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self._loop.add_signal_handler(signal.SIGUSR1, self._dump)
        self.gateway.start()
        self._door = Door(
            self.sockets.frames, self._admit, self._attach_again, self._dismiss
        )
        for name in self.config.pipelines:
            self._add_crew(name)
        self.pulse.start()
        await self._stop.wait()
        await self._shut_down()

    def ask_to_stop(self) -> None:
        """Stop cleanly; asked again, leave what is not written yet."""
        if self.is_stopping:
            for crew in self.crews.values():
                crew.stop(now=True)
        self.is_stopping = True
        self._stop.set()

    def status(self) -> dict[str, Any]:
        """Give the document that `imagectl status` shows."""
        pipelines = {
            name: status(crew, self._meters[name]) for name, crew in self.crews.items()
        }
        return {
            "v": 1,
            "instance": self.instance,
            "state": "stopping" if self.is_stopping else "running",
            "pid": os.getpid(),
            "config": str(self.config_path),
            "pipelines": pipelines,
            "gateway": worker(self.gateway, Meter()),
        }

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again; done to the end, even if nobody waits for it.

        A pipeline at work stays as it is.

        Raises:
            ConfigError: It cannot be used; nothing has changed.
            ControlError: The daemon is about to exit.
        """
        self._reloading = self._loop.create_task(self._reload())
        return await asyncio.shield(self._reloading)

    def publish(self, topic: str, body: dict[str, Any]) -> None:
        """Publish telemetry; a state is made here, of everything."""
        if topic.startswith(EVENT):
            diary.tell(body)
        if topic == STATE:
            body = self.status()
            self._tell_systemd()
            self._time_reports()
        try:
            self.gateway.send(Publish(topic, body))
        except RingError as error:  # larger than a packet
            log.error("not published: %s", error, extra=fields(topic=topic))

    def _clock_was_set(self) -> None:
        log.warning("the system clock was set")
        for crew in self.crews.values():
            if crew.session is not None and crew.is_busy:
                crew.session.run.clock_was_set()

    # -- pipelines

    async def _reload(self) -> dict[str, Any]:
        async with self._one_reload:
            if self.is_stopping:
                raise ControlError("E_SHUTTING_DOWN", "the daemon is about to exit")
            config = load(self.config_path)
            busy = [name for name, crew in self.crews.items() if crew.is_busy]
            self._changing = changed_pipelines(self.config, config, busy)
            self.config, changed = config, self._changing
            # All at once: on one that waits for its turn a session could begin.
            leaving = [self.crews.pop(name) for name in changed]
            await asyncio.gather(*(crew.leave() for crew in leaving))
            for name in config.pipelines:
                if name not in self.crews:
                    self._add_crew(name)
            self._changing = set()
        self._door.admit_anew(changed)
        self.recovery.look(config)
        self.publish(STATE, {})
        return {"changed": sorted(changed), "pipelines": sorted(self.crews)}

    def _is_on(self, pipeline: str, session: str) -> bool:
        crew = self.crews.get(pipeline)
        return crew is not None and crew.is_at(session)

    def _add_crew(self, name: str) -> None:
        crew = Crew(plan_pipeline(self.config, name), self.publish, self._connect)
        self.crews[name], self._meters[name] = crew, Meter()
        crew.start_workers()
        if crew.plan.autostart:
            crew.autostart()

    def _connect(self, topic: str) -> socket.socket:
        """Give one end of a socket pair; the gateway publishes what comes out."""
        ours, theirs = pair()
        self.gateway.send(Listen(topic), (ours.fileno(),))
        ours.close()
        return theirs

    # -- programs outside

    def _admit(self, guest: Guest) -> None:
        name = guest.ask.pipeline if guest.ask is not None else ""
        if (crew := self.crews.get(name)) is not None:
            crew.admit(guest)
        elif name not in self._changing:  # else it is admitted with the new crew
            known = ", ".join(self.crews) or "none"
            raise ControlError("E_PARAMS", f"no pipeline {name!r}; there is {known}")

    def _attach_again(self, guest: Guest, again: Again) -> None:
        if (crew := self._crew_of(guest)) is not None:
            crew.attach_again(guest, again)

    def _dismiss(self, guest: Guest) -> None:
        if (crew := self._crew_of(guest)) is not None:
            crew.dismiss(guest)

    def _crew_of(self, guest: Guest) -> Crew | None:
        return self.crews.get(guest.ask.pipeline) if guest.ask is not None else None

    # -- the gateway

    def _gateway_ready(self, post: Post) -> None:
        self.requests.forget_all()  # of one that was renewed
        sockets = self.sockets
        order = Serve(*sockets.paths, self.instance, str(self.config_path))
        post.send(order, (sockets.control.fileno(), sockets.telemetry.fileno()))
        for crew in self.crews.values():
            for worker_post in crew.posts.values():
                crew.give_voice(worker_post)
            self._report_on(crew)
        self.publish(STATE, {})

    def _gateway_told(self, _post: Post, told: Told, fds: list[int]) -> None:
        close_all(fds)
        if isinstance(told, Serving):
            self.pulse.notifier.ready()
            self.recovery.look(self.config)
        elif isinstance(told, Asked):
            self.requests.ask(told)
        elif isinstance(told, Forgotten):
            self.requests.forget(told.token)

    def _gateway_died(self, _post: Post, _code: int) -> None:
        self.requests.forget_all()

    # -- reports

    def _time_reports(self) -> None:
        """Report at the configured rate while any session is on."""
        is_busy = any(crew.is_busy for crew in self.crews.values())
        if is_busy and "report" not in self._timers:
            self._report()

    def _report(self) -> None:
        for crew in self.crews.values():
            self._report_on(crew)
        if any(crew.is_busy for crew in self.crews.values()):
            period = 1 / self.config.telemetry.rate_hz
            self._timers.set("report", period, self._report)

    def _report_on(self, crew: Crew) -> None:
        if crew.session is not None:
            body = metrics(crew, crew.session, self._meters[crew.plan.name])
            self.publish(metrics_topic(crew.plan.name), body)

    def _beat(self) -> None:
        uptime = round(time.monotonic() - self.began, 1)
        self.publish(HEARTBEAT, {"uptime_s": uptime})
        if any(crew.is_busy for crew in self.crews.values()):
            self._tell_systemd()

    def _tell_systemd(self) -> None:
        self.pulse.notifier.status(status_line(self.crews, self._meters))

    # -- signals

    def _hang_up(self) -> None:
        self._hung_up = self._loop.create_task(self._reload_by_signal())

    def _dump(self) -> None:
        """SIGUSR1: the whole status goes to the log, where no client gets through."""
        log.info("status: %s", msgspec.json.encode(self.status()).decode())

    async def _reload_by_signal(self) -> None:
        self.pulse.notifier.reloading()
        try:
            result = await self.reload()
            log.info("reloaded", extra=fields(changed=result["changed"]))
        except ImagempError as error:
            log.error("not reloaded: %s", error)
        finally:
            self.pulse.notifier.ready()

    # -- the end

    async def _shut_down(self) -> None:
        """Drain, then let the workers go, the gateway last."""
        self.pulse.notifier.stopping()
        self.recovery.stop()
        self.publish(STATE, {})
        async with self._one_reload:  # one under way ends first; no other begins
            crews = list(self.crews.values())
        ending = [
            c.session.run.done for c in crews if c.session is not None and c.is_busy
        ]
        for crew in crews:
            crew.stop()
        self.pulse.extend()
        await asyncio.gather(*ending)
        await asyncio.gather(*(crew.leave() for crew in crews))
        self._door.close()
        self.publish(STATE, {})
        await self.gateway.leave()
        self._timers.cancel()
        self._steps.close()
        self.pulse.stop()
