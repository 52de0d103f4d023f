"""A source that blocks in C is grabbed from in a thread, and still hears its wake."""

import os
import select
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from imagemp.daemon.sources import threaded
from imagemp.daemon.sources.base import EndOfSource, Grab, Source
from imagemp.daemon.sources.threaded import Threaded
from imagemp.errors import SourceError
from imagemp.frames import Frame
from imagemp.spec import FrameSpec

from .stage import QUIET, slot, woken

WAIT_S = 20.0


class Blocking(Source):
    """Blocks in `grab` until it is given something; deaf to its wake."""

    interruptible = False
    is_live = False
    fps = 12.5

    def __init__(self) -> None:
        super().__init__({"a": 1})
        self.notes = ["a note"]
        self.controls: Mapping[str, Any] = {}
        self.given, self._gives = os.pipe()
        self.entered = os.eventfd(0, os.EFD_SEMAPHORE)
        self.closed = 0
        self.is_grabbing = self.was_closed_while_grabbing = False

    def open(self) -> FrameSpec:
        return FrameSpec.image((3,))

    def grab(self, wake: int) -> Grab | None:
        self.is_grabbing = True
        os.eventfd_write(self.entered, 1)
        what = os.read(self.given, 1)
        self.is_grabbing = False
        if what == b"e":
            raise EndOfSource
        if what == b"f":
            raise SourceError("unplugged")
        return Grab(what[0])

    def retrieve(self, frame: Frame) -> None:
        frame.image[:] = 7

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        self.controls = controls

    def close(self) -> None:
        self.closed += 1
        self.was_closed_while_grabbing |= self.is_grabbing

    def give(self, what: bytes) -> None:
        """Let `grab` return, or raise."""
        os.write(self._gives, what)

    def wait_entered(self) -> None:
        """Wait until `grab` has been called once more."""
        assert select.select([self.entered], [], [], WAIT_S)[0]
        os.eventfd_read(self.entered)

    def done(self) -> None:
        """Close what the test has used."""
        for fd in (self.given, self._gives, self.entered):
            os.close(fd)


@pytest.fixture
def inner() -> Iterator[Blocking]:
    source = Blocking()
    yield source
    source.done()


@pytest.fixture
def source(inner: Blocking) -> Iterator[Threaded]:
    source = Threaded(inner)
    source.open()
    yield source
    inner.give(b"\0")
    source.close()


def test_it_is_what_the_inner_source_is_but_for_being_deaf(inner: Blocking) -> None:
    source = Threaded(inner)
    source.first_seq = 9

    spec = source.open()
    source.set_controls({"Level": 3})
    source.close()

    assert spec == FrameSpec.image((3,))
    assert source.interruptible
    assert not source.is_live
    assert (source.fps, source.notes, source.settings) == (12.5, ["a note"], {"a": 1})
    assert (inner.first_seq, inner.controls) == (9, {"Level": 3})


def test_a_frame_of_the_inner_source_comes_through(
    source: Threaded, inner: Blocking
) -> None:
    inner.give(b"\5")
    frame = slot(FrameSpec.image((3,)))

    grab = source.grab(QUIET)
    source.retrieve(frame)

    assert grab == Grab(5)
    assert frame.image.tolist() == [7, 7, 7]


def test_a_wake_ends_the_waiting_and_the_grab_under_way_is_kept(
    source: Threaded, inner: Blocking
) -> None:
    with woken() as wake:
        assert source.grab(wake) is None
        assert source.grab(wake) is None
    inner.wait_entered()
    inner.give(b"\6")

    assert source.grab(QUIET) == Grab(6)
    assert not select.select([inner.entered], [], [], 0)[0]  # it was called once


def test_a_frame_that_is_there_is_given_even_if_the_wake_calls(
    source: Threaded, inner: Blocking
) -> None:
    with woken() as wake:
        source.grab(wake)
        inner.give(b"\3")
        assert select.select([source._is_given], [], [], WAIT_S)[0]

        assert source.grab(wake) == Grab(3)


@pytest.mark.parametrize(("what", "error"), [(b"e", EndOfSource), (b"f", SourceError)])
def test_what_the_inner_source_raises_is_raised_here_and_it_may_go_on(
    source: Threaded, inner: Blocking, what: bytes, error: type[Exception]
) -> None:
    inner.give(what)

    with pytest.raises(error):
        source.grab(QUIET)

    inner.give(b"\2")
    assert source.grab(QUIET) == Grab(2)


def test_the_inner_source_is_not_closed_while_it_grabs(inner: Blocking) -> None:
    source = Threaded(inner)
    source.open()
    with woken() as wake:
        source.grab(wake)
    inner.wait_entered()
    inner.give(b"\1")  # comes while it is being closed

    source.close()
    source.close()

    assert inner.closed == 1
    assert not inner.was_closed_while_grabbing


def test_a_source_that_was_never_opened_can_be_closed(inner: Blocking) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = Threaded(inner)

    source.close()

    assert inner.closed == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_source_that_hangs_in_grab_is_left_behind_unclosed(inner: Blocking) -> None:
    source = Threaded(inner)
    source.open()
    with woken() as wake:
        source.grab(wake)
    inner.wait_entered()

    source.close()

    assert threaded.CLOSE_S <= 2.0  # what a stop may take
    assert inner.closed == 0
    inner.give(b"\1")
    source._thread.join(WAIT_S)
    os.close(source._is_given)
