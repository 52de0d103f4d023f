"""The gateway: all of ZeroMQ, between clients and the supervisor.

Requests are checked here and passed on with a token; what the supervisor answers
goes back to whoever asked. What it publishes goes to all subscribers, and is kept
for those who come later. Nothing here blocks on a client: who does not read loses.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import msgspec
import zmq

from imagemp import codes, messages
from imagemp.errors import RingError
from imagemp.link import MAX_PACKET
from imagemp.messages import METHODS, Problem, Reply, Request

from ..logs import fields
from .answers import OWN_ANSWERS
from .base import Worker
from .board import Board
from .bounds import bounded, limit_memory, raise_file_limit
from .incoming import Refusal, check
from .limits import Pending, Rates, Waiting
from .orders import Answer, Asked, Forgotten, Listen, Publish, Serve, Serving

log = logging.getLogger(__name__)

BATCH = 64  # messages of one socket before the others have their turn
MAX_REPLY = messages.MAX_MESSAGE + 1024  # a full packet of the link, and the envelope

Pollable: TypeAlias = "zmq.Socket[bytes] | int"
"""What a poll tells of: a zmq socket, or a descriptor."""


class Gateway(Worker):
    """Serves clients on sockets that the supervisor listens on and keeps."""

    kind = "gateway"

    def set_up(self) -> None:
        raise_file_limit()  # before zmq: it aborts when it runs out of descriptors
        self.instance = self.config = ""
        self.board = Board("", 0)
        self.rates = Rates()
        self.waiting = Waiting(time.monotonic_ns())
        self.faulty: set[str] = set()
        self.context = zmq.Context()
        self.control = bounded(self.context.socket(zmq.ROUTER))
        self.control.set(zmq.ROUTER_MANDATORY, 1)
        self.telemetry = bounded(self.context.socket(zmq.XPUB))
        self.telemetry.set(zmq.XPUB_VERBOSE, 1)
        self.poller = zmq.Poller()
        self.handlers: dict[Pollable, Callable[[], None]] = {}
        self._listen_to(self.outbox.fileno(), self.serve_link)
        self._listen_to(self.control, self._serve_control)
        self._listen_to(self.telemetry, self._serve_subscriptions)
        limit_memory()

    def step(self) -> None:
        for source, _ in self.poller.poll(self.waiting.patience_ms(time.monotonic())):
            self.handlers[source]()
        for token, request in self.waiting.late(time.monotonic()):
            if self.waiting.find(token):  # else its client has gone just now
                self._give_up(token, request)

    def tear_down(self) -> None:
        self.context.destroy(linger=0)

    def on_serve(self, order: Serve, fds: list[int]) -> None:
        self.instance, self.config = order.instance, order.config
        self.board = Board(order.instance, time.monotonic_ns())
        control, telemetry = fds
        for sock, fd, path in (
            (self.control, control, order.control),
            (self.telemetry, telemetry, order.telemetry),
        ):
            sock.set(zmq.USE_FD, fd)  # zmq closes it, and leaves the path alone
            sock.bind(f"ipc://{path}")
        self.tell(Serving())
        log.info("serves %s", order.control)

    def on_answer(self, answer: Answer, _fds: list[int]) -> None:
        request = self.waiting.find(answer.token)
        if request is None:
            return  # it was late, or its client has gone
        reply = self._reply_to(request, answer)
        if not answer.more:
            self.waiting.remove(answer.token)
        self._send(request.client, reply)

    def on_publish(self, order: Publish, _fds: list[int]) -> None:
        self._publish(order.topic, order.body)

    def on_listen(self, order: Listen, fds: list[int]) -> None:
        sock = socket.socket(fileno=fds[0])
        handler = partial(self._serve_callback, sock, order.topic)
        self._listen_to(sock.fileno(), handler)

    # -- clients

    def _serve_control(self) -> None:
        for _ in range(BATCH):
            try:
                client, *frames = self.control.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            checked = check([frame.bytes for frame in frames[:3]])
            problem = self._obey_client(client.bytes, checked, peer_of(client))
            if problem is not None:
                self._refuse(client.bytes, checked.id, problem)

    def _obey_client(
        self, client: bytes, checked: Request | Refusal, who: str
    ) -> Problem | None:
        """Carry out a request, or see to it; give why it cannot be."""
        problem = self.rates.count(client, time.monotonic())
        if problem is not None:
            return problem
        if isinstance(checked, Refusal):
            return checked.problem
        if checked.method in OWN_ANSWERS:
            return self._answer_here(client, checked)
        return self._ask(client, checked, who)

    def _ask(self, client: bytes, request: Request, who: str) -> Problem | None:
        problem = self.waiting.may_add(client)
        if problem is not None:
            return problem
        token = self.waiting.add(client, request, time.monotonic())
        problem = self._pass_on(
            Asked(token, request.method, request.params, who, request.idem)
        )
        if problem is not None:
            self.waiting.remove(token)
        return problem

    def _pass_on(self, asked: Asked) -> Problem | None:
        try:
            if self.tell(asked):
                return None
        except RingError as error:  # JSON grows: 1e9 becomes 1000000000.0
            return Problem(codes.E_TOO_LARGE, str(error))
        return Problem(codes.E_BUSY, "the daemon is not listening", retryable=True)

    def _answer_here(self, client: bytes, request: Request) -> Problem | None:
        try:
            params = msgspec.convert(request.params, METHODS[request.method])
            result = OWN_ANSWERS[request.method](params, self.config)
        except Exception:  # a client must not crash it for the others
            log_id = os.urandom(4).hex()
            log.exception("failed", extra=fields(method=request.method, id=log_id))
            return Problem(codes.E_INTERNAL, f"see the log for {log_id}")
        self._send(client, self._ok(request.id, result))
        return None

    def _reply_to(self, request: Pending, answer: Answer) -> Reply:
        request.replies += 1
        seq = request.replies if answer.more or request.replies > 1 else 0
        if answer.error is not None:
            problem = msgspec.convert(answer.error, Problem)
            return self._no(request.id, problem, seq)
        reply = self._ok(request.id, answer.result or {})
        return msgspec.structs.replace(reply, more=answer.more, seq=seq)

    def _ok(self, request_id: str, result: dict[str, Any]) -> Reply:
        return Reply(messages.VERSION, request_id, True, result, instance=self.instance)

    def _no(self, request_id: str, problem: Problem, seq: int = 0) -> Reply:
        return Reply(
            messages.VERSION,
            request_id,
            False,
            error=problem,
            instance=self.instance,
            seq=seq,
        )

    def _refuse(self, client: bytes, request_id: str, problem: Problem) -> None:
        self._send(client, self._no(request_id, problem))

    def _give_up(self, token: int, request: Pending) -> None:
        self._forget(token)
        problem = Problem(
            codes.E_TIMEOUT,
            "not done within the deadline; it may be done later",
            retryable=True,
        )
        self._refuse(request.client, request.id, problem)

    def _send(self, client: bytes, reply: Reply) -> None:
        text = msgspec.json.encode(reply)
        if len(text) > MAX_REPLY:
            problem = Problem(codes.E_INTERNAL, f"reply of {len(text)} bytes")
            text = msgspec.json.encode(self._no(reply.id, problem))
        try:
            self.control.send_multipart([client, messages.MAGIC, text], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise
            self._drop_client(client)

    def _drop_client(self, client: bytes) -> None:
        """Nobody reads there any more: nothing it asked for waits."""
        for token in self.waiting.of(client):
            self._forget(token)

    def _forget(self, token: int) -> None:
        self.waiting.remove(token)
        self.tell(Forgotten(token))

    # -- subscribers

    def _publish(self, topic: str, fields: dict[str, Any]) -> None:
        frame = self.board.frame(topic, fields, time.monotonic_ns(), time.time_ns())
        self.telemetry.send(frame, zmq.NOBLOCK)

    def _serve_subscriptions(self) -> None:
        for _ in range(BATCH):
            try:
                asked = self.telemetry.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if asked[:1] == b"\x01":
                for frame in self.board.matching(asked[1:]):
                    self.telemetry.send(frame, zmq.NOBLOCK)

    def _serve_callback(self, sock: socket.socket, topic: str) -> None:
        for _ in range(BATCH):
            try:
                packet = sock.recv(MAX_PACKET + 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._listen_no_more(sock)
                return
            self._publish_body(topic, packet)

    def _publish_body(self, topic: str, packet: bytes) -> None:
        try:
            if len(packet) > MAX_PACKET:
                raise ValueError(f"more than {MAX_PACKET} bytes")
            # json reads a user's NaN, which then goes out as null.
            self._publish(topic, {"body": json.loads(packet)})
        except (ValueError, RecursionError) as error:
            if topic not in self.faulty:
                log.warning("message dropped: %s", error, extra=fields(topic=topic))
            self.faulty.add(topic)

    # -- sockets

    def _listen_to(self, source: Pollable, handler: Callable[[], None]) -> None:
        self.handlers[source] = handler
        self.poller.register(source, zmq.POLLIN)

    def _listen_no_more(self, sock: socket.socket) -> None:
        self.poller.unregister(sock.fileno())
        del self.handlers[sock.fileno()]
        sock.close()


def peer_of(frame: zmq.Frame) -> str:
    """Give `localhost:uid:gid:pid` of who sent it, as the kernel says."""
    try:
        return str(frame.get("Peer-Address"))
    except zmq.ZMQError:
        return ""
