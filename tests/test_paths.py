"""Client and daemon look for their directory in the same order."""

import os
from pathlib import Path

import pytest

from imagemp import paths
from imagemp.errors import ConfigError

NAMES = ("IMAGEMP_RUNTIME_DIR", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "SYSTEM_DIR", tmp_path / "run" / "imagemp")
    monkeypatch.setattr(paths, "private_dir", lambda: tmp_path / "private")
    return tmp_path


def test_what_is_named_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, f"/run/imagemp-{name}")

    assert paths.runtime_dir("/named") == Path("/named")
    assert paths.runtime_dir() == Path("/run/imagemp-IMAGEMP_RUNTIME_DIR")
    monkeypatch.delenv("IMAGEMP_RUNTIME_DIR")
    assert paths.runtime_dir() == Path("/run/imagemp-RUNTIME_DIRECTORY")


def test_the_runtime_directory_of_another_service_is_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/nginx")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")

    assert paths.runtime_dir() == Path("/run/user/7/imagemp")


def test_a_daemon_of_the_system_is_found(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    paths.SYSTEM_DIR.mkdir(parents=True)
    assert paths.runtime_dir() == home / "imagemp"

    (paths.SYSTEM_DIR / "control.sock").touch()

    assert paths.runtime_dir() == paths.SYSTEM_DIR


def test_a_daemon_in_the_private_directory_is_found_from_a_login(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "login"))
    paths.make_runtime_dir(home / "private")
    (home / "private" / "control.sock").touch()

    assert paths.runtime_dir() == home / "private"


def test_the_private_directory_is_for_its_owner_alone(home: Path) -> None:
    paths.make_runtime_dir(paths.runtime_dir())

    assert (home / "private").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("prank", ["open", "link", "file"])
def test_a_private_directory_that_is_not_ours_is_refused(
    home: Path, prank: str
) -> None:
    private = home / "private"
    if prank == "open":
        private.mkdir()
        private.chmod(0o777)
    elif prank == "link":
        private.symlink_to(home)
    else:
        private.touch(mode=0o600)

    with pytest.raises(ConfigError, match="mode 0700"):
        paths.runtime_dir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_private_directory_of_another_user_is_refused(home: Path) -> None:
    (home / "private").mkdir(mode=0o700)
    os.chown(home / "private", 1, 1)

    with pytest.raises(ConfigError, match="of uid 1"):
        paths.runtime_dir()


def test_a_socket_path_may_have_107_bytes_and_no_more() -> None:
    room = paths.MAX_SOCKET_PATH - len("/telemetry.sock")
    fits, too_long = Path("/" + "x" * (room - 1)), Path("/" + "x" * room)

    assert len(os.fsencode(paths.telemetry_socket(fits))) == 107
    assert paths.control_socket(too_long).name == "control.sock"
    with pytest.raises(ConfigError, match="108 bytes"):
        paths.telemetry_socket(too_long)
    with pytest.raises(ConfigError, match="at most 107"):
        paths.frames_socket(Path("/" + "é" * 50))
