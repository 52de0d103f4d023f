"""Talk to the daemon: orders by `Control`, what it publishes by `Telemetry`.

Neither is for two threads at once. zmq is imported when the first of them opens,
numpy never.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from . import codes, messages, paths
from .errors import ControlError
from .messages import Params, Reply, Request
from .wire import RECONNECT_MS, NoAnswerError, Wire, left_ms, probe, until_after

Clock = Callable[[], float]


class Control:
    """Gives orders to the daemon and waits for its answers.

    A gateway that is restarted meanwhile goes unnoticed where asking again does no
    harm (`messages.REPEATABLE`, and starts).

    Args:
        runtime_dir: Where the daemon serves; None: `paths.runtime_dir` finds it.

    Raises:
        DaemonUnreachableError: Nobody serves there; the message says why.
    """

    def __init__(self, runtime_dir: str | Path | None = None) -> None:
        self.path = paths.control_socket(paths.runtime_dir(runtime_dir))
        probe(self.path)
        self._wire = Wire(self.path)
        self._asked = 0

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | Params | None = None,
        timeout_s: float | None = 5.0,
        idem: str | None = None,
    ) -> dict[str, Any]:
        """Ask, and give the result once all of the answer is there.

        `timeout_s` is for the whole answer, None: as long as it takes. `idem` names
        this order: given twice with the same name, it is one order.

        Raises:
            ControlError: The daemon refused, or failed; see its `code`.
            DaemonUnreachableError: The daemon is gone.
            NoAnswerError: Nothing came in time; a TimeoutError.
        """
        until = until_after(timeout_s)
        request = self._request(method, params, idem)
        if timeout_s is not None:
            request = msgspec.structs.replace(
                request, deadline_ms=max(1, round(timeout_s * 1000))
            )
        return deque(self._results(request, lambda: until), maxlen=1).pop()

    def stream(
        self,
        method: str,
        params: Mapping[str, Any] | Params | None = None,
        timeout_s: float | None = None,
        idem: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Ask, and give each result as it comes, until the last.

        `timeout_s` is the longest silence between two results, None: any. All else,
        what is raised too, is as for `call`.
        """
        request = self._request(method, params, idem)
        return self._results(request, lambda: until_after(timeout_s))

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def _results(self, request: Request, until: Clock) -> Iterator[dict[str, Any]]:
        self._wire.send(request, until())
        while True:
            reply = self._wire.receive(until())
            if reply is None:
                request = self._again(request)
                self._wire.send(request, until())
            elif reply.id in {request.id, ""}:
                yield _result(reply)
                if not reply.more:
                    return

    def _request(
        self, method: str, params: Mapping[str, Any] | Params | None, idem: str | None
    ) -> Request:
        if idem is None:
            idem = os.urandom(8).hex() if method == "session.start" else ""
        plain = msgspec.to_builtins(params) if isinstance(params, Params) else params
        return Request(
            messages.VERSION, self._next_id(), method, dict(plain or {}), idem=idem
        )

    def _again(self, request: Request) -> Request:
        # A new id, so that a late answer to the old one is not taken for this one's.
        if request.method in messages.REPEATABLE or request.idem:
            return msgspec.structs.replace(request, id=self._next_id())
        raise NoAnswerError(
            f"{request.method}: the connection was lost before the answer came",
            "the order may have been carried out: see imagectl status",
        )

    def _next_id(self) -> str:
        self._asked += 1
        return f"c{self._asked}"


class Telemetry:
    """What the daemon publishes, message by message.

    A daemon that is not there yet, or restarts, is waited for. A message that was
    sent again for the sake of another subscriber is not given twice.

    Attributes:
        lost: Messages that this subscriber was too slow for, over all topics.

    Args:
        topics: What topics begin with; "" is all, "hb " only the topic `hb`.
        runtime_dir: Where the daemon serves; None: `paths.runtime_dir` finds it.
        conflate: Keep nothing but the newest message (of all topics together).
    """

    def __init__(
        self,
        topics: Sequence[str] = ("",),
        runtime_dir: str | Path | None = None,
        conflate: bool = False,
    ) -> None:
        import zmq

        path = paths.telemetry_socket(paths.runtime_dir(runtime_dir))
        self.lost = 0
        self._seen: dict[str, dict[str, Any]] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.CONFLATE, conflate)
        for topic in topics:
            self._socket.subscribe(topic)
        self._socket.connect(f"ipc://{path}")

    def receive(
        self, timeout_s: float | None = None
    ) -> tuple[str, dict[str, Any]] | None:
        """Give the next topic and message; None if none came in time."""
        until = until_after(timeout_s)
        while self._socket.poll(left_ms(until)):
            name, _, text = self._socket.recv().partition(b" ")
            topic, body = name.decode(), msgspec.json.decode(text)
            if self._is_new(topic, body):
                return topic, body
        return None

    def fileno(self) -> int:
        """Give a descriptor to poll.

        It tells of *changes* only: when it is readable, and before the first poll,
        call `receive(0)` until it gives None.
        """
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._context.destroy(linger=0)

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        while (message := self.receive()) is not None:
            yield message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def _is_new(self, topic: str, body: dict[str, Any]) -> bool:
        last = self._seen.get(topic)
        if last is None or last["instance"] != body["instance"]:
            self._seen[topic] = body
            return True
        if body["seq"] <= last["seq"]:
            return False
        is_same_gateway = body["seq"] * 1000 <= last["t_mono_ns"]
        self.lost += body["seq"] - last["seq"] - 1 if is_same_gateway else 0
        self._seen[topic] = body
        return True


def _result(reply: Reply) -> dict[str, Any]:
    if reply.ok:
        return reply.result
    problem = reply.error or messages.Problem(codes.E_INTERNAL, "no reason given")
    raise ControlError(
        problem.code, problem.message, problem.hint, retryable=problem.retryable
    )
