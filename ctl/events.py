"""`imagectl events`: what happened."""

from argparse import ArgumentParser, Namespace

from .exits import Exit
from .output import Output
from .reports import event_line
from .verb import Verb, add_pipelines, listen

# The last message of each topic comes when one subscribes, in the order in which the
# topics are asked for: with the heartbeat all events are there.
LAST = "hb"
NO_HEARTBEAT_S = 5.0  # a daemon that is not well


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
        limit_s = None if args.follow else NO_HEARTBEAT_S
        with listen(args, topics if args.follow else [*topics, LAST]) as telemetry:
            while message := telemetry.receive(limit_s):
                topic, body = message
                if topic == LAST:
                    break
                item = {"topic": topic, "body": body}
                output.show(item, lambda told: event_line(told["topic"], told["body"]))
        return Exit.OK
