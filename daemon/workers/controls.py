"""Sets controls of a source that runs, and says what came of it."""

import logging

from imagemp.errors import ImagempError, SourceError

from ..sources.base import Source
from .orders import CameraAnswer, SetControls

log = logging.getLogger(__name__)


def set_controls(source: Source | None, order: SetControls) -> CameraAnswer:
    """Set all of them, or none; the frames that follow tell their effect."""
    try:
        if source is None:
            raise SourceError("controls: the source is not open")
        source.set_controls(order.controls)
    except ImagempError as error:
        return CameraAnswer(order.token, error=failed(error))
    except Exception as error:  # what a driver raises is no reason to end a session
        log.exception("controls: not set")
        problem = SourceError(f"controls: {type(error).__name__}: {error}")
        return CameraAnswer(order.token, error=failed(problem))
    result = {"controls": order.controls, "fps": source.fps}
    return CameraAnswer(order.token, result)


def failed(error: ImagempError) -> dict[str, str]:
    """Give an error as it travels."""
    return {"code": error.code, "message": str(error), "hint": error.hint}
