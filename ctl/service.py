"""`imagectl ping` and `version`: is it there, and which one is it?"""

import time
from argparse import Namespace
from typing import Any

from .exits import Exit
from .output import Answer, Output
from .verb import Verb


class Ping(Verb):
    """Ask whether the daemon answers, and how fast.

    Wire: ping {}
    """

    name = "ping"
    method = "ping"

    def run(self, args: Namespace, output: Output) -> Exit:
        start = time.perf_counter()
        answer = self.ask(args, self.method, {})
        took_ms = (time.perf_counter() - start) * 1000
        output.show({**answer, "took_ms": round(took_ms, 3)}, self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        return f"imagempd answers in {answer['took_ms']:.1f} ms"


class Version(Verb):
    """Show the versions of this client and of the daemon.

    Wire: version {}
    Exit code 3 without a daemon; the client's version is shown all the same.
    """

    name = "version"
    method = "version"

    def run(self, args: Namespace, output: Output) -> Exit:
        from importlib.metadata import version

        from imagemp.errors import ImagempError

        document: dict[str, Any] = {"client": version("imagempd"), "daemon": None}
        try:
            document["daemon"] = self.ask(args, self.method, {})
        except ImagempError:
            output.show(document, self.text)
            raise
        output.show(document, self.text)
        return Exit.OK
