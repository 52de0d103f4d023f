"""A daemon played by a thread of the test, over the real sockets."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import zmq

from imagemp.errors import ControlError

Document = dict[str, Any]
Reply = Document | ControlError | None
Answer = Reply | Callable[[Document], Reply]

SESSION = "20261120T101500Z-cam0-7f3a"
BEGUN = {"session": SESSION, "pipeline": "cam0", "dir": f"/data/cam0/{SESSION}"}
COUNTS: Document = {
    "captured": 100,
    "published": 97,
    "dropped": {"ring_full": 3},
    "staged": 0,
    "expected": 102,
    "missed": {"sensor_gap": 2},
    "encoders": {
        "main": {"recorded": 96, "durable": 90, "skipped": {}, "in_flight": 1}
    },
    "callbacks": {"motion": {"delivered": 95, "skipped": {"behind": 2}}},
}
ENDED = {**BEGUN, "state": "complete", "reason": "frames", "counts": COUNTS}
METRICS: Document = {
    "pipeline": "cam0",
    "session": SESSION,
    "state": "running",
    "fps": 29.9,
    "target_fps": 30.0,
    "counts": COUNTS,
    "ring": {"slots": 32, "used": 3, "high_water": 12},
    "overflow": {"slots": 64, "used": 0, "high_water": 5, "bytes": 0},
    "workers": [
        {"name": "main", "kind": "encoder", "pid": 7, "state": "running",
         "restarts": 0, "rss": 2**20, "cpu": 0.125},
    ],
    "encoders": {"main": {"mb_s": 9.2, "bytes": 2**30, "durable_lag_ms": 180.4}},
    "callbacks": {
        "motion": {"sent": 9, "unsent": 0, "errors": 1, "over_budget": 3,
                   "took_ms": {"p50": 0.41, "p99": 2.75}},
    },
    "lag_ms": {"motion": {"p50": 0.4, "p99": 2.5}},
    "elapsed_s": 65.0,
    "duration_s": 300.0,
    "frames": None,
    "disk": {"free": 2**34, "left": 2**33, "seconds_left": 3900},
}  # fmt: skip
STATUS: Document = {
    "v": 1,
    "instance": "i-1",
    "state": "running",
    "pipelines": {
        "cam0": {
            "state": "running",
            "session": SESSION,
            "dir": BEGUN["dir"],
            "counts": COUNTS,
            "fps": 29.9,
            "ring": {"slots": 32, "used": 3, "high_water": 12},
            "overflow": {"slots": 64, "used": 0, "high_water": 5},
            "disk": {"free": 2**34, "left": 2**33, "seconds_left": 3900},
            "workers": [
                {"name": "capture", "kind": "capture", "pid": 6, "state": "running",
                 "restarts": 0, "rss": 2**20, "cpu": 0.03},
                {"name": "motion", "kind": "callback", "pid": 8, "state": "backoff",
                 "restarts": 2, "rss": 2**21, "cpu": 0.0},
            ],
        },
        "cam1": {"state": "idle", "workers": [{"name": "capture"}]},
    },
    "gateway": {"pid": 5, "state": "running", "restarts": 0, "rss": 2**22, "cpu": 0},
}  # fmt: skip


class FakeDaemon:
    """Answers what it was told to answer, and remembers what it was asked.

    Attributes:
        answers: Per method a result, an error, None for no answer at all, or a
            function of the parameters that gives one of these.
        asked: Every request, in order.
        version: Of the protocol, as its replies have it.
    """

    def __init__(self, runtime_dir: Path, instance: str = "i-1") -> None:
        self.answers: dict[str, Answer] = {
            "ping": {},
            "version": {"imagempd": "9.9"},
            "status": STATUS,
            "session.start": {"sessions": [BEGUN]},
            "session.stop": {"sessions": [ENDED]},
            "session.wait": {"sessions": [ENDED]},
        }
        self.asked: list[Document] = []
        self.version: object = 1
        self._instance = instance
        self._last: dict[str, bytes] = {}
        self._seqs: dict[str, int] = {}
        self._subscribed: set[str] = set()
        self._context = zmq.Context()
        self._control = self._bound(zmq.ROUTER, runtime_dir / "control.sock")
        self._telemetry = self._bound(zmq.XPUB, runtime_dir / "telemetry.sock")
        self._telemetry.set(zmq.XPUB_VERBOSE, 1)
        self._inbox = self._bound(zmq.PAIR, Path("inbox"), "inproc")
        self._outbox = self._context.socket(zmq.PAIR)
        self._outbox.connect("inproc://inbox")
        self._send("hb", {"uptime_s": 1.0})
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def publish(self, topic: str, body: Document) -> None:
        """Publish, from the test's thread; it is out when this returns."""
        self._outbox.send_json([topic, body])
        self._outbox.recv()

    def publish_now(self, topic: str, body: Document) -> None:
        """Publish, from within an answer, to somebody who listens."""
        while not any(f"{topic} ".startswith(b) for b in self._subscribed):
            self._hear_subscription()
        self._send(topic, body)

    def asked_for(self, method: str) -> Document:
        """Give the parameters of the only request for `method`."""
        (params,) = [r.get("params", {}) for r in self.asked if r["method"] == method]
        return dict(params)

    def die(self) -> None:
        """Be gone at once, from within an answer; leaves stale sockets."""
        for socket in (self._control, self._telemetry, self._inbox):
            socket.close(linger=0)

    def close(self) -> None:
        """Stop serving; may be called twice."""
        if not self._control.closed:
            self._outbox.send_json(None)
        self._thread.join()
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bound(
        self, kind: int, path: Path, transport: str = "ipc"
    ) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.bind(f"{transport}://{path}")
        return socket

    def _serve(self) -> None:
        poller = zmq.Poller()
        for socket in (self._control, self._telemetry, self._inbox):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._telemetry in ready:
                self._hear_subscription()
            if self._control in ready:
                self._answer()
            if self._control.closed:
                return
            if self._inbox in ready:
                message: Any = self._inbox.recv_json()
                if message is None:
                    return
                self._send(*message)
                self._inbox.send(b"sent")

    def _hear_subscription(self) -> None:
        heard = self._telemetry.recv()
        begin = heard[1:].decode()
        if heard[0]:
            self._subscribed.add(begin)
            for topic in [t for t in self._last if f"{t} ".startswith(begin)]:
                self._telemetry.send(self._last[topic])

    def _send(self, topic: str, body: Document) -> None:
        self._seqs[topic] = seq = self._seqs.get(topic, 0) + 1
        envelope = {
            "v": 1,
            "instance": self._instance,
            "seq": seq,
            "t_mono_ns": body.get("t_mono_ns", time.monotonic_ns()),
            "t_unix_ns": time.time_ns(),
        }
        text = json.dumps({**body, **envelope})
        self._last[topic] = f"{topic} {text}".encode()
        self._telemetry.send(self._last[topic])

    def _answer(self) -> None:
        sender, magic, text = self._control.recv_multipart()
        request = json.loads(text)
        self.asked.append(request)
        answer = self.answers.get(request["method"], {})
        result = answer(request.get("params", {})) if callable(answer) else answer
        if result is not None:
            reply = {"v": self.version, "id": request["id"]}
            reply["instance"] = self._instance
            body = json.dumps({**reply, **_outcome(result)}).encode()
            self._control.send_multipart([sender, magic, body])


def _outcome(result: Mapping[str, Any] | ControlError) -> Document:
    if not isinstance(result, ControlError):
        return {"ok": True, "result": dict(result)}
    error = {"code": result.code, "message": str(result), "hint": result.hint}
    return {"ok": False, "error": error}
