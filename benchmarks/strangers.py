"""Peers that are used if they can be imported; imagemp does not need them.

How to have them is told by `python -m benchmarks.ring` (`INSTALL`).
"""

import ctypes
import os
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from .peers import Case, Peer, QueuePeer, RingPeer, SemaphorePeer, Words

INSTALL = (
    "To have them, here: `python -m venv DIR`, `DIR/bin/pip install . iceoryx2 "
    "eclipse-zenoh faster-fifo`, `DIR/bin/python -m benchmarks.ring`."
)
CONNECT_S = 0.5
MODULES = {"iceoryx2": "iceoryx2", "zenoh": "zenoh", "faster-fifo": "faster_fifo"}


class IceoryxPeer(Peer):
    """iceoryx2: publish-subscribe that waits for room, and an event to wake."""

    name = "iceoryx2"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._service = f"imagemp-bench-{os.getpid()}"
        self._notifier: Any = None
        self._publisher: Any = None
        self._kept: list[Any] = []

    def open(self) -> None:
        iox, frames, events = self._services()
        retry = iox.BackpressureStrategy.RetryUntilDelivered
        builder = frames.publisher_builder().initial_max_slice_len(self.nbytes)
        self._publisher = builder.backpressure_strategy(retry).create()
        self._notifier = events.notifier_builder().create()

    def publish(self, words: Words) -> None:
        sample = self._publisher.loan_slice_uninit(self.nbytes)
        np.copyto(_words_at(sample.payload_ptr, self.nbytes), words)
        sample.assume_init().send()
        self._notifier.notify()

    def frames(self, reader: int) -> Iterator[Words | None]:
        del reader
        _, frames, events = self._services()
        subscriber = frames.subscriber_builder().create()
        listener = events.listener_builder().create()
        yield None
        while True:
            listener.blocking_wait()
            while (sample := subscriber.receive()) is not None:
                yield _words_at(sample.payload_ptr, self.nbytes)
                sample.delete()

    def _services(self) -> tuple[Any, Any, Any]:
        iox = import_module("iceoryx2")
        iox.set_log_level(iox.LogLevel.Error)
        node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
        name = iox.ServiceName.new(self._service)
        frames = node.service_builder(name).publish_subscribe(
            iox.Slice[ctypes.c_uint8]  # type: ignore[misc,unused-ignore]
        )
        frames = frames.enable_safe_overflow(False).max_subscribers(16)
        frames = frames.subscriber_max_buffer_size(self.slots).open_or_create()
        events = node.service_builder(name).event().open_or_create()
        self._kept += [node, frames, events]
        return iox, frames, events


class ZenohPeer(Peer):
    """zenoh, payload in its shared memory; a reader gets a copy, there is no view."""

    name = "zenoh"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._key = f"imagemp/bench/{os.getpid()}"
        self._publisher: Any = None
        self._memory: Any = None
        self._policy: Any = None
        self._session: Any = None

    def open(self) -> None:
        zenoh = import_module("zenoh")
        self._session = zenoh.open(_with_shared_memory(zenoh))
        self._publisher = self._session.declare_publisher(
            self._key,
            congestion_control=zenoh.CongestionControl.BLOCK,
            reliability=zenoh.Reliability.RELIABLE,
        )
        size = (self.slots + 2) * (self.nbytes + 4096)
        self._memory = zenoh.shm.ShmProvider.default_backend(size)
        self._policy = zenoh.shm.BlockOn(zenoh.shm.GarbageCollect())
        until = time.monotonic() + 10
        while not self._publisher.matching_status.matching:
            time.sleep(0.01)
            if time.monotonic() > until:
                raise TimeoutError("zenoh: no reader found")
        time.sleep(CONNECT_S)  # it says so as soon as one of the readers is there

    def publish(self, words: Words) -> None:
        buffer = self._memory.alloc(self.nbytes, policy=self._policy)
        buffer[0 : self.nbytes] = words.tobytes()
        self._publisher.put(buffer)

    def frames(self, reader: int) -> Iterator[Words | None]:
        del reader
        zenoh = import_module("zenoh")
        session = zenoh.open(_with_shared_memory(zenoh))
        subscriber = session.declare_subscriber(self._key)
        yield None
        while True:
            sample = subscriber.recv()
            yield np.frombuffer(sample.payload.to_bytes(), np.uint64)

    def close(self) -> None:
        self._session.close()


class FasterFifoPeer(Peer):
    """faster-fifo: one queue for each reader, pickled into shared memory."""

    name = "faster-fifo"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        fifo = import_module("faster_fifo")
        size = case.slots * (case.nbytes + 4096)
        self._queues = [fifo.Queue(size) for _ in range(case.readers)]

    def publish(self, words: Words) -> None:
        for queue in self._queues:
            queue.put(words, timeout=60.0)

    def frames(self, reader: int) -> Iterator[Words | None]:
        queue = self._queues[reader]
        yield None
        while True:
            yield from queue.get_many(timeout=60.0)


KINDS: tuple[type[Peer], ...] = (
    RingPeer,
    SemaphorePeer,
    QueuePeer,
    IceoryxPeer,
    ZenohPeer,
    FasterFifoPeer,
)


def present() -> list[str]:
    """Give the names of the peers that are here."""
    return [kind.name for kind in KINDS if kind.name not in absent()]


def absent() -> list[str]:
    """Give the names of those that cannot be imported."""
    return [name for name, module in MODULES.items() if find_spec(module) is None]


def make_peer(case: Case) -> Peer:
    """Make the peer that a case names."""
    return next(kind for kind in KINDS if kind.name == case.peer)(case)


def _words_at(address: int, nbytes: int) -> Words:
    return np.ctypeslib.as_array(
        (ctypes.c_uint64 * (nbytes // 8)).from_address(address)
    )


def _with_shared_memory(zenoh: Any) -> Any:  # noqa: ANN401 - a module without types
    config = zenoh.Config()
    config.insert_json5("transport/shared_memory/enabled", "true")
    return config
