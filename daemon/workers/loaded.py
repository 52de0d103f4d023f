"""Which files this process has of a user's code, and whether they have changed.

Python reads a module once. A process that outlives a session would run what a file
was when the daemon began, however often it was edited since.
"""

import sys
from pathlib import Path

from imagemp.load import load_object

Stamp = tuple[int, int, int]  # of a file: another in its place differs
_stamps: dict[str, Stamp | None] = {}


def load_noted(target: str) -> object:
    """Load what a target names, and note every file that was read for it.

    Raises:
        TargetError: It cannot be loaded.
    """
    before = set(sys.modules)
    try:
        return load_object(target)
    finally:
        new = set(sys.modules) - before
        where = (target.rpartition(":")[0], *filter(None, map(_file_of, new)))
        _stamps.update({path: _stamp(path) for path in where if path.endswith(".py")})


def changed_file() -> str | None:
    """Give a file that is not as it was when it was read; None: all are."""
    changed = (path for path, stamp in _stamps.items() if _stamp(path) != stamp)
    return next(changed, None)


def _file_of(module: str) -> str | None:
    spec = getattr(sys.modules[module], "__spec__", None)
    return spec.origin if spec is not None else None


def _stamp(path: str) -> Stamp | None:
    try:
        found = Path(path).expanduser().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
