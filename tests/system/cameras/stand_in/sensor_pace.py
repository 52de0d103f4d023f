"""A sensor's cadence for libcamera's virtual cameras; imported in a machine alone.

Its pipeline completes a request at once, whatever frame duration was asked for. Here
a thread passes on one request at each tick, as a sensor fills one buffer; with none
queued that frame is lost. A frame bears the time of its tick, as a sensor's clock
has it, not when a busy machine got to it.
"""

import threading
import time
from collections import deque
from typing import Any

import libcamera
from picamera2.request import CompletedRequest

Camera = libcamera.Camera
real_queue, real_start, real_stop = Camera.queue_request, Camera.start, Camera.stop
real_metadata = CompletedRequest.get_metadata
SENSOR_CLOCK = "SensorTimestamp"


class Sensor:
    """What ticks while a camera runs."""

    def __init__(self, camera: Any, period_s: float) -> None:  # noqa: ANN401
        self.camera, self.period_ns = camera, round(period_s * 1e9)
        self.pending: deque[Any] = deque()
        self.stamps: dict[int, int] = {}
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.tick, daemon=True)

    def tick(self) -> None:
        tick_ns = time.monotonic_ns()
        while True:
            tick_ns += self.period_ns
            if self.stopped.wait(max(0, tick_ns - time.monotonic_ns()) / 1e9):
                return
            if self.pending:
                request = self.pending.popleft()
                self.stamps[id(request)] = tick_ns
                real_queue(self.camera, request)


sensors: dict[str, Sensor] = {}


def period_of(controls: Any) -> float:  # noqa: ANN401 - libcamera's
    for key, value in dict(controls or {}).items():
        if getattr(key, "name", key) == "FrameDurationLimits":
            return max(float(value[0]), 1.0) / 1e6
    return 1 / 30


def start(self: Any, *args: Any, **named: Any) -> None:  # noqa: ANN401
    controls = args[0] if args else named.get("controls")
    sensor = sensors[self.id] = Sensor(self, period_of(controls))
    real_start(self, *args, **named)
    sensor.thread.start()


def queue_request(self: Any, request: Any) -> None:  # noqa: ANN401
    sensor = sensors.get(self.id)
    if sensor is None:
        real_queue(self, request)
    else:
        sensor.pending.append(request)


def stop(self: Any) -> None:  # noqa: ANN401
    if (sensor := sensors.pop(self.id, None)) is not None:
        sensor.stopped.set()
        sensor.thread.join()
    real_stop(self)


def get_metadata(self: Any) -> dict[str, Any]:  # noqa: ANN401
    told: dict[str, Any] = real_metadata(self)
    for sensor in sensors.values():
        if (stamp := sensor.stamps.get(id(self.request))) is not None:
            told[SENSOR_CLOCK] = stamp
    return told


Camera.queue_request, Camera.start, Camera.stop = queue_request, start, stop
CompletedRequest.get_metadata = get_metadata
