"""`imagectl top`: the running daemon at a glance, kept up to date."""

import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from .board import Board
from .exits import Exit
from .output import Output
from .verb import Verb, listen

if TYPE_CHECKING:
    from imagemp.client import Telemetry

TOPICS = ("hb ", "state ", "metrics.")
GONE_S = 3.0  # the heartbeat comes every second
ONCE_S = 2.0  # the slowest default report, four times over


class Top(Verb):
    """Show rates, losses, fill, lag and workers, kept up to date.

    Wire: telemetry hb, state, metrics.*; with --once also status {}
    Goes on when the daemon restarts. Where stdout is no terminal: as --once.
    """

    name = "top"
    method = "status"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="print it and leave")

    def run(self, args: Namespace, output: Output) -> Exit:
        board = Board()
        if args.once or not (output.is_json or sys.stdout.isatty()):
            board.hear("state", self.ask(args, self.method, {}))
            with listen(args, ("metrics.",)) as telemetry:
                fill_board(board, telemetry)
            output.show(board.document(), lambda _: _text(board))
            return Exit.OK
        follow = _print_lines if output.is_json else _draw
        with listen(args, TOPICS) as telemetry:
            return follow(board, telemetry, output)


def fill_board(board: Board, telemetry: "Telemetry") -> None:
    """Hear until every pipeline in session has reported, or it is late."""
    end_s = time.monotonic() + ONCE_S
    while board.lacks_metrics() and (left_s := end_s - time.monotonic()) > 0:
        message = telemetry.receive(left_s)
        if message is not None:
            board.hear(*message)


def _print_lines(board: Board, telemetry: "Telemetry", output: Output) -> Exit:
    while True:
        message = telemetry.receive(GONE_S)
        if message is not None:
            board.hear(*message)
            topic, body = message
            if topic != "hb":
                output.show({"topic": topic, "body": body}, str)
        elif not board.is_gone:
            board.lose()
            output.say("imagectl: imagempd is gone; waiting for it")


def _draw(board: Board, telemetry: "Telemetry", _: Output) -> Exit:
    from rich.live import Live

    from .panel import panel

    with Live(panel(board), auto_refresh=False, screen=True) as live:
        while True:
            message = telemetry.receive(GONE_S)
            if message is None:
                board.lose()
            else:
                board.hear(*message)
            live.update(panel(board), refresh=True)


def _text(board: Board) -> str:
    """Give the panel as text as wide as the terminal."""
    from rich.console import Console

    from .panel import panel

    console = Console()
    with console.capture() as capture:
        console.print(panel(board))
    return capture.get().rstrip()
