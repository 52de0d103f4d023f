"""What the daemon publishes: its topics, and how every message begins.

A message is one frame, `b"TOPIC JSON"`; docs/protocol.md says what each holds.
"""

import msgspec

STATE = "state"
EVENT = "event."  # and the pipeline
HEARTBEAT = "hb"


class Envelope(msgspec.Struct, frozen=True):
    """What every telemetry message begins with.

    Attributes:
        v: `VERSION` of the daemon.
        instance: Names this run of the daemon.
        seq: Grows by one with each message of a topic. A message seen twice (it is
            sent again when somebody subscribes) bears the same; a gap is a loss. A
            new gateway begins at its clock in microseconds: higher than before.
        t_mono_ns: When it was published, CLOCK_MONOTONIC.
        t_unix_ns: The same on the wall clock.
    """

    v: int
    instance: str
    seq: int
    t_mono_ns: int
    t_unix_ns: int


def metrics_topic(pipeline: str) -> str:
    """Give the topic of a pipeline's periodic numbers."""
    return f"metrics.{pipeline}"


def event_topic(pipeline: str) -> str:
    """Give the topic of what happens in a pipeline."""
    return EVENT + pipeline


def callback_topic(pipeline: str, callback: str) -> str:
    """Give the topic of what a callback publishes; it stands under `body`."""
    return f"callback.{pipeline}.{callback}"
