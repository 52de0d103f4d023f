"""`imagectl workers`: the daemon's processes."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from .exits import Exit, UsageError
from .output import Answer, Output, facts, table
from .verb import Verb

GATEWAY = "gateway"  # the worker that belongs to no pipeline
HEADER = ("PIPELINE", "WORKER", "KIND", "PID", "STATE", "RESTARTS", "RSS", "CPU")


class WorkersLs(Verb):
    """List the daemon's processes.

    Wire: status {}
    """

    name = "workers ls"
    method = "status"

    def run(self, args: Namespace, output: Output) -> Exit:
        status = self.ask(args, self.method, {})
        output.show({"workers": list(workers_of(status))}, self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        return table(HEADER, [row(worker) for worker in answer["workers"]])


class WorkersRestart(Verb):
    """Restart one worker; it goes on where the old one stopped.

    Wire: worker.restart {"pipeline": "cam0", "worker": "main"}
    NAME is cam0.main, or gateway, or main where only one pipeline has a main.
    """

    name = "workers restart"
    method = "worker.restart"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("worker", metavar="NAME", help="as `workers` lists it")

    def run(self, args: Namespace, output: Output) -> Exit:
        pipeline, _, worker = args.worker.rpartition(".")
        if not pipeline and worker != GATEWAY:
            pipeline = _only_pipeline_of(worker, self.ask(args, "status", {}))
        params = {"pipeline": pipeline, "worker": worker}
        output.show(self.ask(args, self.method, params), self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        return facts(answer) or "restarted"


def workers_of(status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every worker in a status document, with its pipeline."""
    if status.get("gateway"):
        yield {"pipeline": "", "name": GATEWAY, "kind": GATEWAY, **status["gateway"]}
    for name, pipeline in (status.get("pipelines") or {}).items():
        for worker in pipeline.get("workers") or ():
            yield {"pipeline": name, **worker}


def row(worker: Mapping[str, Any]) -> list[str]:
    """Give one worker as cells of a table."""
    from imagemp.config import format_size  # msgspec behind it: not for `status`

    rss, cpu = worker.get("rss"), worker.get("cpu")
    return [
        worker.get("pipeline") or "-",
        str(worker.get("name", "-")),
        str(worker.get("kind", "-")),
        str(worker.get("pid") or "-"),
        str(worker.get("state", "-")),
        str(worker.get("restarts", 0)),
        "-" if rss is None else format_size(rss),
        "-" if cpu is None else f"{100 * cpu:.1f} %",
    ]


def _only_pipeline_of(name: str, status: Mapping[str, Any]) -> str:
    found = [w["pipeline"] for w in workers_of(status) if w.get("name") == name]
    if len(found) != 1:
        told = f"{' and '.join(found)} have one" if found else "no pipeline has one"
        raise UsageError(
            f"worker {name}: {told}",
            "say PIPELINE.NAME, as `imagectl workers` lists them",
        )
    return str(found[0])
