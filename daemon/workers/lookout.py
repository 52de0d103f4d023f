"""The lookout: a process that says what cameras there are, and leaves.

Cameras are asked in it, not in the supervisor: libcamera may take seconds, and a
driver may hang.
"""

import logging
import select
from typing import ClassVar

from imagemp.errors import ImagempError

from ..sources.pi_list import list_cameras
from .base import Worker
from .controls import failed
from .orders import CameraAnswer, ListCameras

log = logging.getLogger(__name__)


class Lookout(Worker):
    """Answers once."""

    kind: ClassVar[str] = "lookout"

    def step(self) -> None:
        select.select([self.outbox], [], [])
        self.serve_link()

    def on_list_cameras(self, _order: ListCameras, _fds: list[int]) -> None:
        try:
            answer = CameraAnswer(result={"cameras": list_cameras()})
        except ImagempError as error:
            answer = CameraAnswer(error=failed(error))
        self.tell(answer)
        self.leaving = True
