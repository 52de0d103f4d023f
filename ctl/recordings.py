"""`imagectl recordings`: what sessions left on disk. Needs no daemon."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemp.errors import RecordingError

from . import accounting
from .configuration import SYSTEM_FILE
from .exits import Exit
from .output import Answer, Output, table
from .verb import Verb

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
        parser.add_argument("session", metavar="SESSION")
        add_places(parser)

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


def add_places(parser: ArgumentParser) -> None:
    """Add the options that say where recordings are."""
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", default=SUPPRESS, help="look here"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=SUPPRESS,
        help=f"look where this says; default: {SYSTEM_FILE}",
    )


def data_dir_of(args: Namespace) -> Path:
    """Find the folder of all recordings.

    Raises:
        ConfigError: The configuration that should tell cannot be used.
    """
    from imagemp.config import default_data_dir, load

    given = vars(args)
    if "data_dir" in given:
        return Path(given["data_dir"])
    if "config" in given or SYSTEM_FILE.exists():
        return Path(load(given.get("config", SYSTEM_FILE)).daemon.data_dir)
    return Path(default_data_dir())


def found_in(data_dir: Path) -> "list[Session]":
    """Give all sessions in a folder of recordings, the oldest first.

    Raises:
        RecordingError: The folder cannot be looked into.
    """
    from imagemp.recording.reading import sessions

    try:
        next(data_dir.iterdir(), None)
    except OSError as error:
        problem = f"{data_dir}: {error.strerror}"
        raise RecordingError(problem, "name the folder with --data-dir") from error
    return sessions(data_dir)


def find(session: str, args: Namespace) -> "Session":
    """Give the session that is meant.

    Raises:
        RecordingError: None is, or several are.
    """
    from imagemp.recording.reading import read_session

    if "/" in session:
        return read_session(Path(session))
    there = found_in(data_dir_of(args))
    exact = [one for one in there if one.path.name == session]
    begun = [one for one in there if one.path.name.startswith(session)]
    found = there[-1:] if session == "latest" else exact or begun
    if len(found) != 1:
        problem = f"{session}: {len(found)} sessions are called so, expected 1"
        raise RecordingError(problem, "see imagectl recordings")
    return found[0]


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
