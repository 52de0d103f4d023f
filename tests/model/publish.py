"""Publish steps 3 to 7, for the head of the producer's queue.

`order` before `published` before any `ready`: each is visible only through the next.
"""

from .state import BASE, NONE, Producer, ViolationError, put
from .turn import Steps, Turn, resting


def store_order(t: Turn) -> Steps:
    """Store where the frame is."""
    p, slot = t.p, t.p.queue[0].slot
    content = t.epoch.content[slot]
    if content != p.next:
        raise ViolationError(f"2 frame {content} is published as {p.next}")
    order = put(t.epoch.order, p.next % t.bounds.order_length, slot)
    p = p._replace(slot=slot, pc="publish")
    if t.is_mutant("published_after_ready"):
        p = _move_on(t, p._replace(pc="tell"), 0)
    yield f"P stores order[{p.next}]={slot}", t.to(p, t.epoch._replace(order=order))


def store_published(t: Turn) -> Steps:
    """Store `published`: the frame is staged no more, its RAM slot may be free."""
    p = t.p._replace(queue=t.p.queue[1:])
    is_late = t.is_mutant("published_after_ready")
    p = _close(p) if is_late else _move_on(t, p, 0)
    published = t.p.next + 1
    yield (
        f"P stores published={published}",
        t.to(p, t.epoch._replace(published=published)),
    )


def tell(t: Turn) -> Steps:
    """Write one `ready`; `latest` gives back its last grant before."""
    turn = t.p.place
    j = t.bounds.told[turn]
    pair = t.pair(j)
    if j in t.bounds.every:
        p = _move_on(t, t.p, turn + 1)
        epoch = t.with_pair(j, pair._replace(ready=pair.ready + 1))
        yield f"P ready[{j}] += 1", t.to(p, epoch)
    elif t.p.grant[j] != NONE and not t.is_mutant("free_before_revoke"):
        p = t.ungranted(j, taken=not pair.ready)
        found = "revoked" if pair.ready else "taken"
        epoch = t.with_pair(j, pair._replace(ready=0))
        yield f"P reads back the grant of {j}: {found}", t.to(p, epoch)
    else:
        yield from _grant(t, j)


def evict_late(t: Turn) -> Steps:
    """Tell a stranger, too late, that it was evicted (only a mutant comes here)."""
    j = t.p.owed
    seat = len(t.epoch.pairs[j]) - 1
    pair = t.epoch.pairs[j][seat]._replace(evicted=1)
    p = _close(t.p._replace(owed=NONE))
    yield f"P evicts {j}, too late", t.to(p, t.with_pair(j, pair, seat))


def _grant(t: Turn, j: int) -> Steps:
    pair, value = t.pair(j), t.p.next * BASE + t.p.slot + 1
    if pair.ready and not t.is_mutant("free_before_revoke"):
        raise ViolationError("4 two grants are summed in one counter")
    p = t.p._replace(grant=put(t.p.grant, j, t.p.slot))
    p = _move_on(t, p, t.p.place + 1)
    epoch = t.with_pair(j, pair._replace(ready=value))
    yield f"P grants {t.p.next} to {j}", t.to(p, epoch)


def _move_on(t: Turn, p: Producer, turn: int) -> Producer:
    """Give the books set to the next attached reader to tell, or to the end."""
    told = t.bounds.told
    while turn < len(told) and p.seats[told[turn]] == NONE:
        turn += 1
    if turn < len(told):
        return p._replace(pc="tell", place=turn)
    if t.is_mutant("published_after_ready") and p.pc == "tell":
        return p._replace(pc="publish", place=0)
    if p.owed != NONE:
        return p._replace(pc="evict_late", place=0)
    return _close(p)


def _close(p: Producer) -> Producer:
    p = p._replace(next=p.next + 1, slot=NONE, place=0)
    return p._replace(pc=resting(p))
