"""Completion and man pages: what the help says, shells and man say too."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imagemp.ctl.completion import SHELLS
from imagemp.ctl.exits import Exit
from imagemp.ctl.main import VERBS, main, parser
from imagemp.daemon.main import parser as daemon_parser
from imagemp.manpage import page

ASK_BASH = """
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
complete=$(complete -p imagectl)
function=${complete#*-F } && ${function%% *} imagectl "${@: -1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(folder: Path, *words: str) -> set[str]:
    """Give what bash offers for the last of these words."""
    script = folder / "imagectl.bash"
    with script.open("w") as out:
        shell = [sys.executable, "-m", "imagemp.ctl", "completion", "bash"]
        subprocess.run(shell, stdout=out, check=True)  # noqa: S603 - our own
    asked = ["bash", "-c", ASK_BASH, "bash", str(script), "imagectl", *words]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603
    return {word.strip() for word in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_is_told_every_verb(
    capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    assert main(["completion", shell]) == Exit.OK

    told = capsys.readouterr().out
    assert all(verb in told for verb in VERBS)
    assert "duration" in told


def test_json_has_the_same_script(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out

    main(["completion", "bash", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert told == {"shell": "bash", "script": script.removesuffix("\n")}


def test_another_shell_is_a_usage_error() -> None:
    assert main(["completion", "csh"]) == Exit.USAGE


def test_bash_completes_verbs_and_their_options(tmp_path: Path) -> None:
    assert completed(tmp_path, "st") == {"status", "start", "stop"}
    assert completed(tmp_path, "start", "--d") == {"--duration"}
    assert completed(tmp_path, "config", "c") == {"check"}


def test_the_man_page_has_every_verb_and_option() -> None:
    told = page(parser(), 1)

    assert told.startswith(".TH IMAGECTL 1 ")
    assert all(f"\n.SS {verb}\n" in told for verb in VERBS)
    assert "\n.SS config check\n" in told
    assert "\\fB\\-\\-duration" in told
    assert "130 interrupted" in told


def test_the_daemon_has_a_page_with_its_defaults() -> None:
    told = page(daemon_parser(), 8)

    assert "\\fB\\-\\-config" in told
    assert "/etc/imagemp/imagemp.toml" in told


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
@pytest.mark.parametrize(("module", "section"), [("ctl", 1), ("daemon", 8)])
def test_groff_finds_nothing_wrong_with_a_page(module: str, section: int) -> None:
    words = [
        sys.executable,
        "-m",
        "imagemp.manpage",
        f"imagemp.{module}.main",
        str(section),
    ]
    made = subprocess.run(words, capture_output=True, check=True)  # noqa: S603 - our own

    asked = ["groff", "-man", "-Tascii", "-ww", "-z"]
    done = subprocess.run(asked, input=made.stdout, capture_output=True, check=True)  # noqa: S603

    assert done.stderr == b""
