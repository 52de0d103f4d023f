"""`imagectl recordings`: what sessions left on disk. Needs no daemon."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from imagemp.errors import RecordingError

from . import accounting
from .exits import Exit
from .export import RecordingsExport
from .mending import RecordingsRepair, RecordingsVerify
from .output import Answer, Output, table
from .places import add_places, add_session, data_dir_of, find, found_in
from .verb import Verb

__all__ = [
    "RecordingsExport",
    "RecordingsLs",
    "RecordingsRepair",
    "RecordingsShow",
    "RecordingsVerify",
]

if TYPE_CHECKING:
    from imagemp.recording.reading import Session

HEADER = ("PIPELINE", "SESSION", "STATE", "RECORDED", "DROPPED", "MISSED", "SIZE")


class RecordingsLs(Verb):
    """List the sessions on disk, the oldest first.

    Wire: nothing, no daemon is needed
    Looks in --data-dir, else where the configuration says.
    """

    name = "recordings ls"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_places(parser)

    def run(self, args: Namespace, output: Output) -> Exit:
        data_dir = data_dir_of(args)
        recordings = [_summary(session) for session in found_in(data_dir)]
        document = {"data_dir": str(data_dir), "recordings": recordings}
        output.show(document, self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        rows = [_row(recording) for recording in answer["recordings"]]
        return table(HEADER, rows) if rows else f"no recordings in {answer['data_dir']}"


class RecordingsShow(Verb):
    """Show one session on disk: its files, its accounting, its events.

    Wire: nothing, no daemon is needed
    SESSION is an id, the beginning of one, `latest`, or a folder.
    """

    name = "recordings show"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_session(parser)

    def run(self, args: Namespace, output: Output) -> Exit:
        from msgspec import to_builtins

        session = find(args.session, args)
        if session.manifest is None:
            raise RecordingError(session.problem)
        manifest = to_builtins(session.manifest)
        output.show({"dir": str(session.path), **manifest}, self.text)
        return Exit.OK

    def text(self, answer: Answer) -> str:
        return "\n".join(_shown(answer))


def _summary(session: "Session") -> dict[str, Any]:
    """Give what a list tells of a session."""
    from msgspec import to_builtins

    path, manifest = session.path, session.manifest
    if manifest is None:
        told = {"session": path.name, "pipeline": path.parent.name}
        return {
            **told,
            "state": "unreadable",
            "problem": session.problem,
            "dir": str(path),
            "bytes": 0,
        }
    return {
        "session": manifest.session,
        "pipeline": manifest.pipeline,
        "state": manifest.state,
        "started_unix_ns": manifest.started_unix_ns,
        "counts": to_builtins(manifest.counts),
        "dir": str(path),
        "bytes": sum(file.bytes for file in manifest.files),
    }


def _row(recording: Mapping[str, Any]) -> list[str]:
    from imagemp.config import format_size

    counts = recording.get("counts") or {}
    kept = accounting.recorded(counts)
    return [
        recording["pipeline"],
        recording["session"],
        recording["state"],
        "-" if kept is None else str(kept),
        accounting.causes_text(counts.get("dropped")),
        accounting.causes_text(counts.get("missed")),
        format_size(recording["bytes"]),
    ]


def _shown(manifest: Mapping[str, Any]) -> Iterable[str]:
    from imagemp.config import format_size

    yield f"{manifest['pipeline']}: {manifest['session']} is {manifest['state']}"
    yield f"  {manifest['dir']}"
    for line in accounting.lines(manifest.get("counts") or {}):
        yield f"  {line}"
    for file in manifest.get("files") or ():
        size = format_size(file["bytes"])
        yield f"  file {file['name']}: {file['pages']} pages, {size}"
    for event in manifest.get("events") or ():
        named = {k: v for k, v in event.items() if k not in ("name", "t_unix_ns")}
        told = " ".join(f"{k}={v}" for k, v in named.items() if v not in ("", None))
        yield f"  event {event.get('name', '?')} {told}".rstrip()
