"""The press: several frames at a time, given back in order."""

import select
from collections.abc import Iterator
from contextlib import closing

import pytest

from imagemp.errors import FrameShapeError
from imagemp.recording.plan import Compression, RecordingPlan
from imagemp.recording.tiff.pages import Pages
from imagemp.recording.tiff.press import Press
from imagemp.spec import FrameSpec
from tests.recording.shots import RGBD, SMALL, shot

LARGE = FrameSpec.image((400, 400, 3))
ZLIB = Compression("zlib", 6)


@pytest.fixture
def press() -> Iterator[Press]:
    with closing(Press(Pages(LARGE.planes, (), ZLIB), threads=3)) as made:
        yield made


def is_readable(press: Press, timeout_s: float = 0.0) -> bool:
    return bool(select.select([press], [], [], timeout_s)[0])


def test_frames_come_back_in_order_whichever_is_done_first() -> None:
    with closing(Press(Pages(LARGE.planes, (), ZLIB), threads=3)) as press:
        frames = [shot(LARGE, index) for index in range(12)]
        for frame in frames:
            press.put(frame)

        taken = [press.take(wait=True) for _ in frames]

    assert [one and one[0] for one in taken] == frames
    pages = Pages(LARGE.planes, (), ZLIB)
    assert [one and one[1] for one in taken] == [pages.strips(f) for f in frames]


def test_who_waits_in_a_poll_is_woken_when_the_oldest_is_done(press: Press) -> None:
    for index in range(4):
        press.put(shot(LARGE, index))

    for index in range(4):
        while (taken := press.take(wait=False)) is None:
            assert is_readable(press, timeout_s=20)
        assert taken[0].info.index == index

    assert len(press) == 0


def test_nobody_is_woken_while_there_is_nothing_to_take(press: Press) -> None:
    press.put(shot(LARGE, 0))
    assert press.take(wait=True)

    assert press.take(wait=False) is None
    assert press.take(wait=True) is None
    assert not is_readable(press)


def test_a_frame_of_another_shape_is_refused_at_once(press: Press) -> None:
    for spec in (SMALL, RGBD, FrameSpec.image((400, 400, 3), "<u2")):
        with pytest.raises(FrameShapeError, match="plane image"):
            press.put(shot(spec, 0))

    assert len(press) == 0


def test_closing_forgets_what_is_in_it_and_may_be_done_twice(press: Press) -> None:
    for index in range(8):
        press.put(shot(LARGE, index))

    press.close()
    press.close()

    assert press.take(wait=True) is None


def test_what_is_not_compressed_has_no_press() -> None:
    assert Press.of(RecordingPlan(SMALL)) is None
