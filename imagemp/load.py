"""Loads what a user names: `package.module:Name` or `/path/file.py:Name`.

Sources, callbacks and generators all come this way.
"""

import importlib
import operator
import sys
import traceback
import zlib
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from .errors import ImagempError


class TargetError(ImagempError, ImportError):
    """What a target names cannot be loaded."""

    code = "E_CONFIG"


def load_object(target: str) -> object:
    """Give the object that `target` names.

    A module is imported, a file is run anew each time, so that an edit counts
    from the next load on; its folder is added to the end of `sys.path`.

    Raises:
        TargetError: There is no such module, file or name, or it raised; then
            the message names the exception, the file and the line.
    """
    where, colon, name = target.rpartition(":")
    if not (where and colon and name):
        raise TargetError(
            f"target {target!r}: expected package.module:Name or /path/file.py:Name"
        )
    module = run_file(where) if is_path(where) else import_module(where)
    try:
        found: object = operator.attrgetter(name)(module)
    except AttributeError as error:
        raise TargetError(f"{where}: has no {name}", offer(module)) from error
    return found


def is_path(where: str) -> bool:
    """Tell a file from a module."""
    return where.endswith(".py") or "/" in where


def import_module(name: str) -> ModuleType:
    """Import a module by its dotted name.

    Raises:
        TargetError: There is none, or it raised.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise TargetError(
                f"{name}: no module {error.name}",
                f"install it for {sys.executable}, or name a file: /path/file.py:Name",
            ) from error
        raise broken(name, error) from error
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        raise broken(name, error) from error


def run_file(given: str) -> ModuleType:
    """Run a file as a module of its own.

    Raises:
        TargetError: There is no such file, or it raised.
    """
    path = Path(given).expanduser().resolve()
    if not path.is_file():
        raise TargetError(f"{path}: no such file")
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    name = f"{path.stem}_{zlib.crc32(bytes(path)):08x}"
    loader = FreshLoader(name, str(path))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a stranger's file may raise anything
        del sys.modules[name]
        raise broken(str(path), error) from error
    return module


class FreshLoader(SourceFileLoader):
    """Neither reads nor writes bytecode: a pyc is stale for edits within a second."""

    def path_stats(self, path: object) -> Mapping[str, object]:
        raise OSError(f"{path}: its times do not count")


def broken(where: str, error: BaseException) -> TargetError:
    """Say what was raised, and on which line of the user's code."""
    file, line = place_of(error)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return TargetError(f"{where}: raised {said} (in {file}, line {line})")


def place_of(error: BaseException) -> tuple[str, int | None]:
    """Give the deepest line in the folder of the module that was imported."""
    if isinstance(error, SyntaxError) and Path(error.filename or "").is_file():
        return str(error.filename), error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    users = [f for f in frames if not is_machinery(f.filename)]
    if not users:
        return frames[-1].filename, frames[-1].lineno
    folder = Path(users[0].filename).parent
    near = [f for f in users if folder in Path(f.filename).parents]
    return near[-1].filename, near[-1].lineno


def is_machinery(file: str) -> bool:
    """Tell the lines of importing itself from those of what is imported."""
    return file.startswith("<frozen") or file in {__file__, importlib.__file__}


def offer(module: ModuleType) -> str:
    """Give a hint with the names that the module does have."""
    names = [n for n, o in vars(module).items() if is_made_in(module, n, o)]
    return f"it has {', '.join(names[:8])}" if names else "it defines nothing"


def is_made_in(module: ModuleType, name: str, found: object) -> bool:
    """Tell a module's own public names from those that it imported."""
    is_own = getattr(found, "__module__", None) == module.__name__
    return is_own and not name.startswith("_")
