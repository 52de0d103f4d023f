"""Callbacks in the encoder's process never cost a frame of the recording."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagemp.daemon.workers.inline import TOO_MANY, InlineCallbacks
from imagemp.daemon.workers.orders import Event, Told
from imagemp.daemon.workers.user_code import CallbackPlan
from imagemp.errors import FrameShapeError, ImagempError
from imagemp.frames import Frame, FrameInfo
from imagemp.link import MAX_PACKET, pair
from imagemp.spec import FrameSpec

CODE = """
from imagemp.callback import Callback

class Good(Callback):
    def process(self, frame):
        self.send(frame.info.seq)

class Negative(Callback):
    def process(self, frame):
        return 255 - frame.image

class Even(Callback):
    def process(self, frame):
        return None if frame.info.seq % 2 else frame.image

class Odd(Callback):
    def before_frame(self, info):
        return info.seq % 2 == 1
    def process(self, frame):
        frame.info.fields["seen"] = frame.info.seq
        return frame

class Broken(Callback):
    calls = 0
    def process(self, frame):
        Broken.calls += 1
        raise ValueError("x" * 100_000)

class NoStart(Callback):
    def set_up(self, settings):
        raise OSError("no model")
    def process(self, frame):
        self.model

class NoEnd(Callback):
    def tear_down(self):
        raise OSError("no disk")

class Scribbler(Callback):
    def process(self, frame):
        frame.image[:] = 0
