"""From a filled RAM slot to a frame that may be published, by way of overflow.

The producer queues a filled frame, and publishes the head of the queue as soon as
it is whole: at once, if nothing is before it and RAM is plenty. The spill thread
copies, one frame after the other, and knows nothing but what to copy whereto.
"""

from .properties import check_outside_cost
from .state import IDLE, NONE, Entry, put
from .turn import Steps, Turn, resting


def fill(t: Turn) -> Steps:
    """Fill the slot and queue the frame, by the index it is going to have."""
    p, slot = t.p, t.p.slot
    index = p.next + len(p.queue)
    content = put(t.epoch.content, slot, index)
    entry = Entry(slot, *_way(t))
    todo = p.spill.todo if entry.over == NONE else (*p.spill.todo, entry[:2])
    queue = (*p.queue, entry)
    if t.is_mutant("overtake_staged") and entry.is_whole:
        queue = (entry, *p.queue)
    p = p._replace(in_hand=0, slot=NONE, queue=queue, spill=p.spill._replace(todo=todo))
    filled = t.to(p._replace(pc=resting(p)), t.epoch._replace(content=content))
    yield f"P fills slot {slot} with {index}", filled


def hear(t: Turn) -> Steps:
    """Read the spill thread's counter: so many more frames are whole."""
    n = t.p.spill.done
    if n:
        queue = list(t.p.queue)
        unheard = [i for i, entry in enumerate(queue) if not entry.is_whole]
        for i in unheard[:n]:
            queue[i] = queue[i]._replace(is_whole=True)
        spill = t.p.spill._replace(done=0)
        p = t.p._replace(queue=tuple(queue), spill=spill)
        yield f"P hears of {n} spilled", t.to(p._replace(pc=resting(p)))


def thread_steps(t: Turn) -> Steps:
    """Give what the spill thread can do next."""
    if t.p.spill.todo:
        yield from _begin_copy(t) if t.p.spill.half == IDLE else _end_copy(t)


def _way(t: Turn) -> tuple[int, bool]:
    """Give the overflow slot a filled frame goes to, and whether it is whole."""
    left = len(t.free(t.bounds.ram_slots))
    free = t.free(t.bounds.overflow_slots)
    if not free and t.is_short(left):
        check_outside_cost(t, t.bounds.overflow_slots)
    if not free or not t.is_spilled(left):
        return NONE, True
    return free[0], t.is_mutant("publish_before_pwrite")


def _begin_copy(t: Turn) -> Steps:
    ram, over = t.p.spill.todo[0]
    spill = t.p.spill._replace(half=t.epoch.content[ram])
    if t.is_mutant("signal_before_pwrite"):
        spill = spill._replace(done=spill.done + 1)
    epoch = t.epoch._replace(content=put(t.epoch.content, over, NONE))
    yield f"T begins to copy {ram} to {over}", t.to(t.p._replace(spill=spill), epoch)


def _end_copy(t: Turn) -> Steps:
    (ram, over), *todo = t.p.spill.todo
    half, done = t.p.spill.half, t.p.spill.done
    whole = half if half == t.epoch.content[ram] else NONE
    told = 0 if t.is_mutant("signal_before_pwrite") else 1
    spill = t.p.spill._replace(todo=tuple(todo), half=IDLE, done=done + told)
    epoch = t.epoch._replace(content=put(t.epoch.content, over, whole))
    yield f"T has copied {ram} to {over}", t.to(t.p._replace(spill=spill), epoch)
