"""Record five seconds of the built-in source and show what came of it.

`make demo`, or `python -m imagemp.demo`. It is a program to begin with: a
configuration, a daemon of its own, one `imagectl start`, and the recording read.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from imagemp.client import Control
from imagemp.recording.reading import contact_sheet

CONFIG = """
[daemon]
data_dir = "{folder}/recordings"

[pipelines.cam0.source]
kind = "synthetic"
width = 640
height = 480
channels = 3
fps = 100

[pipelines.cam0.encoder]

[[pipelines.cam0.callbacks]]
name = "brightness"
target = "imagemp.demo:brightness"
policy = "every"
"""


def brightness(buffer, queue):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Send the mean of each frame: what a user's callback may look like."""
    queue.put({"mean": float(buffer[-1].mean())})


def main() -> int:
    """Run the demo; give the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="imagemp-demo-"))
    config, runtime = folder / "imagemp.toml", folder / "run"
    config.write_text(CONFIG.format(folder=folder))
    python = [sys.executable, "-m"]
    options = ["--config", str(config), "--runtime-dir", str(runtime), "--ready-fd"]
    daemon, ready = start_daemon([*python, "imagemp.daemon.main", *options])
    try:
        ready.read()  # ends when control answers
        imagectl = [*python, "imagemp.ctl.main", "--runtime-dir", str(runtime)]
        start = subprocess.run([*imagectl, "start", "--duration", "5", "--wait"])
        with Control(runtime) as control:
            session = Path(control.call("status")["pipelines"]["cam0"]["dir"])
    finally:
        daemon.terminate()
        daemon.wait()
    sheet = contact_sheet(session, folder / "contact-sheet.png")
    print(f"recording      {session / 'frames-0000.tif'}")
    print(f"contact sheet  {sheet}")
    return start.returncode
