"""Record RGB-D, then go through it: `rgbd_record.py FRAMES DATA_DIR`.

A frame that is missing is told as missing: nothing is put in its place. The camera
is the wall of rgbd.py; the daemon is a private one, and ends with the recording.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import tifffile

from imagemp import running

CONFIG = """
[daemon]
data_dir = "DATA_DIR"

[pipelines.wall.source]
kind = "HERE/rgbd.py:Wall"
width = 160
height = 120
fps = 100

[pipelines.wall.encoder]
"""


def main(frames: str, data_dir: str) -> None:
    """Record, then say how far away the middle of each frame is."""
    here = str(Path(__file__).parent.absolute())
    config = CONFIG.replace("HERE", here)
    config = config.replace("DATA_DIR", str(Path(data_dir).absolute()))
    with running(config) as daemon:
        done = daemon.call("session.start", frames=int(frames), wait="done")
    for seq, row in each_frame(Path(done["sessions"][0]["dir"])):
        print(seq, "missing" if row is None else middle(row))  # noqa: T201


def each_frame(folder: Path) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Give the seq of every frame there was, and its row; None if it is missing."""
    expected = 0
    with (folder / "frames.csv").open(newline="") as log:
        for row in csv.DictReader(log):
            for seq in range(expected, int(row["seq"])):
                yield seq, None
            expected = int(row["seq"]) + 1
            yield expected - 1, {**row, "file": str(folder / row["file"])}


def middle(row: dict[str, str]) -> str:
    """Read both planes of a frame: a page for each, `rgb` first."""
    page = int(row["page"])
    rgb, depth = (tifffile.imread(row["file"], key=page + n) for n in (0, 1))
    y, x = depth.shape[0] // 2, depth.shape[1] // 2
    return f"{depth[y, x]} mm, {rgb[y, x].tolist()}, intrinsics {row['intrinsics']}"


if __name__ == "__main__":
    main(*sys.argv[1:])
