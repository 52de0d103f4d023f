"""Removing whole sessions to make room, the oldest first.

Only what is certainly a session of the pipeline, over and unused, goes: a folder
with the name of a session, no link; a `session.json` of that name that says
`complete` or `recovered`; nothing in it but what imagemp writes; and a lock that
nobody else holds. All is done relative to descriptors that were opened without
following links, so that nothing outside of the data folder can be reached.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .folder import stem
from .manifest import MANIFEST, Manifest

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
OVER = ("complete", "recovered")


@dataclass(frozen=True, slots=True)
class Removed:
    """A session that was deleted.

    Attributes:
        nbytes: What its files had.
    """

    session: str
    nbytes: int


def nbytes_in(folder: Path, but: str = "") -> int:
    """Add up the files in a folder and below; 0 if it is not there.

    Args:
        folder: Links in it count for nothing.
        but: Name of something in it that is left out.
    """
    total = 0
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        for entry in found:
            if entry.name == but:
                continue
            if entry.is_dir(follow_symlinks=False):
                total += nbytes_in(Path(entry.path))
            else:
                with suppress(FileNotFoundError):  # it went meanwhile
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def remove_oldest(data_dir: Path, pipeline: str, but: str) -> Removed | None:
    """Delete the oldest session of a pipeline that may go; None if none may.

    Its `session.json` goes last: what is cut short here is gone on with later.

    Args:
        data_dir: Where all recordings are.
        pipeline: Whose session it must be.
        but: A session that stays.
    """
    with suppress(OSError), opened(data_dir) as data, opened(pipeline, data) as parent:
        for name in sorted(_names(parent)):
            if name == but or not _is_id(name, pipeline):
                continue
            with suppress(OSError):
                nbytes = _remove(parent, name, pipeline)
                if nbytes >= 0:
                    return Removed(name, nbytes)
    return None


@contextmanager
def opened(path: Path | str, parent: int | None = None) -> Iterator[int]:
    """Open a folder; of a path the last part may be a link, of a name it may not."""
    flags = FOLDER if parent is not None else FOLDER & ~os.O_NOFOLLOW
    fd = os.open(path, flags, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


def _remove(parent: int, name: str, pipeline: str) -> int:
    """Delete a session if it may go; give its bytes, -1 if it stays."""
    with opened(name, parent) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        manifest = _manifest(folder)
        if manifest is None or (manifest.session, manifest.pipeline) != (
            name,
            pipeline,
        ):
            return -1
        sizes = _sizes(folder)
        if manifest.state not in OVER or not _are_ours(sizes, manifest):
            return -1
        for file in sorted(sizes, key=lambda file: file == MANIFEST):
            os.unlink(file, dir_fd=folder)
        os.rmdir(name, dir_fd=parent)
        return sum(sizes.values())


def _manifest(folder: int) -> Manifest | None:
    fd = os.open(MANIFEST, FILE, dir_fd=folder)
    with open(fd, "rb") as file:  # noqa: PTH123 - it is a descriptor
        try:
            return msgspec.json.decode(file.read(), type=Manifest)
        except msgspec.DecodeError:
            return None


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _sizes(folder: int) -> dict[str, int]:
    """Give the size of each plain file, -1 of anything else."""
    sizes = {}
    for name in _names(folder):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        sizes[name] = found.st_size if stat.S_ISREG(found.st_mode) else -1
    return sizes


def _are_ours(sizes: dict[str, int], manifest: Manifest) -> bool:
    """Whether there is nothing but what encoders, and repairs, leave."""
    encoders = {file.encoder for file in manifest.files}
    encoders |= set(manifest.counts.get("encoders", {}))
    stems = "|".join(re.escape(stem(encoder)) for encoder in sorted(encoders))
    files = rf"(?:{stems})(?:-\d{{4,}}\.(?:tif|mkv|mp4)|\.csv)"
    ours = re.compile(rf"(?:{re.escape(MANIFEST)}|{files})(?:\.new)?")
    return all(n >= 0 and ours.fullmatch(name) for name, n in sizes.items())


def _is_id(name: str, pipeline: str) -> bool:
    """Whether `session_id` would give such a name to a session of the pipeline."""
    form = rf"\d{{8}}T\d{{6}}Z-{re.escape(pipeline)}-[0-9a-f]+"
    return re.fullmatch(form, name) is not None
