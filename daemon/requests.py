"""What clients ask for, carried out: one method of the wire, one method here."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from imagemp import messages
from imagemp.clock import is_synchronised
from imagemp.config import Config, with_overrides
from imagemp.errors import ControlError, ImagempError, RingError

from . import replies, scope
from .cameras import look
from .crew import Crew, StartOrder
from .logs import fields
from .pipeline import plan_pipeline
from .post import Post
from .replies import Result
from .together import Together
from .wallclock import check_clock
from .workers.orders import Answer, Asked

log = logging.getLogger(__name__)
PARTING_S = 0.5  # for a client to read its answer: it goes with the connection
REMEMBERED = 256  # starts whose `idem` may come again


class Daemon(Protocol):
    """What requests are about: the supervisor, as they see it."""

    config: Config
    instance: str
    began: float
    is_stopping: bool
    crews: dict[str, Crew]
    gateway: Post

    def status(self) -> Result:
        """Give the state of everything."""

    async def reload(self) -> Result:
        """Read the configuration again."""

    def ask_to_stop(self) -> None:
        """Stop cleanly."""


class Requests:
    """Answers what the gateway passes on; each request is a task of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._starts: dict[str, asyncio.Task[Result]] = {}

    def ask(self, asked: Asked) -> None:
        """Begin to answer a request."""
        task = asyncio.get_running_loop().create_task(self._answer(asked))
        self._tasks[asked.token] = task
        task.add_done_callback(lambda _: self._tasks.pop(asked.token, None))

    def forget(self, token: int) -> None:
        """Nobody waits for this answer any more; what was begun goes on."""
        if (task := self._tasks.pop(token, None)) is not None:
            task.cancel()

    def forget_all(self) -> None:
        """The gateway that asked is gone."""
        for token in list(self._tasks):
            self.forget(token)

    async def _answer(self, asked: Asked) -> None:
        try:
            params = msgspec.convert(asked.params, messages.METHODS[asked.method])
            handler: Callable[[Any, Asked], Awaitable[Result]]
            handler = getattr(self, "do_" + asked.method.replace(".", "_"))
            answer = Answer(asked.token, await handler(params, asked))
        except ImagempError as error:
            answer = Answer(asked.token, error=replies.problem(error))
        except Exception:  # a client must not take the daemon down
            log_id = os.urandom(4).hex()
            log.exception("failed", extra=fields(method=asked.method, id=log_id))
            answer = Answer(
                asked.token,
                error={"code": "E_INTERNAL", "message": f"see the log for {log_id}"},
            )
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        try:
            self._daemon.gateway.send(answer)
        except RingError as error:  # larger than a packet
            refused = replies.problem(
                ControlError("E_INTERNAL", f"the answer: {error}")
            )
            self._daemon.gateway.send(Answer(answer.token, error=refused))

    # -- the methods of the wire

    async def do_ping(self, _params: messages.Ping, _asked: Asked) -> Result:
        """Say that the supervisor's loop turns."""
        daemon = self._daemon
        uptime = time.monotonic() - daemon.began
        return {"instance": daemon.instance, "uptime_s": round(uptime, 3)}

    async def do_status(self, _params: messages.Status, _asked: Asked) -> Result:
        """Tell the state of everything."""
        return self._daemon.status()

    async def do_session_start(
        self, params: messages.SessionStart, asked: Asked
    ) -> Result:
        """Start sessions; the same `idem` again is the same start."""
        if not asked.idem:
            return await self._start(params)
        if asked.idem not in self._starts:
            while len(self._starts) >= REMEMBERED:
                del self._starts[next(iter(self._starts))]
            task = asyncio.get_running_loop().create_task(self._start(params))
            self._starts[asked.idem] = task
        return await asyncio.shield(self._starts[asked.idem])

    async def do_session_stop(
        self, params: messages.SessionStop, _asked: Asked
    ) -> Result:
        """Stop sessions; answers when all is drained and closed."""
        crews = scope.busy(
            self._crews, params.pipelines, "stop", params.session, awaited=True
        )
        for crew in crews:
            crew.stop(now=params.now)
        return await replies.results(replies.sessions_of(crews))

    async def do_session_wait(
        self, params: messages.SessionWait, _asked: Asked
    ) -> Result:
        """Answer when sessions are done, or have their first frame."""
        sessions = scope.waited_for(self._crews, params.pipelines, params.session)
        if params.until == "first":
            return await replies.firsts(sessions)
        return await replies.results(sessions)

    async def do_trigger(self, params: messages.Trigger, _asked: Asked) -> Result:
        """Have frames taken now, or what is around now recorded."""
        crews = scope.busy(self._crews, params.pipelines, "trigger")
        for crew in crews:
            crew.trigger(params.n)
        return {"pipelines": [crew.plan.name for crew in crews]}

    async def do_record_start(self, params: messages.Record, _asked: Asked) -> Result:
        """Record from now on."""
        crews = scope.busy(self._crews, params.pipelines, "record")
        return replies.record(crews, params, is_on=True)

    async def do_record_stop(self, params: messages.Record, _asked: Asked) -> Result:
        """Record no more from now on."""
        crews = scope.busy(self._crews, params.pipelines, "record")
        return replies.record(crews, params, is_on=False)

    async def do_callback_send(
        self, params: messages.CallbackSend, _asked: Asked
    ) -> Result:
        """Hand a message to a callback."""
        crew = scope.crew_with(self._crews, params.pipeline, params.callback)
        crew.deliver(params.callback, params.body)
        return {"pipeline": crew.plan.name}

    async def do_camera_list(self, _: messages.CameraList, _asked: Asked) -> Result:
        """Tell what cameras there are."""
        return await look()

    async def do_camera_set(self, params: messages.CameraSet, _asked: Asked) -> Result:
        """Set controls of a camera that runs."""
        crews = scope.busy(self._crews, scope.names(params.pipeline), "set")
        return await scope.only(crews).set_controls(params.controls)

    async def do_worker_restart(
        self, params: messages.WorkerRestart, _asked: Asked
    ) -> Result:
        """End a worker's process; its post fills itself again."""
        if params.worker == "gateway":
            renew = self._daemon.gateway.renew
            asyncio.get_running_loop().call_later(PARTING_S, renew)
        else:
            scope.post(self._crews, params.pipeline, params.worker).restart()
        return {"worker": params.worker}

    async def do_config_show(
        self, _params: messages.ConfigShow, _asked: Asked
    ) -> Result:
        """Give the configuration in use."""
        shown: Result = msgspec.to_builtins(self._daemon.config)
        return shown

    async def do_reload(self, _params: messages.Reload, _asked: Asked) -> Result:
        """Read the configuration file again."""
        return await self._daemon.reload()

    async def do_shutdown(self, _params: messages.Shutdown, _asked: Asked) -> Result:
        """Stop everything and exit."""
        asyncio.get_running_loop().call_soon(self._daemon.ask_to_stop)
        return {}

    # -- steps

    @property
    def _crews(self) -> dict[str, Crew]:
        return self._daemon.crews

    async def _start(self, params: messages.SessionStart) -> Result:
        """Start all or none; then wait for what was asked to wait for."""
        if self._daemon.is_stopping:
            raise ControlError("E_SHUTTING_DOWN", "the daemon is about to exit")
        at_unix = params.at_unix()
        if at_unix is not None and not params.force:
            check_clock(is_right=is_synchronised())
        crews = scope.named(self._crews, params.pipelines)
        if not crews:
            raise ControlError(
                "E_CONFIG", "pipelines: there is none in the configuration"
            )
        for crew in crews:
            crew.check_idle()
        names = [crew.plan.name for crew in crews]
        config = with_overrides(self._daemon.config, names, params.overrides)
        together = Together(len(crews), at_unix)
        orders = [
            StartOrder(
                plan_pipeline(config, crew.plan.name),
                params.duration_s,
                params.frames,
                together,
            )
            for crew in crews
        ]
        for crew, order in zip(crews, orders, strict=True):
            crew.check_plan(order.plan)
        both = zip(crews, orders, strict=True)
        sessions = [crew.start(order) for crew, order in both]
        if params.wait == "first":
            return await replies.firsts(sessions)
        return (
            await replies.results(sessions)
            if params.wait == "done"
            else replies.begun(sessions)
        )
