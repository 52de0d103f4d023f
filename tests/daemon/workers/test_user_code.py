"""The user's code is loaded, fed with frames of its own, and heard."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagemp.daemon.workers.orders import Event
from imagemp.daemon.workers.user_code import CallbackPlan, UserCode, voice_of
from imagemp.errors import CallbackError
from imagemp.frames import Frame, FrameInfo
from imagemp.link import MAX_PACKET, pair
from imagemp.load import TargetError
from imagemp.spec import FrameSpec

SPEC = FrameSpec.image((2, 2))
CODE = """
import time
import numpy as np
from imagemp.callback import Callback

class Recorder(Callback):
    def set_up(self, settings):
        self.heard, self.settings, self.torn_down = [], settings, 0

    def process(self, frame):
        self.newest_is_given = self.buffer[-1] is frame
        return self.settings.get("returns")

    def on_message(self, body):
        self.heard.append(body)

    def tear_down(self):
        self.torn_down += 1

class Odd(Callback):
    def before_frame(self, info):
        return info.seq % 2 == 1

class Slow(Callback):
    def process(self, frame):
        time.sleep(self.buffer[-1].info.seq / 1000)

class Broken(Callback):
    def process(self, frame):
        raise KeyError("x")

seen = []

def plain(buffer, queue):
    seen.append([int(array[0, 0]) for array in buffer])
    queue.put({"n": len(buffer)})
    queue.put_nowait(2)

def give_dict(buffer, queue):
    return {"mask": buffer[-1] > 1}

def give_list(buffer, queue):
    return [1, 2]

number = 5

class Stranger:
    pass
"""
Load = Callable[..., UserCode]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Give what loads one of the callbacks above and begins a session."""
    (tmp_path / "user.py").write_text(CODE)
    voices = []

    def begin(
        name: str,
        *,
        buffer_length: int = 1,
        full_buffer: bool = False,
        budget_ms: float = 0.0,
        **settings: Any,  # noqa: ANN401
    ) -> UserCode:
        plan = CallbackPlan(
            "motion",
            f"{tmp_path}/user.py:{name}",
            buffer_length=buffer_length,
            full_buffer=full_buffer,
            budget_ms=budget_ms,
            settings=settings,
        )
        code = UserCode(plan)
        here, there = pair()
        voices.extend([here, there])
        code.voice = voice_of(os.dup(here.fileno()))
        voices.append(code.voice)
        code.heard_at = there  # type: ignore[attr-defined]
        code.open(SPEC)
        return code

    yield begin
    for voice in voices:
        voice.close()


def frame(value: int = 0) -> Frame:
    return Frame({"image": np.full((2, 2), value, np.uint8)}, FrameInfo(seq=value))


def user(code: UserCode) -> Any:  # noqa: ANN401 - whatever the user wrote
    return code._callback


def sent(code: UserCode) -> list[Any]:
    """Give the messages that came out of its voice."""
    there, found = code.heard_at, []  # type: ignore[attr-defined]
    there.setblocking(False)
    try:
        while True:
            found.append(json.loads(there.recv(MAX_PACKET)))
    except BlockingIOError:
        return found


# -- loading


@pytest.mark.parametrize("name", ["number", "Stranger", "np"])
def test_what_is_neither_callback_nor_function_is_refused(
    load: Load, name: str
) -> None:
    with pytest.raises(CallbackError, match=r"callback motion: .*neither"):
        load(name)


def test_what_is_not_there_is_refused(load: Load) -> None:
    with pytest.raises(TargetError, match="has no nothing"):
        load("nothing")


# -- a class


def test_a_class_is_told_what_frames_look_like_before_it_is_set_up(load: Load) -> None:
    code = load("Recorder", level=3)

    assert user(code).spec == SPEC
    assert user(code).settings == {"level": 3}


def test_a_class_gets_each_frame_and_the_last_ones_before_it(load: Load) -> None:
    code = load("Recorder", buffer_length=3)

    for n in range(5):
        code.process(frame(n))

    assert [kept.info.seq for kept in user(code).buffer] == [2, 3, 4]
    assert user(code).newest_is_given


def test_what_it_raises_comes_through_as_it_is(load: Load) -> None:
    with pytest.raises(KeyError, match="x"):
        load("Broken").process(frame())


def test_an_error_is_told_with_the_line_of_the_users_file(load: Load) -> None:
    code = load("Broken")
    with pytest.raises(KeyError) as raised:
        code.process(frame())

    told = code.failed(raised.value)

    line = 1 + CODE.splitlines().index('        raise KeyError("x")')
    assert told.name == "callback_error"
    assert told.details["message"] == "KeyError: 'x'"
    assert told.details["place"].endswith(f"/user.py, line {line}")
    assert code.numbers()["errors"] == 1


def test_a_frame_that_is_not_wanted_can_be_told_by_its_info(load: Load) -> None:
    odd, any_ = load("Odd"), load("Recorder")

    assert [odd.wants(FrameInfo(seq=n)) for n in range(4)] == [False, True] * 2
    assert all(any_.wants(FrameInfo(seq=n)) for n in range(4))


