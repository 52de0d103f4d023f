"""What was last published under each topic, ready to be sent again.

A subscriber that comes late is sent the last message of each topic it wants.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from imagemp.messages import VERSION
from imagemp.topics import Envelope


class Board:
    """Wraps what is published, and keeps the last of each topic.

    Args:
        instance: Names this run of the daemon.
        start_ns: The monotonic clock now. Counting begins there, in microseconds,
            so that subscribers see a new gateway count on from the old one's seq.
    """

    def __init__(self, instance: str, start_ns: int) -> None:
        self._instance = instance
        self._first_seq = start_ns // 1000
        self._seqs: dict[str, int] = {}
        self._frames: dict[str, bytes] = {}

    def frame(
        self, topic: str, fields: Mapping[str, Any], t_mono_ns: int, t_unix_ns: int
    ) -> bytes:
        """Give what to send: the topic, a space, and JSON.

        Raises:
            ValueError: The fields cannot be written as JSON; so for RecursionError.
        """
        seq = self._seqs.get(topic, self._first_seq) + 1
        envelope = msgspec.structs.asdict(
            Envelope(VERSION, self._instance, seq, t_mono_ns, t_unix_ns)
        )
        text = msgspec.json.encode({**envelope, **fields, **envelope})
        self._seqs[topic] = seq
        self._frames[topic] = frame = b"%s %s" % (topic.encode(), text)
        return frame

    def matching(self, prefix: bytes) -> list[bytes]:
        """Give the last message of each topic that a subscription covers."""
        return [frame for frame in self._frames.values() if frame.startswith(prefix)]
