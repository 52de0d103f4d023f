"""Where the daemon and its clients meet: one directory, three sockets.

Both sides search it in the same order, so that `imagectl` finds the daemon that
the same user, or systemd, has started.
"""

import os
import stat
from pathlib import Path

from .errors import ConfigError

SYSTEM_DIR = Path("/run/imagemp")
MAX_SOCKET_PATH = 107  # sockaddr_un.sun_path is 108 bytes and ends with a zero


def runtime_dir(given: str | Path | None = None) -> Path:
    """Find the runtime directory; makes nothing.

    In this order: `given`, IMAGEMP_RUNTIME_DIR, systemd's RUNTIME_DIRECTORY,
    /run/imagemp if a daemon serves there, $XDG_RUNTIME_DIR/imagemp, and a private
    directory /tmp/imagemp-UID.

    Raises:
        ConfigError: The private directory is somebody else's.
    """
    named = given or os.environ.get("IMAGEMP_RUNTIME_DIR")
    if named:
        return Path(named).absolute()
    if (ours := _from_systemd()) is not None:
        return ours
    if _is_there(control_socket(SYSTEM_DIR)):
        return SYSTEM_DIR
    homes = [*_from_login(), private_dir()]
    serving = [home for home in homes if _is_there(control_socket(home))]
    chosen = (serving or homes)[0]
    if chosen == private_dir():
        _refuse_strangers(chosen)
    return chosen


def make_runtime_dir(directory: Path) -> None:
    """Make the directory if it is missing, open to its group at most.

    Raises:
        ConfigError: It is the private directory and somebody else's.
    """
    is_private = directory == private_dir()
    directory.mkdir(mode=0o700 if is_private else 0o750, parents=True, exist_ok=True)
    if is_private:
        _refuse_strangers(directory)


def private_dir() -> Path:
    """Give the directory of a user who has no other."""
    return Path(f"/tmp/imagemp-{os.getuid()}")  # noqa: S108 - its owner is checked


def control_socket(directory: Path) -> Path:
    """Give the path of the ROUTER that takes orders."""
    return _socket(directory, "control.sock")


def telemetry_socket(directory: Path) -> Path:
    """Give the path of the XPUB that publishes."""
    return _socket(directory, "telemetry.sock")


def frames_socket(directory: Path) -> Path:
    """Give the path of the socket that hands out frames."""
    return _socket(directory, "frames.sock")


def _socket(directory: Path, name: str) -> Path:
    path = directory / name
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH:
        raise ConfigError(
            "runtime_dir",
            f"{path} is {size} bytes long, a socket's path is at most"
            f" {MAX_SOCKET_PATH}",
            "choose a shorter one with --runtime-dir",
        )
    return path


def _from_systemd() -> Path | None:
    # Another service's RUNTIME_DIRECTORY stands in the environment of its imagectl.
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")
    return next((Path(d) for d in given if Path(d).name.startswith("imagemp")), None)


def _from_login() -> list[Path]:
    xdg = os.environ.get("XDG_RUNTIME_DIR")
    return [Path(xdg).absolute() / "imagemp"] if xdg else []


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True  # hidden from us: to be told "permission" beats "no daemon"
    except OSError:
        return False
    return True


def _refuse_strangers(directory: Path) -> None:
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_ours or found.st_mode & 0o077:
        raise ConfigError(
            "runtime_dir",
            f"{directory} must be a directory of uid {os.getuid()} with mode 0700, is"
            f" {stat.filemode(found.st_mode)} of uid {found.st_uid}",
            "remove it, or choose another with --runtime-dir",
        )
