"""Text in the frames: what each key changes, and that nothing else is touched."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import numpy as np
import pytest

from imagemp.config import OverlayConfig
from imagemp.daemon.workers.overlay import FrameRate, Overlay, local_time
from imagemp.errors import ConfigError
from imagemp.frames import AnyArray, Frame, FrameInfo, spec_of
from imagemp.spec import FrameSpec, Plane

from ..keeper import BLOBS, MAIN, MOTION, Rig

MS = 1_000_000
NOON_NS = 1_700_000_000_000 * MS
EVERYTHING: Final = ("time", "rate", "queues", "seq")
COLOURS = {"grey": (120, 320), "flat": (120, 320, 1), "rgb": (120, 320, 3)}


@pytest.fixture
def ring() -> Iterator[Rig]:
    with closing(Rig()) as made:
        yield made


def queues() -> list[str]:
    return ["ring 3/32", "main 2"]


def shown(
    *infos: FrameInfo,
    on: AnyArray | None = None,
    said: list[str] | None = None,
    **keys: Any,  # noqa: ANN401 - of the overlay
) -> AnyArray:
    """Give the last of some frames with an overlay, by default on grey."""
    blank = np.full((120, 320), 128, np.uint8) if on is None else on
    overlay = Overlay(
        OverlayConfig(**{"show": ("seq",), **keys}), spec_of({"a": blank})
    )
    picture = blank
    for info in infos or (FrameInfo(seq=7, t_unix_ns=NOON_NS),):
        picture = blank.copy()
        overlay.draw(Frame({"a": picture}, info), lambda: said or queues())
    return picture


def box(picture: AnyArray, ground: int = 128) -> tuple[slice, slice]:
    """Give the rectangle of what is not background."""
    rows, columns = np.nonzero(picture != ground)[:2]
    assert rows.size
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


# -- what it shows


def test_each_thing_to_show_is_a_line_of_its_own_in_the_order_asked_for() -> None:
    alone = {name: shown(show=(name,)) for name in EVERYTHING}
    both = shown(show=("seq", "time"))

    assert len({picture.tobytes() for picture in alone.values()}) == 4
    lines = [picture[box(picture)].shape for picture in alone.values()]
    (rows, _), (_, columns) = lines[3], lines[0]
    assert both[box(both)].shape == (2 * rows, columns)
    assert np.array_equal(both[:rows], alone["seq"][:rows])
    assert np.array_equal(both[rows : 2 * rows], alone["time"][:rows])
    assert lines[2][0] == 2 * rows  # the ring, and below it the readers


def test_seq_and_time_are_those_of_the_frame() -> None:
    first = FrameInfo(seq=7, t_unix_ns=NOON_NS)
    later = FrameInfo(seq=8, t_unix_ns=NOON_NS + MS)

    for name in ("seq", "time"):
        pictures = [shown(info, show=(name,)) for info in (first, later, first)]
        assert not np.array_equal(pictures[0], pictures[1])
        assert np.array_equal(pictures[0], pictures[2])


def test_the_time_is_local_with_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XXX-05:30")
    time.tzset()
    try:
        assert local_time(NOON_NS + 7 * MS + 999_999) == "2023-11-15 03:43:20.007"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_rate_is_that_of_the_last_frames_by_the_sensors_clock() -> None:
    times_ms = [0, 100, 200, 210, 220]  # 10 a second, then 100
    infos = [FrameInfo(seq=n, t_sensor_ns=t * MS) for n, t in enumerate(times_ms)]

    said = {n: [Rate_.after(i) for i in infos] for n, Rate_ in rates(1, 4, 10).items()}

    assert said[1] == ["- fps", "10.0 fps", "10.0 fps", "100.0 fps", "100.0 fps"]
    assert said[4][-1] == said[10][-1] == "18.2 fps"
    by_1, by_10 = (shown(*infos, show=("rate",), rate_frames=n) for n in (1, 10))
    assert not np.array_equal(by_1, by_10)


def rates(*frames: int) -> dict[int, FrameRate]:
    """Give a rate over each number of frames."""
    return {n: FrameRate(n) for n in frames}


def test_a_frame_that_found_no_slot_counts_for_the_rate() -> None:
    rate = FrameRate(10)
    rate.after(FrameInfo(seq=0))

    assert rate.after(FrameInfo(seq=5, t_sensor_ns=500 * MS)) == "10.0 fps"


def test_a_clock_that_stands_still_has_no_rate() -> None:
    rate = FrameRate(2)

    assert [rate.after(FrameInfo(seq=n, t_sensor_ns=9)) for n in range(3)] == [
        "- fps",
        "- fps",
        "- fps",
    ]


def test_the_queues_are_those_of_the_ring_and_of_each_reader_of_all(ring: Rig) -> None:
    ring.keep(MAIN, MOTION, BLOBS).begin(slots=8)
    ring.publish(5)
    before = ring.output.queues()
    ring.read("main")
    ring.read("blobs", 2)
    after = ring.output.queues()

    assert before == ["ring 5/8", "main 5 blobs 5"]
    assert after == ["ring 3/8", "main 0 blobs 3"]
    ring.keeper.reader_gone("blobs")
    assert ring.output.queues() == ["ring 1/8", "main 0"]  # offered to motion
    first, second = (shown(show=("queues",), said=said) for said in (before, after))
    assert not np.array_equal(first, second)


def test_without_a_reader_of_all_only_the_ring_is_told(ring: Rig) -> None:
    ring.keep(MOTION).begin(slots=8)

    assert ring.output.queues() == ["ring 0/8"]


def test_queues_are_asked_for_only_if_they_are_shown() -> None:
    def refuse() -> list[str]:
        raise AssertionError

    picture = np.zeros((40, 80), np.uint8)
    overlay = Overlay(OverlayConfig(show=("seq",)), spec_of({"a": picture}))

    overlay.draw(Frame({"a": picture}, FrameInfo()), refuse)

    assert picture.any()


# -- where, and how large


@pytest.mark.parametrize("corner", ["top-left", "top-right", "bottom-left"])
@pytest.mark.parametrize("kind", COLOURS)
def test_the_text_is_in_its_corner_and_nothing_else_is_touched(
    corner: str, kind: str
) -> None:
    blank = np.full(COLOURS[kind], 128, np.uint8)

    picture = shown(on=blank, position=corner)

    rows, columns = box(picture)
    assert rows.start == 0 if "top" in corner else rows.stop == 120
    assert columns.start == 0 if "left" in corner else columns.stop == 320
    assert (rows.stop - rows.start) < 60
    assert (columns.stop - columns.start) < 160


def test_the_last_corner_is_the_one_opposite_to_the_first() -> None:
    first, last = shown(), shown(position="bottom-right")

    assert np.array_equal(first[box(first)], last[box(last)])
    rows, columns = box(last)
    assert (rows.stop, columns.stop) == last.shape


def test_the_size_is_that_of_the_letters() -> None:
    heights = [
        picture[box(picture)].shape[0]
        for picture in (shown(size=size) for size in (0.5, 1, 2))
    ]

    assert heights == sorted(set(heights))
    assert heights[2] > 2 * heights[0]


@pytest.mark.parametrize("kind", COLOURS)
@pytest.mark.parametrize("ground", [0, 255])
def test_it_can_be_read_on_black_and_on_white(kind: str, ground: int) -> None:
    blank = np.full(COLOURS[kind], ground, np.uint8)
    middle = np.full(COLOURS[kind], 128, np.uint8)

    where = box(shown(on=middle))

    assert np.array_equal(shown(on=blank)[where], shown(on=middle)[where])
    letters = shown(on=blank)[where]
    assert (letters > 200).mean() > 0.05
    assert (letters == 0).mean() > 0.4


def test_every_plane_has_it() -> None:
    planes = {name: np.full((60, 200), 128, np.uint8) for name in ("left", "right")}
    overlay = Overlay(OverlayConfig(show=("seq",)), spec_of(planes))

    overlay.draw(Frame(planes, FrameInfo(seq=3)), queues)

    assert np.array_equal(planes["left"], planes["right"])
    assert box(planes["left"])


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 2000), (200, 2), (9, 9, 3)])
@pytest.mark.parametrize("position", ["top-left", "bottom-right"])
@pytest.mark.parametrize("size", [0.1, 0.5, 10])
def test_text_larger_than_the_frame_is_cut_off_and_does_no_harm(
    shape: tuple[int, ...], position: str, size: float
) -> None:
    nbytes = int(np.prod(shape))
    memory = np.full(nbytes + 2 * 4096, 77, np.uint8)
    frame = memory[4096 : 4096 + nbytes].reshape(shape)
    keys: dict[str, Any] = {"position": position, "size": size}
    overlay = Overlay(OverlayConfig(show=EVERYTHING, **keys), spec_of({"a": frame}))

    overlay.draw(Frame({"a": frame}, FrameInfo()), queues)

    assert (memory[:4096] == 77).all()
    assert (memory[-4096:] == 77).all()
    assert (frame != 77).any()


# -- what it cannot be written into


@pytest.mark.parametrize(
    ("plane", "problem"),
    [
        (Plane("ir", (4, 5), "<u2"), "plane ir must be of u1, is of uint16"),
        (Plane("z", (4, 5), "f4"), "plane z must be of u1, is of float32"),
        (Plane("mask", (4, 5), "?"), "plane mask must be of u1, is of bool"),
        (Plane("i", (4, 5), "i1"), "plane i must be of u1, is of int8"),
        (Plane("line", (9,), "u1"), "plane line must be a picture, is of shape (9,)"),
        (
            Plane("cube", (4, 5, 6), "u1"),
            "plane cube must be a picture, is of shape (4, 5, 6)",
        ),
        (
            Plane("film", (2, 4, 5, 3), "u1"),
            "plane film must be a picture, is of shape (2, 4, 5, 3)",
        ),
    ],
)
def test_a_plane_that_cannot_have_it_is_refused_by_name(
    plane: Plane, problem: str
) -> None:
    spec = FrameSpec((Plane("image", (4, 5), "u1"), plane))

    with pytest.raises(ConfigError) as refused:
        Overlay(OverlayConfig(show=("seq",)), spec)

    assert str(refused.value) == f"overlay.show: {problem}"
