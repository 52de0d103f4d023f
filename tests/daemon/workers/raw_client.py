"""A client that may say anything."""

import json
from pathlib import Path
from typing import Any

import zmq

from imagemp.daemon.workers.orders import Asked

from .fake_supervisor import WAIT_S, FakeSupervisor

WAIT_MS = int(WAIT_S * 1000)


class RawClient:
    """A DEALER that may say anything."""

    def __init__(self, path: Path) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.set(zmq.RECONNECT_IVL, 20)
        self.socket.connect(f"ipc://{path}")

    def say(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)

    def ask(self, method: str, **fields: object) -> None:
        request = {"v": 1, "id": method, "method": method, **fields}
        self.say(b"IMP1", json.dumps(request).encode())

    def hear(self) -> dict[str, Any]:
        assert self.socket.poll(WAIT_MS), "no reply"
        magic, text = self.socket.recv_multipart()
        assert magic == b"IMP1"
        told: dict[str, Any] = json.loads(text)
        return told

    def close(self) -> None:
        self.context.destroy(linger=0)


def is_pinged(supervisor: FakeSupervisor, client: RawClient) -> bool:
    client.ask("ping")
    supervisor.answer(supervisor.expect(Asked).token, result={"pong": True})
    return bool(client.hear()["result"]["pong"])
