"""`session.json`: what a session was, and whether it is complete."""

import errno
import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import RecordingError
from ..spec import FrameSpec
from .disk import FILE_MODE, disk_errors, sync_folder, write_all

MANIFEST = "session.json"
State = Literal["running", "complete", "incomplete", "recovered"]


class RecordedFile(msgspec.Struct, frozen=True):
    """One file of a recording.

    Attributes:
        name: Within the session's folder.
        encoder: Which encoder wrote it.
        pages: How many pages it has, planes times frames.
        bytes: Its size.
    """

    name: str
    encoder: str
    pages: int
    bytes: int


class Manifest(msgspec.Struct):
    """All that `session.json` says.

    Attributes:
        session: Its id, the name of the folder.
        pipeline: Whose session it is.
        state: `running` with nobody holding the folder means that nobody ended it.
        started_unix_ns: Wall clock at the start.
        ended_unix_ns: Wall clock at the end; None while it runs.
        clock: Pairs of boottime and unix time, ns: start, each step, end.
        clock_synchronised: Whether the wall clock was known to be right.
        config: The pipeline's part of the configuration.
        spec: What a frame has; None until the source has said it.
        counts: As `imagectl status` shows them.
        files: In the order they were written.
        events: What happened, oldest first.
    """

    session: str
    pipeline: str
    state: State
    started_unix_ns: int
    ended_unix_ns: int | None = None
    clock: list[tuple[int, int]] = []
    clock_synchronised: bool = False
    config: dict[str, Any] = {}
    spec: FrameSpec | None = None
    counts: dict[str, Any] = {}
    files: list[RecordedFile] = []
    events: list[dict[str, Any]] = []


def write_manifest(folder: Path, manifest: Manifest, *, is_new: bool = False) -> None:
    """Replace `session.json` at once: a reader sees the old one or the new one.

    One process of a session at a time. `is_new`: there must be none yet.

    Raises:
        DiskError: It could not be replaced; the old one is as it was.
    """
    path, new = folder / MANIFEST, folder / f"{MANIFEST}.new"
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    with disk_errors(path):
        if is_new and path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        write_through(new, text + b"\n")
        new.replace(path)
        sync_folder(folder)


def read_manifest(folder: Path) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        RecordingError: There is none, or it is not one.
    """
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise RecordingError(f"{path}: {error}") from error


def write_through(path: Path, text: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = os.open(path, flags, FILE_MODE)
    try:
        write_all(fd, [text], 0)
        os.fsync(fd)
    finally:
        os.close(fd)
