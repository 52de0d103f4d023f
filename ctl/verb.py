"""What all verbs of imagectl share.

A verb is one class: its docstring is the help text, first line the summary,
and names the order it sends; its hooks say which words follow it, what goes on
the wire and how the answer reads.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import TYPE_CHECKING, Any, ClassVar

from .exits import Exit
from .output import Answer, Output, facts

if TYPE_CHECKING:
    from imagemp.client import Telemetry

ANSWER_S = 10.0  # a daemon that is well answers in milliseconds


class Verb:
    """Asks the daemon once and shows the answer; children override the hooks.

    Attributes:
        name: The words of the command line, `stop` or `config show`.
        method: The order on the wire; empty if the verb sends none.
        timeout_s: How long to wait for the answer; None is for ever.
    """

    name: ClassVar[str]
    method: ClassVar[str] = ""
    timeout_s: ClassVar[float | None] = ANSWER_S

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the words that may follow the verb."""

    def params(self, args: Namespace) -> dict[str, Any]:  # noqa: ARG002 - a hook
        """Give the order's parameters."""
        return {}

    def text(self, answer: Answer) -> str:
        """Tell the answer to a person."""
        return facts(answer)

    def run(self, args: Namespace, output: Output) -> Exit:
        """Send the order and show what comes back."""
        output.show(self.ask(args, self.method, self.params(args)), self.text)
        return Exit.OK

    def ask(self, args: Namespace, method: str, params: Mapping[str, Any]) -> Answer:
        """Call the daemon and give its result."""
        return ask(args, method, params, self.timeout_s)

    @classmethod
    def manual(cls) -> str:
        """Give the help text; its first line is the summary."""
        summary, _, rest = (cls.__doc__ or "").partition("\n")
        return f"{summary}\n{dedent(rest)}".strip()


def ask(
    args: Namespace, method: str, params: Mapping[str, Any], timeout_s: float | None
) -> Answer:
    """Call the daemon once.

    Raises:
        ControlError: It refused.
        DaemonUnreachableError: There is none, or not for this user.
    """
    from imagemp.client import Control

    with Control(args.runtime_dir) as control:
        return control.call(method, dict(params), timeout_s=timeout_s)


def listen(args: Namespace, topics: Sequence[str]) -> "Telemetry":
    """Subscribe to a daemon that is there.

    Raises:
        DaemonUnreachableError: There is none, or not for this user.
    """
    from imagemp import paths
    from imagemp.client import Telemetry
    from imagemp.wire import probe

    # Telemetry alone would wait for a daemon for ever, and never say why.
    probe(paths.telemetry_socket(paths.runtime_dir(args.runtime_dir)))
    return Telemetry(topics, args.runtime_dir)


def add_pipelines(parser: ArgumentParser) -> None:
    """Let the names of pipelines follow; none means all."""
    parser.add_argument(
        "pipelines", nargs="*", metavar="PIPELINE", help="none means all of them"
    )
