"""How the producer comes by a slot: reclaim, revoke, evict, then wait or drop.

A frame needs a RAM slot, and one that is to be spilled an overflow slot as well.
Either is sought in the same way, but for want of an overflow slot no frame waits
or is dropped: it is published from where it is. Strangers are evicted for either, but
for an overflow slot only when RAM slots are few.
"""

from . import handover, spill
from .properties import check_looked, check_outside_cost
from .state import NONE, OVERFLOW_SLOW, RING_FULL, put
from .turn import Step, Steps, Turn, resting


def take(t: Turn) -> Steps:
    """Take a free slot without looking for released ones, if there is any."""
    if _lack(t) is None:
        yield _begin(t)
    yield "P reclaims", t.to(t.p._replace(pc="reclaim"))


def reclaim(t: Turn) -> Steps:
    """Read every counter that shows something, then decide."""
    is_quiet = True
    for step in () if t.is_mutant("lack_unlooked") else drain(t):
        is_quiet = False
        yield step
    for step in spill.hear(t):
        is_quiet = False
        yield step
    if is_quiet:
        lack = _lack(t)
        yield _begin(t) if lack is None else _seek(t, lack)


def drain(t: Turn) -> Steps:
    """Read one `done` that is not empty."""
    for j, seat in enumerate(t.p.seats):
        if seat == NONE or not t.pair(j).done:
            continue
        n, epoch = t.read_done(j)
        if j in t.bounds.every and t.is_mutant("free_before_released_cell"):
            p = t.credit(j, n)
            p = p._replace(pc="take" if p.in_hand else "camera")
            yield f"P drains done[{j}]={n} and frees", t.to(p, epoch)
        else:
            p = t.p._replace(pc="store_released", place=j, amount=n)
            yield f"P drains done[{j}]={n}", t.to(p, epoch)


def store_released(t: Turn) -> Steps:
    """Store the cell; only now the frames are free."""
    j, epoch = t.p.place, t.epoch
    p = t.credit(j, t.p.amount)
    if j in t.bounds.every:
        epoch = epoch._replace(released=put(epoch.released, j, p.back[j]))
    p = p._replace(pc=resting(p), place=0, amount=0)
    yield f"P stores released[{j}]", t.to(p, epoch)


def revoke(t: Turn) -> Steps:
    """Read back a grant, to have its slot."""
    j = t.p.place
    pair = t.pair(j)
    p = t.ungranted(j, taken=not pair.ready)._replace(pc="reclaim", place=0)
    found = "revoked" if pair.ready else "taken"
    epoch = t.with_pair(j, pair._replace(ready=0))
    yield f"P reads back the grant of {j}: {found}", t.to(p, epoch)


def evict(t: Turn) -> Steps:
    """Tell a stranger that it lost its place; only then its slots are free."""
    j = t.p.place
    p = t.forgotten(j)._replace(pc="reclaim", place=0)
    if t.is_mutant("reuse_before_evict"):
        yield f"P drops {j}, tells it later", t.to(p._replace(owed=j))
    else:
        pair = t.pair(j)._replace(evicted=1)
        yield f"P evicts {j}", t.to(p, t.with_pair(j, pair))


def sleep(t: Turn) -> Steps:
    """Wait for a slot: poll every `done`, the link and the spill thread."""
    yield from drain(t)
    if not t.is_mutant("sleep_without_spill"):
        yield from spill.hear(t)
    if not t.is_mutant("sleep_without_link"):
        yield from handover.hear_link(t)


def _lack(t: Turn) -> range | None:
    """Give the kind of slot that the frame in hand lacks."""
    free = t.free(t.bounds.ram_slots)
    if not free:
        return t.bounds.ram_slots
    if t.is_short(len(free) - 1) and not t.free(t.bounds.overflow_slots):
        return t.bounds.overflow_slots
    return None


def _begin(t: Turn) -> Step:
    slot = t.free(t.bounds.ram_slots)[0]  # any will do: slots are alike
    content = put(t.epoch.content, slot, NONE)
    p = t.p._replace(pc="fill", slot=slot)
    return f"P begins slot {slot}", t.to(p, t.epoch._replace(content=content))


def _seek(t: Turn, kind: range) -> Step:
    """Take a slot from a reader that can do without it; else do without a slot."""
    check_looked(t)
    for j in t.bounds.latest:
        if t.p.grant[j] != NONE and t.free(kind, skip=j):
            return f"P wants grant of {j}", t.to(t.p._replace(pc="revoke", place=j))
    victim = _victim(t, kind)
    if victim != NONE:
        evicting = t.p._replace(pc="evict", place=victim)
        return f"P must evict {victim}", t.to(evicting)
    if kind == t.bounds.overflow_slots:
        return _begin(t)
    return _wait_or_drop(t)


def _victim(t: Turn, kind: range) -> int:
    """Give the stranger to evict: one that is enough by itself, else the first."""
    if t.is_mutant("never_evict"):
        return NONE
    if kind == t.bounds.overflow_slots and t.is_mutant("strangers_keep_overflow"):
        return NONE
    outside = [j for j in t.bounds.outside if t.p.seats[j] != NONE]
    if not t.free(kind, without=outside):
        return NONE
    enough = [j for j in outside if t.free(kind, without=[j])]
    return (enough or outside)[0]


def _wait_or_drop(t: Turn) -> Step:
    if t.bounds.waits:
        return "P sleeps", t.to(t.p._replace(pc="sleep"))
    check_outside_cost(t, t.bounds.ram_slots)
    cause = OVERFLOW_SLOW if t.p.queue else RING_FULL
    dropped = put(t.epoch.dropped, cause, t.epoch.dropped[cause] + 1)
    p = t.p._replace(pc="camera", in_hand=0)
    return "P drops a frame", t.to(p, t.epoch._replace(dropped=dropped))
