"""Record five seconds of the built-in source and show what came of it.

`make demo`, or `python -m imagemp.demo`. It is a program to begin with: a
configuration, a daemon of its own, one `imagectl start`, and the recording read.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from imagemp import running
from imagemp.recording.export.sheet import contact_sheet

CONFIG = """
[daemon]
data_dir = "{folder}/recordings"

[pipelines.cam0.source]
kind = "synthetic"
width = 640
height = 480
channels = 3
fps = 60

[pipelines.cam0.encoder]

[[pipelines.cam0.callbacks]]
name = "brightness"
target = "imagemp.demo:brightness"
policy = "every"
"""


def brightness(buffer: Any, queue: Any) -> None:  # noqa: ANN401 - a user's callback
    """Send the mean of each frame: what a callback of your own may look like."""
    queue.put({"mean": float(buffer[-1].mean())})


def main() -> int:
    """Run the demo; give the exit code."""
    with running(CONFIG) as daemon:
        imagectl = [sys.executable, "-m", "imagemp.ctl"]
        imagectl += ["--runtime-dir", str(daemon.runtime)]
        order = ["start", "--duration", "5", "--wait"]
        code = subprocess.run([*imagectl, *order], check=False).returncode  # noqa: S603
        session = Path(daemon.call("status")["pipelines"]["cam0"]["dir"])
    if code == 0:
        sheet = contact_sheet(session, daemon.folder / "contact-sheet.png")
        show("recording", session / "frames-0000.tif")
        show("contact sheet", sheet)
    return code


def show(what: str, path: Path) -> None:
    """Print one line of the result."""
    print(f"{what:14} {path}")  # noqa: T201 - it is there to be seen


if __name__ == "__main__":
    sys.exit(main())
