"""The brightest blob of a real clip, tracked in every form that a callback may have.

Each form must find what a plain OpenCV loop over the same file finds.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from imagemp.frames import AnyArray
from imagemp.receiver import Receiver
from imagemp.recording.reading import frames, read_pixels
from tests.clips import clip
from tests.running import Daemon, running

CLIP = clip("carphone_pristine.mp4")
SOON_S = 20.0
BLUR = (15, 15)
CODE = """
import json
from pathlib import Path

import cv2

from imagemp import Callback

BLUR = (15, 15)


class Smooth(Callback):
    def process(self, frame):
        grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        return cv2.GaussianBlur(grey, BLUR, 0)


class Peak(Callback):
    def set_up(self, settings):
        self.found = []

    def process(self, frame):
        _, peak, _, place = cv2.minMaxLoc(frame.image)
        self.found.append([frame.info.seq, *place, peak])
        return cv2.circle(frame.image, place, 9, 255, 2)

    def tear_down(self):
        Path(__file__).with_name("found.json").write_text(json.dumps(self.found))


class Blob(Peak):
    def process(self, frame):
        grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        frame.planes = {"image": cv2.GaussianBlur(grey, BLUR, 0)}
        return super().process(frame)
"""
CONFIG = """
[pipelines.cam0.source]
kind = "file"
path = "{path}"
fps = 250
[pipelines.cam0.ring]
slots = 128  # room for the whole clip, so that nobody is ever in the way
overflow = "none"
[pipelines.cam0.encoder]
keep_free = "0"
"""
ALONE = """
[[pipelines.cam0.callbacks]]
name = "blob"
target = "mine.py:Blob"
policy = "every"
"""
CHAINED = """
[[pipelines.cam0.callbacks]]
name = "smooth"
target = "mine.py:Smooth"
policy = "every"
{inline}
[[pipelines.cam0.callbacks]]
name = "blob"
target = "mine.py:Peak"
policy = "every"
input = "callback:smooth"
"""
INLINE = "inline = true\n"
RECORDED = 'input = "callback:blob"\n'
FORMS = {
    "own process": ALONE,
    "inline": ALONE + INLINE,
    "own process, recorded": RECORDED + ALONE,
    "inline, recorded": RECORDED + ALONE + INLINE,
    "chained": CHAINED.format(inline=""),
    "chained inline": CHAINED.format(inline=INLINE) + INLINE,
    "chained, recorded": RECORDED + CHAINED.format(inline=""),
    "chained inline, recorded": RECORDED + CHAINED.format(inline=INLINE) + INLINE,
}


def plain_loop() -> Iterator[tuple[list[Any], AnyArray]]:
    """Give seq, place and brightness of each frame's blob, and the drawn frame."""
    video, seq = cv2.VideoCapture(str(CLIP)), 0
    while (told := video.read())[0]:
        rgb = cv2.cvtColor(told[1], cv2.COLOR_BGR2RGB)
        smooth = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), BLUR, 0)
        _, peak, _, place = cv2.minMaxLoc(smooth)
        yield [seq, *place, peak], cv2.circle(smooth, place, 9, 255, 2)
        seq += 1
    video.release()


def same(found: AnyArray, expected: AnyArray) -> bool:
    """Whether two arrays are one picture."""
    return found.dtype == expected.dtype and bool((found == expected).all())


def run(folder: Path, form: str) -> Daemon:
    """Record the clip with a callback in this form; give the daemon, which is over."""
    (folder / "mine.py").write_text(CODE)
    config = CONFIG.format(path=CLIP) + FORMS[form]
    with running(folder, config) as daemon:
        daemon.call("session.start", wait="done")
    return daemon


FAST = ("inline", "chained, recorded")  # the rest takes 2 s each


@pytest.mark.parametrize(
    "form",
    [f if f in FAST else pytest.param(f, marks=pytest.mark.system) for f in FORMS],
)
def test_a_blob_is_where_a_plain_loop_finds_it(tmp_path: Path, form: str) -> None:
    daemon = run(tmp_path, form)

    found = json.loads((tmp_path / "found.json").read_text())
    expected = list(plain_loop())
    assert found == [told for told, _ in expected]
    if "recorded" in form:
        pages = (read_pixels(path, page[0]) for path, page in frames(daemon.session()))
        drawn = (image for _, image in expected)
        assert all(same(*pair) for pair in zip(pages, drawn, strict=True))


def test_what_a_callback_returns_reaches_a_receiver_whole(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    config = CONFIG.format(path=CLIP) + FORMS["chained"]

    with (
        running(tmp_path, config) as daemon,
        Receiver(
            "cam0", "every", ring="callback:blob", runtime_dir=daemon.runtime
        ) as receiver,
    ):
        daemon.call("session.start", wait="none")
        got = [(f.info.seq, f.image.copy()) for f in iter_all(receiver)]

    expected = [(told[0], image) for told, image in plain_loop()]
    assert [seq for seq, _ in got] == [seq for seq, _ in expected]
    assert all(same(a, b) for (_, a), (_, b) in zip(got, expected, strict=True))


def iter_all(receiver: Receiver) -> Iterator[Any]:
    """Give every frame until the session is over."""
    while (frame := receiver.receive(SOON_S)) is not None:
        yield frame