def test_it_is_first_called_when_the_buffer_is_full_if_asked(load: Load) -> None:
    code = load("plain", buffer_length=3, full_buffer=True)

    for n in range(5):
        code.process(frame(n))

    assert user(code)._function.__globals__["seen"] == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_calls_that_take_longer_than_they_may_are_counted(load: Load) -> None:
    code, free = load("Slow", budget_ms=15), load("Slow")
    events: list[Event] = []
    code.on_event = free.on_event = events.append

    for n in (0, 30, 0, 40):
        code.process(frame(n))
        free.process(frame(n))

    assert code.over_budget >= 2  # a busy machine may have made more of them slow
    assert free.over_budget == 0
    assert code.numbers()["took_ms"]["p99"] >= 40
    assert [event.name for event in events] == ["over_budget"]


def test_a_successor_counts_on(load: Load) -> None:
    before, after = load("plain"), load("plain")
    before.process(frame())

    after.go_on_from(before.numbers())
    after.process(frame())

    assert after.numbers()["sent"] == 4


def test_messages_reach_it_as_long_as_the_session_is_on(load: Load) -> None:
    code = load("Recorder")

    code.message({"level": 1})
    code.close()
    code.message({"level": 2})

    assert user(code).heard == [{"level": 1}]


def test_it_is_torn_down_once_and_its_frames_are_let_go(load: Load) -> None:
    code = load("Recorder")
    code.process(frame())

    code.close()
    code.close()

    assert user(code).torn_down == 1
    assert user(code).buffer == deque()


# -- a function


def test_a_function_gets_the_arrays_of_the_last_frames_and_a_queue(load: Load) -> None:
    code = load("plain", buffer_length=2)

    for n in range(3):
        code.process(frame(n))

    assert user(code)._function.__globals__["seen"] == [[0], [0, 1], [1, 2]]
    assert sent(code) == [{"n": 1}, 2, {"n": 2}, 2, {"n": 2}, 2]
    assert (code.sent, code.unsent) == (6, 0)


# -- what it returns


def test_nothing_returned_is_nothing(load: Load) -> None:
    assert load("plain").process(frame()) is None


def test_an_array_returned_is_the_image_of_a_frame_of_the_same_time(
    load: Load,
) -> None:
    given = np.ones((3, 3), np.uint16)

    found = load("Recorder", returns=given).process(frame(7))

    assert found is not None
    assert found.image is given
    assert found.info.seq == 7


def test_arrays_returned_are_planes_by_name(load: Load) -> None:
    found = load("give_dict").process(frame(2))

    assert found is not None
    assert found["mask"].all()


def test_a_frame_returned_is_taken_for_one_of_the_same_time(load: Load) -> None:
    given = frame(3)

    found = load("Recorder", returns=given).process(frame(7))

    assert found is not None
    assert found.image is given.image
    assert found.info.seq == 7


@pytest.mark.parametrize(
    "returned",
    [[1, 2], "text", 5, {}, {"a": 1}, {"a": np.array([None])}, np.array([{}])],
)
def test_what_is_no_frame_is_refused_by_its_type(load: Load, returned: object) -> None:
    code = load("Recorder", returns=returned)

    with pytest.raises(CallbackError, match=f"returned {type(returned).__name__}, exp"):
        code.process(frame())


# -- what it sends


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(2**60), 2**60),
        (np.bool_(True), True),
        ({"box": np.arange(4).reshape(2, 2)}, {"box": [[0, 1], [2, 3]]}),
        ([None, "ü", 1.5], [None, "ü", 1.5]),
    ],
)
def test_numbers_and_arrays_of_numpy_can_be_sent(
    load: Load, body: object, expected: object
) -> None:
    code = load("Recorder")

    user(code).send(body)

    assert sent(code) == [expected]


def test_what_json_cannot_hold_is_refused(load: Load) -> None:
    with pytest.raises(TypeError, match="cannot hold object"):
        user(load("Recorder")).send(object())


def test_a_message_too_large_for_a_packet_is_refused(load: Load) -> None:
    code = load("Recorder")

    with pytest.raises(CallbackError, match=f"at most {MAX_PACKET}"):
        user(code).send("x" * MAX_PACKET)

    assert (code.sent, code.unsent) == (0, 0)


def test_messages_that_nobody_takes_are_counted_and_block_nobody(load: Load) -> None:
    code = load("Recorder")

    for _ in range(2000):
        user(code).send("x" * 1000)

    assert code.unsent > 0
    assert len(sent(code)) == code.sent == 2000 - code.unsent


def test_messages_while_the_gateway_is_away_are_counted(load: Load) -> None:
    code = load("Recorder")
    code.heard_at.close()  # type: ignore[attr-defined]
    user(code).send(1)
    code.voice = None

    user(code).send(2)

    assert (code.sent, code.unsent) == (0, 2)
