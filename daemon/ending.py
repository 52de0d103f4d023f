"""How a session ends: the source stops, what was published drains, all is closed."""

import logging
import time
from typing import Any, Literal

import msgspec

from imagemp.clock import boottime_ns

from .accounts import Facts, Stage, close_law
from .logs import fields
from .pipeline import CAPTURE, SOURCE
from .post import Post
from .run import Run
from .wallclock import clock_pair
from .workers.orders import Discard, Ended, Finalise, LetGo, Stop

log = logging.getLogger(__name__)
STOP_S = 2.0  # what a camera gets to stop, or two of its periods
FINALISE_S = 30.0  # for the manifest to be written
STALLED_S = 10.0  # without a frame written, draining has failed


class Ending:
    """The end of one session, however it comes about."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._moved_at = 0.0  # when draining last moved on
        self._handled = -1  # and how far it was then
        self._asked_ns = 0  # when somebody asked for it
        self._writers: list[Post] = []  # whose part of the manifest is yet to come

    # -- ways to end

    def stop(self, *, now: bool = False) -> None:
        """Somebody asks for the end; `now`: what is not written is left."""
        run, facts = self._run, self._run.facts
        if facts.has_ended:
            return
        facts.reason = facts.reason or "stopped"
        self._asked_ns = boottime_ns()
        if now:
            for worker in facts.undrained:
                run.send(worker, Discard())
        if facts.stage is Stage.WAITING:
            for ring in self._run.rings.values():
                ring.ended(0)  # for guests
            self.conclude()
        elif facts.stage is Stage.STARTING:
            self.abort()
        elif facts.stage in (Stage.ARMED, Stage.RUNNING):
            run.set_stage(Stage.STOPPING)
            self._stop_source()

    def duration_over(self) -> None:
        """The source fell silent before it could see that its time was over."""
        facts = self._run.facts
        facts.reason = facts.reason or "duration"
        self.stop()

    def source_ended(self, told: Ended) -> None:
        """No more frames come."""
        run, facts = self._run, self._run.facts
        facts.reason = facts.reason or told.reason
        if told.reason == "failed":
            facts.fail("E_CAMERA", f"{facts.plan.name}: {told.message}", told.hint)
        if facts.plan.schedule is None:
            run.source.no_more_wanted(facts.end_ns(self._asked_ns or boottime_ns()))
        run.timers.cancel("open", "stop", "duration", "retry")
        run.set_stage(Stage.STOPPING)
        run.begun()
        if facts.undrained:
            self._watch_draining()
        else:
            self._finalise()

    def abort(self) -> None:
        """The session could not begin: close what was opened."""
        run = self._run
        run.posts[CAPTURE].let_go()
        for ring in run.rings.values():
            ring.ended(0)
        self._finalise()

    def give_up_on(self, post: Post) -> None:
        """Too many failures: a callback is left out, an encoder ends the run."""
        run, facts = self._run, self._run.facts
        run.event("gave_up", {"worker": post.name})
        is_encoder = post.kind == "encoder"
        ends = is_encoder or facts.stage is Stage.STARTING
        if ends:
            problem = f"{facts.plan.name}: worker {post.name} failed too often"
            facts.fail("E_INTERNAL", problem, "see the log")
        self.leave_out(post, "undrained" if is_encoder else "callback_error")
        if ends:
            self.stop()

    def leave_out(self, post: Post, cause: str) -> None:
        """A consumer will not come back: what it leaves is skipped under a cause."""
        run, facts = self._run, self._run.facts
        facts.given_up.setdefault(post.name, cause)
        for ring in run.rings.values():
            ring.reader_gone(post.name)
            if ring.plan.producer == post.name:
                ring.give_up()
        facts.waiting.discard(post.name)
        self.has_drained(post.name)
        if post.kind == "encoder":
            self.has_finished(post)

    # -- draining

    def has_drained(self, worker: str) -> None:
        """A consumer has nothing left to do, or will not do it."""
        facts = self._run.facts
        facts.undrained.discard(worker)
        if facts.stage is Stage.STOPPING and not facts.undrained:
            self._finalise()

    def _stop_source(self) -> None:
        """Tell the source to stop; a camera whose stop hangs is killed."""
        run = self._run
        ring = run.source
        if ring.live is None:  # it is just being restarted
            ring.give_up()
            facts = run.facts
            self.source_ended(Ended(facts.id, 0, 0, facts.reason))
            return
        run.send(CAPTURE, Stop())
        fps = ring.live.made.fps
        grace = max(STOP_S, 2 / fps) if fps else STOP_S
        run.timers.set("stop", grace, self._kill_source)

    def _kill_source(self) -> None:
        run = self._run
        run.event("stop_hangs", {})
        run.posts[CAPTURE].kill()
        self._watch_draining()

    def _watch_draining(self) -> None:
        """Give up when no frame was dealt with for 10 s."""
        run, facts = self._run, self._run.facts
        if facts.stage is not Stage.STOPPING:
            return
        handled = sum(report.handled for report in facts.reports.values())
        now = run.timers.now
        if handled != self._handled:
            self._moved_at, self._handled = now, handled
        elif now - self._moved_at >= STALLED_S:
            self._give_up_draining()
            return
        run.timers.set("drain", STALLED_S / 4, self._watch_draining)

    def _give_up_draining(self) -> None:
        run, facts = self._run, self._run.facts
        for worker in sorted(facts.undrained):
            run.event("drain_stalled", {"worker": worker})
            facts.given_up[worker] = "undrained"
            facts.fail("E_DISK", f"{facts.plan.name}: {worker} does not drain")
            run.posts[worker].kill()
            self.has_drained(worker)

    # -- closing

    def _finalise(self) -> None:
        """All is accounted for: have the manifest written."""
        run, facts = self._run, self._run.facts
        if facts.stage is Stage.FINALISING or facts.has_ended:
            return
        facts.stage = Stage.FINALISING
        facts.clock.append(clock_pair())
        totals = run.totals()
        facts.counts = close_law(facts, totals)
        if facts.plan.schedule is not None:
            source = totals[SOURCE]
            told = {"late": source.late, "not_wanted": source.not_wanted}
            run.event("timetable", told)
        for broken in facts.counts.broken():
            log.error("accounts do not close: %s", broken, extra=_whose(facts))
        self._writers = self._encoders()
        self._write_next()

    def _finalise_hangs(self) -> None:
        facts = self._run.facts
        problem = "the manifest is not written after %d s"
        log.error(problem, FINALISE_S, extra=_whose(facts))
        facts.fail("E_DISK", f"{facts.plan.name}: the disk does not answer")
        self.conclude()

    def has_finished(self, post: Post) -> None:
        """An encoder has written its part of the manifest, or never will."""
        if post in self._writers:
            self._writers.remove(post)
        if self._run.facts.stage is Stage.FINALISING:
            self._write_next()

    def opened_late(self, post: Post) -> None:
        """An encoder is back at work on a session that is being closed, or is."""
        if self._run.facts.has_ended or post in self._writers[:1]:
            self._have_written(post)

    def _write_next(self) -> None:
        if not self._writers:
            self.conclude()
            return
        self._run.timers.set("finalise", FINALISE_S, self._finalise_hangs)
        self._have_written(self._writers[0])

    def _have_written(self, post: Post) -> None:
        """Have an encoder close its files and write its part of session.json."""
        facts = self._run.facts
        missing = facts.events_left_out
        left_out = [{"name": "events_left_out", "n": missing}] if missing else []
        end: Literal["complete", "incomplete"] = (
            "incomplete" if facts.problem else "complete"
        )
        order = Finalise(
            "running" if post in self._writers[:-1] else end,
            time.time_ns(),
            msgspec.to_builtins(facts.counts),
            [*facts.events, *left_out],
            facts.clock,
            facts.is_void,
        )
        if post.kind == "encoder":
            post.send(order)

    def conclude(self) -> None:
        """Let go of everything; whoever waits for the session hears of it."""
        run, facts = self._run, self._run.facts
        if facts.has_ended:
            return
        run.timers.cancel()
        for ring in run.rings.values():
            if ring.plan.producer != CAPTURE:
                run.send(ring.plan.producer, LetGo())
            ring.close()
        run.posts[CAPTURE].let_go()
        facts.dir = "" if facts.is_void else facts.dir
        run.set_stage(Stage.INCOMPLETE if facts.problem else Stage.COMPLETE)
        run.over()

    def _encoders(self) -> list[Post]:
        """Give the encoders that have the folder open, the manifest's keeper last."""
        facts, posts = self._run.facts, self._run.posts.values()
        able = facts.opened - facts.given_up.keys()
        return [p for p in posts if p.kind == "encoder" and p.name in able][::-1]


def _whose(facts: Facts) -> dict[str, Any]:
    return fields(pipeline=facts.plan.name, session=facts.id)
