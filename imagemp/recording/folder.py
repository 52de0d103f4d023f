"""The folder of a session: its place, its name, its lock, and who has it.

`DATA_DIR/PIPELINE/SESSION_ID/` holds `frames-0000.tif` and so on, `frames.csv` and
`session.json`. Whoever writes in it holds the lock, shared; recovery wants it alone
and so leaves a session alone that still has a writer. The kernel lets go of the
lock when the process dies.
"""

import fcntl
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import ConfigError, RecordingError
from .disk import disk_errors, sync_folder

MAIN = "main"  # the encoder whose files are called frames
FOLDER_MODE = 0o750
TIFF = ".tif"
SEGMENT = re.compile(r"(.+)-\d{4,}\.(?:tif|mkv|mp4)")  # the stem, its number, its kind
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class SessionFolder:
    """A session's folder, locked as long as this is open.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def create(cls, data_dir: Path, pipeline: str, session: str) -> Self:
        """Make the folder of a session, and those above it.

        Each encoder of the session does; the first to come makes it.

        Raises:
            ConfigError: A name would not do as the name of a folder.
            DiskError: It cannot be made.
        """
        path = session_path(data_dir, pipeline, session)
        with disk_errors(path):
            path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            path.mkdir(FOLDER_MODE, exist_ok=True)
            sync_folder(path.parent)
            sync_folder(data_dir)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, alone: bool = False) -> Self:
        """Take the lock of a folder that is there.

        Args:
            path: The folder.
            alone: Nobody else may have it; for recovery. Otherwise waits until
                nobody has it alone.

        Raises:
            RecordingError: Somebody has it who should not.
            DiskError: It cannot be opened.
        """
        with disk_errors(path):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError as error:
            os.close(fd)
            raise RecordingError(f"{path}: somebody writes in it") from error
        return cls(path, fd)

    def close(self) -> None:
        """Let go of the lock. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def session_id(pipeline: str, unix_ns: int, token: str) -> str:
    """Give `20261120T101500Z-cam0-7f3a`; the token tells apart what starts at once."""
    began = datetime.fromtimestamp(unix_ns // 10**9, UTC)
    return f"{began:%Y%m%dT%H%M%SZ}-{pipeline}-{token}"


def session_path(data_dir: Path, pipeline: str, session: str) -> Path:
    """Say where a session belongs; never outside `data_dir`."""
    return data_dir / checked("pipeline", pipeline) / checked("session", session)


def checked(what: str, name: str) -> str:
    """Give `name` back if it can name a file; `what` is for the message.

    Raises:
        ConfigError: It cannot.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            what,
            f"is {name!r}; must be up to 64 of A-Z a-z 0-9 _ . -, none of _.- first",
        )
    return name


def stem(encoder: str) -> str:
    """Give what an encoder's files are called: `frames` for the main one.

    Raises:
        ConfigError: The name would not do, or is `frames` itself.
    """
    if encoder == MAIN:
        return "frames"
    if encoder == "frames":
        raise ConfigError("encoder", "'frames' names the files of the main encoder")
    return checked("encoder", encoder)


def log_path(folder: Path, encoder: str) -> Path:
    """Say where the frame log of an encoder is."""
    return folder / f"{stem(encoder)}.csv"


def segment_path(folder: Path, encoder: str, number: int, suffix: str = TIFF) -> Path:
    """Say where a segment of an encoder is."""
    return folder / f"{stem(encoder)}-{number:04}{suffix}"


def segment_number(path: Path) -> int:
    """Give the number in the name of a segment."""
    return int(path.stem.rpartition("-")[2])


def segment_paths(folder: Path, encoder: str) -> list[Path]:
    """Give the segments of an encoder that are there, in order."""
    named = ((path, SEGMENT.fullmatch(path.name)) for path in folder.iterdir())
    found = [path for path, match in named if match and match[1] == stem(encoder)]
    return sorted(found, key=segment_number)
