"""Log an RGB-D pipeline to Rerun, while a session is on: `rerun_log.py wall out.rrd`.

Every frame is logged at its own time; where some are missing a text says how many.
Needs `pip install 'imagempd[rerun]'`; `rerun out.rrd` shows what was logged.
"""

import sys
from contextlib import suppress

import rerun as rr

from imagemp import Frame, Receiver
from imagemp.errors import Evicted


def main(pipeline: str, path: str) -> None:
    """Log until the session is over."""
    rr.init("imagemp")
    rr.save(path)
    expected = None
    with Receiver(pipeline, "every") as frames:
        while not frames.is_over:
            with suppress(Evicted):  # too slow: the gap is marked like any other
                for frame in frames:
                    log(pipeline, frame, expected)
                    expected = frame.info.seq + 1


def log(pipeline: str, frame: Frame, expected: int | None) -> None:
    """Log a frame, and the gap before it."""
    info = frame.info
    rr.set_time("taken", timestamp=info.t_unix_ns / 1e9)
    rr.set_time("seq", sequence=info.seq)
    if expected is not None and info.seq > expected:
        missing = f"{info.seq - expected} frames are missing before {info.seq}"
        rr.log(f"{pipeline}/gaps", rr.TextLog(missing, level="WARN"))
    colours = frame.get("rgb", frame.image)
    height, width = colours.shape[:2]
    if "intrinsics" in info.fields:
        matrix, size = info.fields["intrinsics"], (width, height)
        rr.log(pipeline, rr.Pinhole(image_from_camera=matrix, resolution=size))
    rr.log(f"{pipeline}/rgb", rr.Image(colours))
    if "depth" in frame:
        rr.log(f"{pipeline}/depth", rr.DepthImage(frame["depth"], meter=1000))


if __name__ == "__main__":
    main(*sys.argv[1:])
