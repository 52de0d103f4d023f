"""A source that does not open, or gives no more frames: noticed, and started anew.

A camera may hang for hours while its process looks well. So the count of frames is
looked at once in a while: it must have grown.
"""

from collections.abc import Callable

from msgspec.structs import replace

from .accounts import Stage
from .epochs import Epoch
from .pipeline import CAPTURE
from .run import Run

LIMIT_S = 2.0
PERIODS = 10  # of a slow camera, more than LIMIT_S
OPEN_S = 30.0  # a stream that does not answer takes 20
FIRST_S = 10.0  # for the first frame, and where no rate is known


def limit_s(fps: float, came: int) -> float:
    """Give how long a source may be silent that has given so many frames."""
    known = max(LIMIT_S, PERIODS / fps) if fps else FIRST_S
    return known if came else max(FIRST_S, known)


class Silence:
    """Watches the source of one session, epoch by epoch.

    Args:
        run: The session's.
        give_up: Called with code, problem and hint when it cannot begin.
    """

    def __init__(self, run: Run, give_up: Callable[[str, str, str], None]) -> None:
        self._run, self._give_up = run, give_up
        self._seen = (-1, 0)  # epoch and frames, at the last look

    def opening(self) -> None:
        """The source is to be opened; one that hangs in that is aborted."""
        self._run.timers.set("open", OPEN_S, self._open_hangs)

    def opened(self) -> None:
        """It is open, or has said why it is not."""
        self._run.timers.cancel("open")

    def watch(self) -> None:
        """Frames must come, if nothing else decides when.

        Those that a timetable lets go count as well.

        Called when an epoch begins, and again at its first frame: from then on a
        shorter silence is too long.
        """
        epoch = self._run.source.live
        self._seen = (-1, 0)
        if epoch is not None and self._gives_frames(epoch):
            self._look()

    def rate_is(self, fps: float) -> None:
        """The rate was changed by a control: another silence is too long now."""
        epoch = self._run.source.live
        if epoch is not None and epoch.made.fps != fps:
            epoch.made = replace(epoch.made, fps=fps)
            self.watch()

    def _open_hangs(self) -> None:
        run, problem = self._run, f"the source does not open within {OPEN_S:g} s"
        run.event("open_hangs", {"seconds": OPEN_S})
        run.posts[CAPTURE].abort()
        if run.facts.stage is Stage.STARTING:
            self._give_up("E_CAMERA", problem, "where it hangs is in the log")

    def _gives_frames(self, epoch: Epoch) -> bool:
        plan = self._run.facts.plan
        may_wait = plan.ring["when_full"] == "wait"
        if may_wait or not epoch.made.is_live:
            return False
        # a timetable lets frames go, but they come: if at what rate is known
        return plan.schedule is None or epoch.made.fps > 0

    def _look(self) -> None:
        run, epoch = self._run, self._run.source.live
        if epoch is None or run.facts.stage not in (Stage.ARMED, Stage.RUNNING):
            return
        totals = epoch.totals()
        came = totals.captured + totals.not_wanted
        limit = limit_s(epoch.made.fps, came)
        if (epoch.number, came) == self._seen:
            run.event("source_silent", {"seconds": limit})
            run.posts[CAPTURE].abort()
            return
        self._seen = (epoch.number, came)
        run.timers.set("silence", limit, self._look)
