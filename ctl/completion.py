"""`imagectl completion`: have a shell complete the command line."""

from argparse import ArgumentParser, Namespace

from .exits import Exit
from .output import Output
from .verb import Verb

SHELLS = ("bash", "zsh", "fish")


class Completion(Verb):
    """Print what a shell needs to complete imagectl's command line.

    Wire: nothing; no daemon is needed.
    `make install` puts it where shells look. For one shell alone:
    source <(imagectl completion bash), or: imagectl completion fish | source
    """

    name = "completion"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=_SHELLS)

    def run(self, args: Namespace, output: Output) -> Exit:
        import shtab

        from .main import parser

        script = shtab.complete(parser(), args.shell)
        output.show({"shell": args.shell, "script": script}, lambda _: script)
        return Exit.OK


_SHELLS = ", ".join(SHELLS)
