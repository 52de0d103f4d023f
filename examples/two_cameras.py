"""Two cameras side by side, paired by when they took their frames: `two_cameras.py 10`.

It has a daemon of its own. The cameras run freely, at different rates here; each
frame of the slower one is told with the frame of the faster one nearest to it.
"""

import sys
from collections import deque
from contextlib import ExitStack

from imagemp import FrameInfo, Receiver, running

CONFIG = """
[pipelines.left.source]
kind = "synthetic"
fps = 30

[pipelines.right.source]
kind = "synthetic"
fps = 100
"""


def main(count: str) -> None:
    """Show so many pairs."""
    with ExitStack() as stack:
        daemon = stack.enter_context(running(CONFIG))
        left, right = (
            stack.enter_context(Receiver(name, "every", runtime_dir=daemon.runtime))
            for name in ("left", "right")
        )
        daemon.call("session.start", wait="first")
        recent: deque[FrameInfo] = deque(maxlen=2)
        for _ in range(int(count)):
            frame = left.receive()
            if frame is None:
                break
            partner = nearest(frame.info, right, recent)
            apart_ms = (partner.t_sensor_ns - frame.info.t_sensor_ns) / 1e6
            print(frame.info.seq, partner.seq, f"{apart_ms:+.1f} ms")  # noqa: T201


def nearest(wanted: FrameInfo, right: Receiver, recent: deque[FrameInfo]) -> FrameInfo:
    """Take frames until one is younger; give the nearer of the last two."""
    while not recent or recent[-1].t_sensor_ns < wanted.t_sensor_ns:
        frame = right.receive()
        if frame is None:
            break
        recent.append(frame.info)
    return min(recent, key=lambda info: abs(info.t_sensor_ns - wanted.t_sensor_ns))


if __name__ == "__main__":
    main(*sys.argv[1:])
