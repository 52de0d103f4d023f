"""`imagectl callback check` runs a callback as a worker would, and times it."""

import json
from pathlib import Path
from typing import Any

import pytest

from imagemp.ctl.exits import Exit

from .conftest import Imagectl

ONE = """
import os
from imagemp import Callback

class Counts(Callback):
    def set_up(self, settings):
        print("user code prints")
        self.step = settings.get("step", 1)
        self.n = 0
    def before_frame(self, info):
        return info.seq % self.step == 0
    def process(self, frame):
        self.n += 1
        self.send({"n": self.n, "shape": frame.image.shape, "of": len(self.buffer)})
        if self.n % 5 == 0:
            self.trigger()
        return frame.image[::2, ::2]
"""
OTHERS = """
import os, time
def slow(buffer, queue):
    time.sleep(0.003 if buffer[-1].any() else 0)
def broken(buffer, queue):
    raise KeyError("the first")
def crash(buffer, queue):
    os.abort()
def only_a_helper(image):
    return image
"""


@pytest.fixture
def check(tmp_path: Path, imagectl: Imagectl, capfd: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - what runs a check and gives its document
    (tmp_path / "one.py").write_text(ONE)
    (tmp_path / "others.py").write_text(OTHERS)

    def run(target: str, *words: str) -> tuple[int, dict[str, Any], str]:
        small = ("-o", "width=64", "-o", "height=32")
        path = f"{tmp_path}/{target}"
        code = imagectl("callback", "check", path, *small, *words, "--json")
        out, err = capfd.readouterr()
        return code, json.loads(out) if out else {}, err

    return run


def test_the_only_callback_of_a_file_is_found_called_and_timed(check: Any) -> None:  # noqa: ANN401
    code, found, err = check("one.py", "--frames", "20")

    assert code == Exit.OK
    assert found["target"].endswith("/one.py:Counts")
    assert (found["frames"], found["calls"], found["filtered"]) == (20, 20, 0)
    assert (found["messages"], found["triggers"]) == (20, 4)
    assert found["last_message"] == {"n": 20, "shape": [32, 64], "of": 5}
    assert found["returned"] == 20
    assert found["returns"]["planes"][0]["shape"] == [16, 32]
    assert 0 < found["took_ms"]["p50"] <= found["took_ms"]["max"]
    assert found["fps"] > 0
    assert "user code prints" in err


def test_settings_buffer_and_frames_are_those_that_were_asked_for(check: Any) -> None:  # noqa: ANN401
    settings = ("--settings", '{"step": 4}', "--buffer", "3", "--full-buffer")

    _, found, _ = check("one.py", *settings, "--frames", "40", "-o", "channels=3")

    assert (found["filtered"], found["calls"]) == (30, 8)
    assert found["last_message"] == {"n": 8, "shape": [32, 64, 3], "of": 3}


def test_calls_over_the_budget_are_counted(check: Any) -> None:  # noqa: ANN401
    _, found, _ = check("others.py:slow", "--frames", "5", "--budget-ms", "2.5")

    assert found["over_budget"] == 5


def test_what_it_raises_is_shown_with_its_line_and_traceback(check: Any) -> None:  # noqa: ANN401
    code, found, err = check("others.py:broken")

    assert code == Exit.ERROR
    assert found["error"]["message"] == "KeyError: 'the first'"
    assert found["error"]["place"].endswith("/others.py, line 6")
    assert 'raise KeyError("the first")' in err


def test_a_callback_that_takes_its_process_with_it_is_told(check: Any) -> None:  # noqa: ANN401
    code, found, err = check("others.py:crash")

    assert (code, found) == (Exit.ERROR, {})
    assert "its process died of SIGABRT" in err


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("widht=3", "source.widht: a synthetic source has none"),
        ("width=wide", "source.width: Expected `int`"),
    ],
)
def test_a_source_that_cannot_be_is_refused(
    check: Any,  # noqa: ANN401
    key: str,
    problem: str,
) -> None:
    code, _, err = check("one.py", "-o", key)

    assert code == Exit.ERROR
    assert problem in err


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("none.py", "none.py: no such file"),
        ("others.py", "has several callbacks, slow, broken, crash"),
        ("others.py:nobody", "has no nobody"),
    ],
)
def test_what_cannot_be_tried_is_refused(check: Any, target: str, problem: str) -> None:  # noqa: ANN401
    code, found, err = check(target)

    assert (code, found) == (Exit.ERROR, {})
    assert problem in err


def test_a_person_is_told_in_words(
    tmp_path: Path, imagectl: Imagectl, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.py").write_text(ONE)

    imagectl("callback", "check", f"{tmp_path}/one.py", "--frames", "10")

    out = capfd.readouterr().out
    assert "one.py:Counts on 10 of image (480, 640) |u1\n" in out
    assert "\n  process      10 calls, ms: p50 " in out
    assert "\n  returns      10 of image (240, 320) |u1\n" in out
    assert '\n  messages     10, the last: {"n": 10,' in out


def test_the_family_alone_says_what_may_follow(
    imagectl: Imagectl, capfd: pytest.CaptureFixture[str]
) -> None:
    assert imagectl("callback") == Exit.USAGE

    assert "imagectl callback check FILE" in capfd.readouterr().err
