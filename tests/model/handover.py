"""What the producer does on the supervisor's word: attach, hand over, forget.

It listens between two frames, while it waits for the camera and while it waits for
a slot.
"""

from .state import BASE, Epoch, Message, Producer, put
from .turn import Steps, Turn, resting


def hear_link(t: Turn) -> Steps:
    """Read one message."""
    if t.p.link:
        message, *rest = t.p.link
        p = t.p._replace(link=tuple(rest), pc=resting(t.p), place=0)
        yield from HEARERS[message.kind](t, p, message)


def store_base(t: Turn) -> Steps:
    """Store the cell from which a successor goes on."""
    j = t.p.place
    released = put(t.epoch.released, j, t.p.back[j])
    pc = "write_base" if j in t.bounds.every else resting(t.p)
    p = t.p._replace(pc=pc, place=j if pc == "write_base" else 0)
    yield f"P stores released[{j}]", t.to(p, t.epoch._replace(released=released))


def write_base(t: Turn) -> Steps:
    """Write the base, never 0, and the frames that are there already, at once."""
    j, base = t.p.place, t.p.back[t.p.place]
    never_0 = 0 if t.is_mutant("base_may_be_zero") else 1
    first = (base + never_0) * BASE + t.p.next - base
    pair = t.pair(j)._replace(ready=t.pair(j).ready + first)
    p = t.p._replace(pc=resting(t.p), place=0)
    yield f"P writes base {base} to {j}", t.to(p, t.with_pair(j, pair))


def _gone(t: Turn, p: Producer, message: Message) -> Steps:
    j = message.place
    if t.p.seats[j] == message.generation:
        forgotten = t.forgotten(j)
        p = forgotten._replace(link=p.link, pc=p.pc, place=0)
    yield f"P hears that reader {j} is gone", t.to(p)


def _attach(t: Turn, p: Producer, message: Message) -> Steps:
    j = message.place
    p = _seated(p, message, p.next)
    unreleased = put(t.epoch.unreleased, j, p.next)
    epoch = t.epoch._replace(unreleased=unreleased)
    yield f"P attaches reader {j} at {p.next}", t.to(p, epoch)


def _succeed(t: Turn, p: Producer, message: Message) -> Steps:
    """Drain what the dead reader released; the rest is its successor's."""
    j = message.place
    n, epoch = t.read_done(j)
    back = p.back[j] + (0 if t.is_mutant("forget_pending_done") else n)
    if t.is_mutant("drop_place_on_death"):
        back = p.next
        epoch = _without_claim(epoch, j, back)
    p = _seated(p, message, back)
    yield f"P drains the dead reader {j}: {n}", t.to(p, epoch)


def _seated(p: Producer, message: Message, back: int) -> Producer:
    j = message.place
    return p._replace(
        seats=put(p.seats, j, message.generation),
        back=put(p.back, j, back),
        pc="store_base",
        place=j,
    )


def _without_claim(epoch: Epoch, j: int, back: int) -> Epoch:
    return epoch._replace(unreleased=put(epoch.unreleased, j, back))


HEARERS = {"gone": _gone, "attach": _attach, "successor": _succeed}
