"""`imagectl events`: what happened."""

from argparse import ArgumentParser, Namespace

from .exits import Exit
from .output import Output
from .reports import event_line
from .verb import Verb, add_pipelines, listen

REPLAY_S = 0.3  # the last events come at once, when one subscribes


class Events(Verb):
    """Print the last event of each pipeline; with -f go on with new ones.

    Wire: telemetry event.*
    """

    name = "events"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_pipelines(parser)
        parser.add_argument("-f", "--follow", action="store_true", help="go on")

    def run(self, args: Namespace, output: Output) -> Exit:
        topics = [f"event.{name} " for name in args.pipelines] or ["event."]
        with listen(args, topics) as telemetry:
            while message := telemetry.receive(None if args.follow else REPLAY_S):
                topic, body = message
                item = {"topic": topic, "body": body}
                output.show(item, lambda told: event_line(told["topic"], told["body"]))
        return Exit.OK
