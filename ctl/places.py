"""Where recordings are, and which session is meant."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from imagemp.errors import RecordingError

from .configuration import SYSTEM_FILE

if TYPE_CHECKING:
    from imagemp.recording.reading import Session


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


def add_session(parser: ArgumentParser) -> None:
    """Let one session be named, and the options that say where it is."""
    parser.add_argument("session", metavar="SESSION")
    add_places(parser)


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
        return read_session(Path(session).absolute())
    there = found_in(data_dir_of(args))
    exact = [one for one in there if one.path.name == session]
    begun = [one for one in there if one.path.name.startswith(session)]
    found = there[-1:] if session == "latest" else exact or begun
    if len(found) != 1:
        many = f"{len(found)} sessions begin so" if found else "no session is called so"
        raise RecordingError(f"{session}: {many}", "imagectl recordings lists them")
    return found[0]