"""
Begin = Callable[..., InlineCallbacks]


@pytest.fixture
def told() -> list[Told]:
    return []


@pytest.fixture
def begin(tmp_path: Path, told: list[Told]) -> Iterator[Begin]:
    """Give what loads callbacks of these names and begins a session."""
    (tmp_path / "user.py").write_text(CODE)
    made: list[InlineCallbacks] = []

    def tell(message: Told) -> bool:
        told.append(message)
        return True

    def load(*names: str, recorded: str = "") -> InlineCallbacks:
        inline = InlineCallbacks(tell)
        made.append(inline)
        plans = [CallbackPlan(name, f"{tmp_path}/user.py:{name}") for name in names]
        inline.load(plans, recorded)
        inline.open(FrameSpec.image((2,)))
        return inline

    yield load
    for inline in made:
        for voice in inline._voices.values():
            voice.close()


def frame(seq: int = 0) -> Frame:
    image = np.full(2, 9, np.uint8)
    image.flags.writeable = False
    return Frame({"image": image}, FrameInfo(seq=seq))


def events(told: list[Told]) -> list[str]:
    return [message.name for message in told if isinstance(message, Event)]


# -- what is recorded


def test_a_callback_that_only_looks_changes_nothing(begin: Begin) -> None:
    inline, given = begin("Good"), frame()

    assert inline.process(given) == (given, "")


def test_what_the_input_returns_is_recorded_in_place_of_the_frame(begin: Begin) -> None:
    inline = begin("Negative", "Good", recorded="Negative")

    recorded, cause = inline.process(frame(5))

    assert recorded.image.tolist() == [246, 246]
    assert (recorded.info.seq, cause) == (5, "")


def test_a_frame_for_which_the_input_returns_nothing_is_filtered(begin: Begin) -> None:
    inline = begin("Even", recorded="Even")

    causes = [inline.process(frame(seq))[1] for seq in range(4)]

    assert causes == ["", "filtered", "", "filtered"]
    assert inline.numbers()["Even"]["delivered"] == 4


def test_a_frame_at_which_the_input_raises_is_lost_to_it_and_says_so(
    begin: Begin,
) -> None:
    inline = begin("Broken", recorded="Broken")

    assert inline.process(frame())[1] == "callback_error"


def test_a_callback_cannot_write_into_the_frame_that_is_recorded(begin: Begin) -> None:
    recorded, _ = begin("Scribbler").process(frame())

    assert recorded.image.tolist() == [9, 9]


@pytest.mark.parametrize(("recorded", "delivered"), [("", 1), ("Negative", 3)])
def test_who_wants_the_newest_lets_the_others_go_unless_it_is_recorded(
    begin: Begin, tmp_path: Path, recorded: str, delivered: int
) -> None:
    inline = begin()
    plan = CallbackPlan("Negative", f"{tmp_path}/user.py:Negative", policy="latest")
    inline.load([plan], recorded)
    inline.open(FrameSpec.image((2,)))

    for is_newest in (False, False, True):
        inline.process(frame(), is_newest=is_newest)

    numbers = inline.numbers()["Negative"]
    assert (numbers["delivered"], numbers["behind"]) == (delivered, 3 - delivered)


def test_a_frame_that_the_input_does_not_want_is_filtered_and_not_delivered(
    begin: Begin,
) -> None:
    inline = begin("Odd", recorded="Odd")

    causes = [inline.process(frame(seq))[1] for seq in range(4)]

    numbers = inline.numbers()["Odd"]
    assert causes == ["filtered", "", "filtered", ""]
    assert (numbers["delivered"], numbers["filtered"]) == (2, 2)


def test_fields_that_the_input_has_changed_are_recorded_so(begin: Begin) -> None:
    given = frame(3)

    recorded, _ = begin("Odd", recorded="Odd").process(given)

    assert recorded.info.fields == {"seen": 3}
    assert given.info.fields == {}


def test_a_callback_gets_what_the_one_before_returns(
    begin: Begin, tmp_path: Path
) -> None:
    inline = begin()
    inline.load(
        [
            CallbackPlan("even", f"{tmp_path}/user.py:Even"),
            CallbackPlan("negative", f"{tmp_path}/user.py:Negative", input="even"),
            CallbackPlan("again", f"{tmp_path}/user.py:Negative", input="negative"),
        ],
        "negative",
    )
    inline.open(FrameSpec.image((2,)))

    found = [inline.process(frame(seq)) for seq in range(4)]

    assert [cause for _, cause in found] == ["", "filtered", "", "filtered"]
    assert [result.image[0] for result, _ in found] == [246, 9, 246, 9]
    counted = {n: (c["delivered"], c["filtered"]) for n, c in inline.numbers().items()}
    assert counted == {"even": (4, 0), "negative": (2, 2), "again": (2, 2)}


def test_in_a_chain_that_is_recorded_nobody_lets_a_frame_go(
    begin: Begin, tmp_path: Path
) -> None:
    inline = begin()
    target = f"{tmp_path}/user.py:Negative"
    inline.load(
        [
            CallbackPlan("a", target, policy="latest"),
            CallbackPlan("b", target, policy="latest", input="a"),
            CallbackPlan("c", target, policy="latest", input="b"),
        ],
        "b",
    )
    inline.open(FrameSpec.image((2,)))

    causes = [inline.process(frame(), is_newest=False)[1] for _ in range(3)]

    behind = {name: line["behind"] for name, line in inline.numbers().items()}
    assert causes == ["", "", ""]
    assert behind == {"a": 0, "b": 0, "c": 3}


# -- errors


def test_an_error_is_told_counted_and_costs_neither_frame_nor_the_others(
    begin: Begin, told: list[Told]
) -> None:
    inline, given = begin("Broken", "Good"), frame()

    assert inline.process(given) == (given, "")

    assert events(told) == ["callback_error"]
    numbers = inline.numbers()
    assert (numbers["Broken"]["delivered"], numbers["Broken"]["errors"]) == (0, 1)
    assert numbers["Good"]["delivered"] == 1


def test_an_error_of_any_length_fits_into_a_message(
    begin: Begin, told: list[Told]
) -> None:
    begin("Broken").process(frame())

    (event,) = told
    assert isinstance(event, Event)
    assert len(json.dumps(event.details)) < MAX_PACKET // 8
    assert event.details["message"].startswith("ValueError: xxx")


def test_a_callback_is_switched_off_after_5_errors(
    begin: Begin, told: list[Told]
) -> None:
    inline = begin("Broken", recorded="Broken")

    causes = {inline.process(frame())[1] for _ in range(TOO_MANY + 3)}

    assert events(told) == ["callback_error"] * TOO_MANY + ["callback_off"]
    assert inline.numbers()["Broken"]["errors"] == TOO_MANY
    assert causes == {"callback_error"}


def test_who_is_switched_off_is_on_again_in_the_next_session(
    begin: Begin, told: list[Told], tmp_path: Path
) -> None:
    inline = begin("Broken")
    for _ in range(TOO_MANY):
        inline.process(frame())
    told.clear()

    inline.load([CallbackPlan("Broken", f"{tmp_path}/user.py:Broken")], "")
    inline.open(FrameSpec.image((2,)))
    inline.process(frame())

    assert events(told) == ["callback_error"]


def test_what_cannot_be_set_up_or_torn_down_is_an_error_like_any_other(
    begin: Begin, told: list[Told]
) -> None:
    inline, given = begin("NoStart", "NoEnd"), frame()

    assert inline.process(given) == (given, "")
    inline.close()

    assert set(events(told)) == {"callback_error"}


def test_a_frame_that_cannot_be_recorded_is_an_error_of_the_input(
    begin: Begin, told: list[Told]
) -> None:
    inline = begin("Negative", recorded="Negative")

    assert inline.refuse(FrameShapeError("of another shape")) == "callback_error"

    assert events(told) == ["callback_error"]
    assert inline.numbers()["Negative"]["errors"] == 1


def test_a_callback_that_cannot_be_loaded_refuses_the_session(begin: Begin) -> None:
    with pytest.raises(ImagempError, match="has no Nobody"):
        begin("Good", "Nobody")


# -- messages


def test_a_callback_is_heard_where_it_was_told_to_speak(begin: Begin) -> None:
    inline = begin("Good")
    here, there = pair()
    with here, there:
        inline.process(frame(1))
        inline.speak_to("Good", os.dup(here.fileno()))
        inline.process(frame(2))

        assert there.recv(100) == b"2"

    assert inline.numbers()["Good"]["unsent"] == 1


def test_a_voice_outlives_the_session_and_is_replaced(
    begin: Begin, tmp_path: Path
) -> None:
    inline = begin("Good")
    first, second = pair(), pair()
    with first[0], first[1], second[0], second[1]:
        inline.speak_to("Good", os.dup(first[0].fileno()))
        inline.speak_to("Good", os.dup(second[0].fileno()))
        inline.load([CallbackPlan("Good", f"{tmp_path}/user.py:Good")], "")
        inline.open(FrameSpec.image((2,)))
        inline.process(frame(3))

        assert second[1].recv(100) == b"3"


def test_a_message_for_a_stranger_is_dropped(begin: Begin, told: list[Told]) -> None:
    begin("Good").message("Nobody", {"a": 1})

    assert told == []


# -- numbers


def test_numbers_stay_when_the_session_is_over(begin: Begin) -> None:
    inline = begin("Good")
    inline.process(frame())

    inline.close()
    inline.close()

    assert inline.numbers()["Good"]["delivered"] == 1


@pytest.mark.parametrize(
    ("counts", "delivered"),
    [
        ({}, 0),
        ({"handled": 7, "numbers": {"callbacks": {"Good": {"delivered": 5}}}}, 5),
    ],
)
def test_a_successor_goes_on_counting(
    begin: Begin, counts: dict[str, Any], delivered: int
) -> None:
    inline = begin("Good")

    inline.resume(counts.get("handled", 0), counts)
    inline.process(frame())

    assert inline.numbers()["Good"]["delivered"] == delivered + 1


def test_a_successor_does_not_take_what_was_let_go_for_errors(begin: Begin) -> None:
    inline = begin("Good")
    line = {"delivered": 4, "behind": 6}

    inline.resume(12, {"handled": 10, "numbers": {"callbacks": {"Good": line}}})

    numbers = inline.numbers()["Good"]
    assert (numbers["delivered"], numbers["behind"]) == (6, 6)
