"""Record from a script, with a daemon of its own: `record.py SECONDS DATA_DIR`.

No daemon need run. This one ends with the `with` block; the recording stays.
"""

import sys
from pathlib import Path

import tifffile

from imagemp import running

CONFIG = """
[daemon]
data_dir = "DATA_DIR"

[pipelines.cam0.source]
kind = "synthetic"
fps = 60

[pipelines.cam0.encoder]
"""


def main(seconds: str, data_dir: str) -> None:
    """Record, then open what was recorded."""
    config = CONFIG.replace("DATA_DIR", str(Path(data_dir).absolute()))
    with running(config) as daemon:
        done = daemon.call("session.start", duration_s=float(seconds), wait="done")
    (session,) = done["sessions"]
    counts = session["counts"]
    say(f"{session['state']}: captured {counts['captured']}", counts["dropped"])
    for path in sorted(Path(session["dir"]).glob("*.tif")):
        with tifffile.TiffFile(path) as tiff:
            say(path, len(tiff.pages), "pages", tiff.pages[0].asarray().shape)


def say(*words: object) -> None:
    """Print a line."""
    print(*words)  # noqa: T201 - that is its job


if __name__ == "__main__":
    main(*sys.argv[1:])
