"""An edit of a callback, or of what it imports, counts from the next session on."""

import os
from pathlib import Path
from typing import Any

import pytest

from imagemp.recording.manifest import read_manifest
from tests.running import Daemon, running

from .test_recording import check_agreement, record

CONFIG = """
[pipelines.cam0]
source = {{ kind = "synthetic", width = 64, height = 48, fps = 200 }}
encoder = {{}}
[[pipelines.cam0.callbacks]]
name = "mine"
target = "{{folder}}/mine.py:Mine"
inline = {inline}
"""
MINE = """
import helper_of_mine

from imagemp.callback import Callback


class Mine(Callback):
    def set_up(self, settings):
        helper_of_mine.note()

    def process(self, frame):
        pass
"""
HELPER = """
import os


def note():
    with open(__file__ + ".said", "a") as said:
        said.write(f"{os.getpid()} WORD\\n")
"""


def said(daemon: Daemon) -> list[list[str]]:
    """Give pid and word of each session's process."""
    text = (daemon.folder / "helper_of_mine.py.said").read_text()
    return [line.split() for line in text.splitlines()]


def changed(daemon: Daemon) -> list[Any]:
    """Record some frames; give what the session tells of changed code."""
    result = record(daemon, frames=5)
    assert result["state"] == "complete"
    check_agreement(daemon)
    events = read_manifest(Path(result["dir"])).events
    return [e["file"] for e in events if e["name"] == "code_changed"]


def write(path: Path, text: str) -> None:
    """Write it, as an editor does: another file in its place."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)  # noqa: PTH105


@pytest.mark.parametrize(
    "inline", ["false", pytest.param("true", marks=pytest.mark.system)]
)
def test_a_changed_file_or_module_is_run_by_a_fresh_process(
    tmp_path: Path, inline: str
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    mine, helper = folder / "mine.py", folder / "helper_of_mine.py"
    write(mine, MINE)
    write(helper, HELPER)
    with running(folder, CONFIG.format(inline=inline)) as daemon:
        assert changed(daemon) == []
        assert changed(daemon) == []
        write(helper, HELPER.replace("WORD", "two"))
        assert changed(daemon) == [str(helper)]
        write(mine, MINE.replace("note()", "note() or helper_of_mine.note()"))
        assert changed(daemon) == [str(mine)]
        (first, second, third, *fourth) = said(daemon)
        restarts = [w["restarts"] for w in daemon.pipeline()["workers"]]

    assert first == second
    assert third[1] == "two"
    assert len({first[0], third[0], fourth[0][0]}) == 3
    assert fourth == [fourth[0]] * 2  # by the new file
    assert set(restarts) == {0}  # no failure
