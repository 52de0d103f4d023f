"""What clients ask of cameras: never done here, in the supervisor.

Controls are set by the capture worker that has the camera; a process of its own
looks what cameras there are.
"""

import asyncio
import itertools
from typing import Any

from msgspec.structs import replace

from imagemp.errors import ControlError
from imagemp.link import close_all

from .child import Child
from .pipeline import PipelinePlan
from .post import Post
from .workers.orders import CameraAnswer, ListCameras, Ready, SetControls, Told

LOOK_S = 30.0  # to open four cameras and list the modes of each
SET_S = 10.0  # between two frames, or in the wait for one
NO_ANSWER = "the camera's process has gone, or is just being started"

Answered = asyncio.Future[CameraAnswer]


class Controls:
    """What a capture worker was asked to set, until it has answered."""

    def __init__(self) -> None:
        self._tokens = itertools.count(1)
        self._asked: dict[int, Answered] = {}

    async def set(self, capture: Post, controls: dict[str, Any]) -> dict[str, Any]:
        """Have controls set.

        Raises:
            ControlError: They cannot be, or nobody answers.
        """
        if not capture.is_running:
            raise ControlError("E_BUSY", NO_ANSWER, retryable=True)
        token = next(self._tokens)
        self._asked[token] = asyncio.get_running_loop().create_future()
        capture.send(SetControls(token, controls))
        try:
            return await answer_within(self._asked[token], SET_S)
        finally:
            del self._asked[token]

    def told(self, answer: CameraAnswer) -> None:
        """The worker has answered."""
        asked = self._asked.get(answer.token)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def died(self) -> None:
        """The worker has gone: it answers nothing any more."""
        for asked in self._asked.values():
            give_up(asked)


def with_controls(plan: PipelinePlan, controls: dict[str, Any]) -> PipelinePlan:
    """Give a plan whose source has these controls beside those it had."""
    before = plan.settings.get("controls") or {}
    settings = {**plan.settings, "controls": {**before, **controls}}
    return replace(plan, settings=settings)


async def look() -> dict[str, Any]:
    """Give the cameras that are there, with their modes.

    Raises:
        ControlError: There is none, or it cannot be told.
    """
    answered: Answered = asyncio.get_running_loop().create_future()

    def told(child: Child, message: Told, fds: list[int]) -> None:
        close_all(fds)
        if isinstance(message, Ready):
            child.send(ListCameras())
        elif isinstance(message, CameraAnswer) and not answered.done():
            answered.set_result(message)

    child = Child("lookout", told, lambda *_: give_up(answered))
    try:
        return await answer_within(answered, LOOK_S)
    finally:
        child.kill()


async def answer_within(answered: Answered, seconds: float) -> dict[str, Any]:
    """Wait for an answer; give its result."""
    try:
        answer = await asyncio.wait_for(answered, seconds)
    except TimeoutError as error:
        problem = f"the camera has not answered within {seconds:g} s"
        raise ControlError("E_CAMERA", problem, retryable=True) from error
    if answer.error is not None:
        raise refused(answer.error)
    return answer.result


def refused(told: dict[str, str]) -> ControlError:
    """Give an error that has travelled."""
    return ControlError(told["code"], told["message"], told.get("hint", ""))


def give_up(asked: Answered) -> None:
    """Answer for a process that is gone, unless it has answered."""
    if not asked.done():
        error = {"code": "E_CAMERA", "message": NO_ANSWER}
        asked.set_result(CameraAnswer(error=error))
