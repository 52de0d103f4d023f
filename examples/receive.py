"""Look at frames from outside, while a session is on: `receive.py cam0 10`.

Nothing is copied, and nothing that is done here costs the recording a frame.
"""

import sys

from imagemp import FrameInfo, Receiver


def main(pipeline: str, count: str) -> None:
    """Show the newest frame, so many times."""
    with Receiver(pipeline) as frames:
        for _, frame in zip(range(int(count)), frames, strict=False):
            show(frame.info, float(frame.image.mean()))


def show(info: FrameInfo, mean: float) -> None:
    """Print a line about a frame."""
    print(info.seq, info.t_unix_ns, f"{mean:.1f}")  # noqa: T201 - that is its job


if __name__ == "__main__":
    main(*sys.argv[1:])
