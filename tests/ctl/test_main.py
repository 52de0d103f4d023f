"""The command line as a whole: usage, --json, exit codes, a daemon that is away."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagemp import codes
from imagemp.ctl.exits import Exit
from imagemp.ctl.main import VERBS, main
from imagemp.errors import ControlError

from .conftest import COMMAND, Imagectl, Terminal
from .fake_daemon import STATUS, FakeDaemon

CODES = {
    "E_PARAMS": Exit.USAGE,
    "E_PERM": Exit.PERMISSION,
    "E_BUSY": Exit.CONFLICT,
    "E_ALREADY_RUNNING": Exit.CONFLICT,
    "E_NOT_RUNNING": Exit.CONFLICT,
    "E_TIMEOUT": Exit.TIMEOUT,
    "E_RATE": Exit.CONFLICT,
    "E_SHUTTING_DOWN": Exit.CONFLICT,
    "E_CLOCK": Exit.CONFLICT,
    "E_CAMERA": Exit.FAILED,
    "E_CAMERA_WEDGED": Exit.FAILED,
    "E_DISK": Exit.FAILED,
    "E_VERSION": Exit.VERSION,
    "E_METHOD": Exit.VERSION,
    "E_CONFIG": Exit.ERROR,
    "E_INTERNAL": Exit.ERROR,
    "E_TOO_LARGE": Exit.ERROR,
    "E_FRAME": Exit.ERROR,
    "E_JSON": Exit.ERROR,
}
LEFT_OUT = (["-o", "x"], ["--duration", "0"], ["--frames", "0"], ["--wait", "--follow"])


@contextlib.contextmanager
def as_a_stranger(directory: Path) -> Iterator[None]:
    """Have no right to look into the directory."""
    directory.chmod(0o700)
    if os.geteuid() == 0:
        os.seteuid(65534)
    else:
        directory.chmod(0)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        directory.chmod(0o700)


def test_every_code_of_the_daemon_has_an_exit_code() -> None:
    assert CODES.keys() == codes.CODES.keys()


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("where", [["--runtime-dir", "{}"], ["--runtime-dir={}"], []])
def test_only_the_verb_that_is_said_is_imported(
    tmp_path: Path, where: list[str]
) -> None:
    environment = {**os.environ, "IMAGEMP_RUNTIME_DIR": str(tmp_path)}
    said = [word.format(tmp_path) for word in where]
    text = "import sys; from imagemp.ctl.main import main; main(sys.argv[1:])"
    found = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", f"{text}; print(*sys.modules)", *said, "ping"],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip

    verbs = {name for name in found.stdout.split() if name.startswith("imagemp.ctl.")}
    assert "imagemp.ctl.service" in verbs
    assert verbs.isdisjoint({"imagemp.ctl.doctor", "imagemp.ctl.recordings"})


@pytest.mark.parametrize(("code", "left_with"), CODES.items())
def test_each_refusal_leaves_with_its_exit_code(
    daemon: FakeDaemon, imagectl: Imagectl, code: str, left_with: Exit
) -> None:
    daemon.answers["reload"] = ControlError(code, "it cannot be")

    assert imagectl("reload") == left_with


@pytest.mark.parametrize("version", [0, 2, "newest", None])
@pytest.mark.parametrize("verb", ["status", "start", "version"])
def test_a_daemon_of_another_version_is_told_apart(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    version: object,
) -> None:
    daemon.version = version

    assert imagectl(verb) == Exit.VERSION

    told = capsys.readouterr().err
    assert "this client speaks version 1" in told
    assert "hint: use an imagectl of the daemon's version" in told


@pytest.mark.parametrize("version", [0, 2])
def test_what_a_daemon_of_another_version_refuses_is_told_in_its_words(
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    version: int,
) -> None:
    daemon.version = version
    daemon.answers["status"] = ControlError("E_VERSION", "only as we do here")

    assert imagectl("status") == Exit.VERSION

    assert "only as we do here" in capsys.readouterr().err


def test_a_refusal_is_told_with_its_hint_and_not_as_data(
    daemon: FakeDaemon, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["reload"] = ControlError("E_CONFIG", "ring.slots: is 1", "edit it")

    imagectl("reload", "--json")

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "imagectl: ring.slots: is 1\n  hint: edit it\n"


@pytest.mark.parametrize("verb", ["status", "stop", "events", "top", "start"])
def test_without_a_daemon_every_verb_says_so_and_what_to_do(
    imagectl: Imagectl, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert imagectl(verb) == Exit.NOT_RUNNING

    told = capsys.readouterr().err
    assert "the daemon does not run" in told
    assert "  hint: start it with systemctl" in told


def test_a_socket_that_nobody_listens_at_is_told_apart(
    tmp_path: Path, imagectl: Imagectl, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))

    assert imagectl("status") == Exit.NOT_RUNNING
    assert "nobody listens: the daemon has died" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["status", "reload", "events"])
def test_a_user_without_permission_is_told_which_group_to_join(
    tmp_path: Path,
    daemon: FakeDaemon,
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    with as_a_stranger(tmp_path):
        left_with = imagectl(verb)

    assert left_with == Exit.PERMISSION
    assert "usermod" in capsys.readouterr().err
    assert not daemon.asked


@pytest.mark.parametrize("verb", ["begin", "stat", "sTop", ""])
def test_a_verb_that_is_none_is_a_usage_error(verb: str) -> None:
    assert main([verb]) == Exit.USAGE


@pytest.mark.parametrize("words", LEFT_OUT)
def test_options_that_make_no_sense_are_usage_errors(words: list[str]) -> None:
    assert main(["start", *words]) == Exit.USAGE


def test_a_misspelt_option_is_refused_and_points_to_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["start", "--duraton", "60"]) == Exit.USAGE

    told = capsys.readouterr().err
    assert told.startswith("imagectl: unrecognized arguments: --duraton")
    assert "--help" in told


@pytest.mark.parametrize("words", [["--json", "status"], ["status", "--json"]])
@pytest.mark.usefixtures("daemon")
def test_json_may_stand_before_the_verb_or_after_it(
    imagectl: Imagectl,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    assert imagectl(*words) == Exit.OK

    assert json.loads(capsys.readouterr().out) == STATUS


@pytest.mark.usefixtures("daemon")
def test_the_runtime_dir_comes_from_the_environment_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEMP_RUNTIME_DIR", str(tmp_path))

    assert main(["ping"]) == Exit.OK


def test_a_reader_that_goes_away_is_no_error(
    tmp_path: Path, daemon: FakeDaemon
) -> None:
    command = [*COMMAND, "config", "show", "--runtime-dir", str(tmp_path)]
    daemon.answers["config.show"] = {"pipelines": {"x" * 100: "y" * 2**16}}

    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()

    assert process.returncode == Exit.OK
    assert told == b""


def test_ctrl_c_leaves_with_130_and_without_a_traceback(
    daemon: FakeDaemon, at_terminal: Callable[..., Terminal]
) -> None:
    terminal: list[Terminal] = []

    def interrupt(_: object) -> None:
        terminal[0].press_ctrl_c()

    daemon.answers["session.wait"] = interrupt

    terminal.append(at_terminal("wait"))

    assert terminal[0].left_with() == Exit.INTERRUPTED
    assert terminal[0].shown == ""


def test_help_names_every_verb_and_every_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])

    told = capsys.readouterr().out
    assert left.value.code == Exit.OK
    assert all(f"\n    {word} " in told for word in VERBS)
    assert {f"{code:d}" for code in Exit} <= set(told.split())


@pytest.mark.parametrize("word", VERBS)
def test_every_verb_has_a_help_text_that_names_its_order(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    deeper = {"recordings": ["show"], "workers": ["restart"], "config": ["check"]}
    deeper["callback"] = ["check"]
    with pytest.raises(SystemExit):
        main([word, *deeper.get(word, []), "--help"])

    assert "Wire: " in capsys.readouterr().out
