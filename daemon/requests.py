"""What clients ask for, carried out: one method of the wire, one method here."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from imagemp import messages
from imagemp.config import with_overrides
from imagemp.errors import ControlError, ImagempError

from .crew import Crew, StartOrder
from .pipeline import plan_pipeline
from .session import Session
from .workers.orders import Answer, Asked

if TYPE_CHECKING:
    from .supervisor import Supervisor

log = logging.getLogger(__name__)
REMEMBERED = 256  # starts whose `idem` may come again

Result = dict[str, Any]


class Requests:
    """Answers what the gateway passes on; each request is a task of its own."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor
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
            answer = Answer(asked.token, error=problem(error))
        except Exception:  # a client must not take the daemon down
            log_id = os.urandom(4).hex()
            log.exception("%s failed (log id %s)", asked.method, log_id)
            answer = Answer(
                asked.token,
                error={"code": "E_INTERNAL", "message": f"see the log for {log_id}"},
            )
        self._supervisor.gateway.send(answer)

    # -- the methods of the wire

    async def do_ping(self, _params: messages.Ping, _asked: Asked) -> Result:
        """Say that the supervisor's loop turns."""
        supervisor = self._supervisor
        uptime = time.monotonic() - supervisor.began
        return {"instance": supervisor.instance, "uptime_s": round(uptime, 3)}

    async def do_status(self, _params: messages.Status, _asked: Asked) -> Result:
        """Tell the state of everything."""
        return self._supervisor.status()

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
        crews = self._busy(params.pipelines, params.session, "stop")
        for crew in crews:
            crew.stop(now=params.now)
        return await self._results(crews)

    async def do_session_wait(
        self, params: messages.SessionWait, _asked: Asked
    ) -> Result:
        """Answer when sessions are done, or have their first frame."""
        crews = self._waited_for(params)
        if params.until == "first":
            await asyncio.gather(*(_first(crew) for crew in crews))
            return {"sessions": [_begun(crew) for crew in crews]}
        return await self._results(crews)

    async def do_trigger(self, params: messages.Trigger, _asked: Asked) -> Result:
        """Have frames taken now."""
        crews = self._busy(params.pipelines, None, "trigger")
        for crew in crews:
            crew.trigger(params.n)
        return {"pipelines": [crew.plan.name for crew in crews]}

    async def do_callback_send(
        self, params: messages.CallbackSend, _asked: Asked
    ) -> Result:
        """Hand a message to a callback."""
        named = [params.pipeline] if params.pipeline else []
        crews = self._crews(named)
        having = [c for c in crews if c.plan.worker_of(params.callback) is not None]
        if len(having) != 1:
            found = "no pipeline has" if not having else "several pipelines have"
            raise ControlError(
                "E_PARAMS",
                f"callback: {found} one called {params.callback!r}",
                "name the pipeline with --pipeline" if having else "",
            )
        having[0].deliver(params.callback, params.body)
        return {"pipeline": having[0].plan.name}

    async def do_worker_restart(
        self, params: messages.WorkerRestart, _asked: Asked
    ) -> Result:
        """End a worker's process; its post fills itself again."""
        supervisor = self._supervisor
        if params.worker == "gateway":
            asyncio.get_running_loop().call_soon(supervisor.gateway.kill)
            return {"worker": "gateway"}
        named = [params.pipeline] if params.pipeline else []
        posts = [
            crew.posts[params.worker]
            for crew in self._crews(named)
            if params.worker in crew.posts
        ]
        if len(posts) != 1:
            found = "no pipeline has" if not posts else "several pipelines have"
            raise ControlError(
                "E_PARAMS", f"worker: {found} one called {params.worker!r}"
            )
        posts[0].restart()
        return {"worker": params.worker}

    async def do_config_show(
        self, _params: messages.ConfigShow, _asked: Asked
    ) -> Result:
        """Give the configuration in use."""
        shown: Result = msgspec.to_builtins(self._supervisor.config)
        return shown

    async def do_reload(self, _params: messages.Reload, _asked: Asked) -> Result:
        """Read the configuration file again."""
        return await self._supervisor.reload()

    async def do_shutdown(self, _params: messages.Shutdown, _asked: Asked) -> Result:
        """Stop everything and exit."""
        asyncio.get_running_loop().call_soon(self._supervisor.ask_to_stop)
        return {}

    # -- steps

    async def _start(self, params: messages.SessionStart) -> Result:
        """Start all or none; then wait for what was asked to wait for."""
        if self._supervisor.is_stopping:
            raise ControlError("E_SHUTTING_DOWN", "the daemon is about to exit")
        crews = self._crews(params.pipelines)
        if not crews:
            raise ControlError(
                "E_CONFIG", "pipelines: there is none in the configuration"
            )
        for crew in crews:
            crew.check_idle()
        names = [crew.plan.name for crew in crews]
        config = with_overrides(self._supervisor.config, names, params.overrides)
        orders = [
            StartOrder(
                plan_pipeline(config, crew.plan.name),
                params.duration_s,
                params.frames,
                params.at_unix(),
            )
            for crew in crews
        ]
        for crew, order in zip(crews, orders, strict=True):
            crew.check_plan(order.plan)
        for crew, order in zip(crews, orders, strict=True):
            crew.start(order)
        self._supervisor.time_reports()
        if params.wait == "first":
            await asyncio.gather(*(_first(crew) for crew in crews))
        elif params.wait == "done":
            return await self._results(crews)
        return {"sessions": [_begun(crew) for crew in crews]}

    def _crews(self, names: list[str]) -> list[Crew]:
        crews = self._supervisor.crews
        for name in names:
            if name not in crews:
                known = ", ".join(crews) or "none"
                raise ControlError(
                    "E_PARAMS", f"pipelines: no {name!r}; there is {known}"
                )
        return [crews[name] for name in names or crews]

    def _busy(self, names: list[str], session: str | None, what: str) -> list[Crew]:
        crews = self._crews(names)
        busy = [
            crew
            for crew in crews
            if crew.is_busy and session in (None, crew.session and crew.session.id)
        ]
        if not busy or (names and len(busy) != len(crews)):
            idle = (
                ", ".join(c.plan.name for c in crews if c not in busy) or "no pipeline"
            )
            raise ControlError("E_NOT_RUNNING", f"{what}: no session is on: {idle}")
        return busy

    def _waited_for(self, params: messages.SessionWait) -> list[Crew]:
        """Those that run; a session named may be over already."""
        crews = self._crews(params.pipelines)
        if params.session is None:
            return self._busy(params.pipelines, None, "wait")
        known = [c for c in crews if c.session and c.session.id == params.session]
        if not known:
            raise ControlError("E_NOT_RUNNING", f"wait: no session {params.session!r}")
        return known

    async def _results(self, crews: list[Crew]) -> Result:
        sessions = await asyncio.gather(*(_done(crew) for crew in crews))
        return {"sessions": [_over(session) for session in sessions]}


async def _first(crew: Crew) -> None:
    assert crew.first is not None
    await asyncio.shield(crew.first)


async def _done(crew: Crew) -> Session:
    assert crew.done is not None
    return await asyncio.shield(crew.done)


def _begun(crew: Crew) -> Result:
    session = crew.session
    assert session is not None
    return {"session": session.id, "pipeline": crew.plan.name, "dir": session.dir}


def _over(session: Session) -> Result:
    return session.result() | {"counts": msgspec.to_builtins(session.counts)}


def problem(error: ImagempError) -> dict[str, Any]:
    """Give an error as the wire has it."""
    code = error.code if error.code in messages.CODES else "E_CONFIG"
    retryable = isinstance(error, ControlError) and error.retryable
    return {
        "code": code,
        "message": str(error),
        "hint": error.hint,
        "retryable": retryable,
    }
