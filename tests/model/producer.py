"""The producer: it waits for the camera, and what comes goes through its steps.

Each step is a function of the turn; `pc` says which one is next. One frame's way
is camera, grab, take (or reclaim), fill, then, at once or when it has been spilled,
order, publish, tell.
"""

from collections.abc import Callable

from . import handover, publish, reclaim, spill
from .bounds import Bounds
from .state import State
from .turn import Steps, Turn


def producer_steps(bounds: Bounds, state: State) -> Steps:
    """Give all that the producer and its spill thread can do next."""
    if state.producer.is_alive:
        turn = Turn.of(bounds, state)
        yield from STEPS[state.producer.pc](turn)
        yield from spill.thread_steps(turn)


def camera(t: Turn) -> Steps:
    """Wait for a frame, a message, a completed spill, or the order to stop."""
    p = t.p
    if p.is_stopped or not t.is_mutant("deaf_in_grab"):
        yield from handover.hear_link(t)
    if p.is_stopped or not t.is_mutant("deaf_to_spill_in_grab"):
        yield from spill.hear(t)
    if p.is_stopped:
        yield from _ending(t)
        return
    if t.bounds.lazy:
        yield from reclaim.drain(t)
    if t.state.given < t.bounds.frames:
        given = t.to(p._replace(pc="grab"))
        yield "the source gives P a frame", given._replace(given=t.state.given + 1)
    elif not t.bounds.stalls:
        yield "P is stopped", t.to(p._replace(is_stopped=True))


def grab(t: Turn) -> Steps:
    """Count the frame before anything else is done with it."""
    p = t.p._replace(in_hand=1, pc="take" if t.bounds.lazy else "reclaim")
    counted = 0 if t.is_mutant("grabbed_stored_late") else 1
    grabbed = t.epoch.grabbed + counted
    yield f"P stores grabbed={grabbed}", t.to(p, t.epoch._replace(grabbed=grabbed))


def _ending(t: Turn) -> Steps:
    p = t.p
    yield from reclaim.drain(t)
    is_empty = not p.queue or t.is_mutant("end_before_staged")
    if is_empty and not p.has_ended:
        ended = t.to(p._replace(has_ended=True), t.epoch._replace(end=p.next))
        yield f"P says end {p.next}", ended


STEPS: dict[str, Callable[[Turn], Steps]] = {
    "camera": camera,
    "grab": grab,
    "take": reclaim.take,
    "reclaim": reclaim.reclaim,
    "store_released": reclaim.store_released,
    "revoke": reclaim.revoke,
    "evict": reclaim.evict,
    "sleep": reclaim.sleep,
    "fill": spill.fill,
    "order": publish.store_order,
    "publish": publish.store_published,
    "tell": publish.tell,
    "evict_late": publish.evict_late,
    "store_base": handover.store_base,
    "write_base": handover.write_base,
}
