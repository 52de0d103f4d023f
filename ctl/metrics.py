"""`imagectl metrics`: the daemon's numbers for a monitoring system."""

from argparse import Namespace

from .board import Board
from .exits import Exit
from .openmetrics import Family, exposition, families
from .output import Answer, Output
from .top import fill_board
from .verb import Verb, listen


class Metrics(Verb):
    """Print the daemon's numbers once, as OpenMetrics text.

    Wire: status {}, telemetry metrics.*
    For the textfile collector of Prometheus' node_exporter, or any scraper:
    imagectl metrics > /var/lib/node_exporter/imagemp.prom.new, then rename it.
    """

    name = "metrics"
    method = "status"

    def run(self, args: Namespace, output: Output) -> Exit:
        board = Board()
        board.hear("state", self.ask(args, self.method, {}))
        with listen(args, ("metrics.",)) as telemetry:
            fill_board(board, telemetry)
        found = families(board.state, board.pipelines())
        output.show(_document(found), lambda _: exposition(found))
        return Exit.OK


def _document(found: list[Family]) -> Answer:
    samples = [
        {"name": family.name, "type": family.kind, "labels": labels, "value": value}
        for family in found
        for labels, value in family.samples
    ]
    return {"samples": samples}
