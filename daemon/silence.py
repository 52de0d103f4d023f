"""A live source that gives no more frames: noticed, and its worker started anew.

A camera may hang for hours while its process looks well. So the count of frames is
looked at once in a while: it must have grown.
"""

import logging

from .accounts import Stage
from .epochs import Epoch
from .pipeline import CAPTURE
from .run import Run

log = logging.getLogger(__name__)
LIMIT_S = 2.0
PERIODS = 10  # of a slow camera, more than LIMIT_S
FIRST_S = 10.0  # for the first frame, and where no rate is known


def limit_s(fps: float, captured: int) -> float:
    """Give how long a source may be silent that has given so many frames."""
    known = max(LIMIT_S, PERIODS / fps) if fps else FIRST_S
    return known if captured else max(FIRST_S, known)


class Silence:
    """Watches the source of one session, epoch by epoch."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen = (-1, 0)  # epoch and frames, at the last look

    def watch(self) -> None:
        """Frames must come, if nothing else decides when.

        Called when an epoch begins, and again at its first frame: from then on a
        shorter silence is too long.
        """
        epoch = self._run.source.live
        self._seen = (-1, 0)
        if epoch is not None and self._is_free_running(epoch):
            self._look()

    def _is_free_running(self, epoch: Epoch) -> bool:
        plan = self._run.facts.plan
        may_wait = plan.ring["when_full"] == "wait"
        return epoch.made.is_live and plan.schedule is None and not may_wait

    def _look(self) -> None:
        run, epoch = self._run, self._run.source.live
        if epoch is None or run.facts.stage not in (Stage.ARMED, Stage.RUNNING):
            return
        captured = epoch.totals().captured
        limit = limit_s(epoch.made.fps, captured)
        if (epoch.number, captured) == self._seen:
            log.error("%s: no frame for %.1f s", run.facts.plan.name, limit)
            run.event("source_silent", {"seconds": limit})
            run.posts[CAPTURE].abort()
            return
        self._seen = (epoch.number, captured)
        run.timers.set("silence", limit, self._look)
