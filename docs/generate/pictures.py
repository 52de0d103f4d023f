"""`python -m docs.generate.pictures`: what top and view show, into docs/pictures.

A daemon of its own records 640x480x3 of the built-in source at 60 fps, beside a
callback. The figures in the pictures are those of the machine and the moment.
"""

import io
import shutil
import sys
from pathlib import Path

from rich.console import Console

from imagemp import Telemetry, running
from imagemp.ctl.board import Board
from imagemp.ctl.main import main as imagectl
from imagemp.ctl.panel import panel
from imagemp.demo import CONFIG
from imagemp.private import PrivateDaemon

FOLDER = Path(__file__).parents[1] / "pictures"
REPORTS = 20  # 10 s of them: the rates and percentiles have settled
WIDTH = 100


def main() -> None:
    """Make both."""
    with running(CONFIG) as daemon:
        daemon.call("session.start")
        _picture_of_top(daemon)
        asked = ["view", "--save", str(FOLDER / "view.png")]
        code = imagectl([*asked, "--runtime-dir", str(daemon.runtime)])
        daemon.call("session.stop")
        shutil.rmtree(daemon.folder / "recordings")
    sys.exit(code)


def _picture_of_top(daemon: PrivateDaemon) -> None:
    board = Board()
    board.hear("state", daemon.call("status"))
    with Telemetry(["metrics."], daemon.runtime) as telemetry:
        for _, message in zip(range(REPORTS), telemetry, strict=False):
            board.hear(*message)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(panel(board))
    path = str(FOLDER / "top.svg")
    console.save_svg(path, title="imagectl top", unique_id="top")


if __name__ == "__main__":
    main()
