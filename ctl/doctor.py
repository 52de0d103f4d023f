"""`imagectl doctor`: is this machine fit for recording, and what is to be done?"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from .exits import Exit
from .output import Answer, Output
from .places import add_places
from .verb import Verb


class Doctor(Verb):
    """Look at daemon, groups, cameras, memory, disk, clock, limits and heat.

    Wire: version {}, status {}, config.show {}; works without a daemon too.
    Says of each thing that is not well what to do. Writes 32 MiB to the disk of
    recordings and removes them, unless a session runs. Exit code 1 if anything is
    bad; warnings are 0.
    """

    name = "doctor"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_places(parser)
        parser.add_argument(
            "--no-disk", action="store_true", help="do not try how fast the disk is"
        )

    def run(self, args: Namespace, output: Output) -> Exit:
        from .checks import findings, is_well
        from .readings import read_machine

        found = findings(read_machine(args, is_disk_tried=not args.no_disk))
        output.show({"findings": [asdict(each) for each in found]}, self.text)
        return Exit.OK if is_well(found) else Exit.ERROR

    def text(self, answer: Answer) -> str:
        told = []
        for each in answer["findings"]:
            told.append(f"{each['level']:8} {each['check']:11} {each['told']}")
            if each["advice"]:
                told.append(f"{'':8} {'':11} > {each['advice']}")
        return "\n".join(told)
