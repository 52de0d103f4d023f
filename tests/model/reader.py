"""The readers: ours link or use a frame in one step, strangers copy and validate.

Which frame comes next an `every` reader knows by counting, a `latest` one by what
the grant says.
"""

from dataclasses import dataclass

from .bounds import RECORD, Bounds
from .state import BASE, NONE, Epoch, Pair, Reader, State, ViolationError, put
from .turn import Step, Steps


@dataclass(slots=True)
class Seat:
    """A live reader, with what it sees at hand."""

    bounds: Bounds
    state: State
    j: int
    r: Reader
    epoch: Epoch
    pair: Pair

    @classmethod
    def of(cls, bounds: Bounds, state: State, j: int) -> "Seat":
        """Look at `state` as reader `j` does."""
        r = state.readers[j]
        epoch = state.epochs[r.epoch]
        return cls(bounds, state, j, r, epoch, epoch.pairs[j][r.generation])

    @property
    def is_every(self) -> bool:
        """Say whether it wants every frame."""
        return self.j in self.bounds.every

    @property
    def is_ours(self) -> bool:
        """Say whether it is a worker of ours."""
        return self.j not in self.bounds.outside

    def is_mutant(self, name: str) -> bool:
        """Say whether the rule of that name is broken in this search."""
        return self.bounds.mutant == name

    def content(self, index: int) -> int:
        """Give the frame that is where `order` says `index` is."""
        order = self.epoch.order
        return self.epoch.content[order[index % len(order)]]

    def to(self, r: Reader, pair: Pair | None = None, back: int = NONE) -> State:
        """Give the state in which the reader has moved on.

        Args:
            r: The reader as it is then.
            pair: Its counters as they are then, if they change.
            back: The oldest frame it has not released, if that changes.
        """
        epoch, j = self.epoch, self.j
        if pair is not None:
            generations = put(epoch.pairs[j], self.r.generation, pair)
            epoch = epoch._replace(pairs=put(epoch.pairs, j, generations))
        if back != NONE:
            epoch = epoch._replace(unreleased=put(epoch.unreleased, j, back))
        readers = put(self.state.readers, j, r)
        if epoch is self.epoch:
            return self.state._replace(readers=readers)
        epochs = put(self.state.epochs, self.r.epoch, epoch)
        return self.state._replace(readers=readers, epochs=epochs)


def reader_steps(bounds: Bounds, state: State, j: int) -> Steps:
    """Give all that reader `j` can do next."""
    if state.readers[j].status != "live":
        return
    seat = Seat.of(bounds, state, j)
    if seat.r.pc == "wait":
        yield from _wait_every(seat) if seat.is_every else _wait_latest(seat)
    elif seat.r.pc == "copy":
        yield _copy_half(seat)
    elif seat.r.pc == "validate":
        yield _validate(seat)
    elif seat.r.pc == "release":
        yield _release(seat)
    else:
        yield _link_late(seat)


def _wait_every(s: Seat) -> Steps:
    r = s.r
    if not s.is_ours and s.pair.evicted:
        yield f"R{s.j} learns it was evicted", s.to(r._replace(status="gone"))
    elif _takes_base_from_end(s):
        base = s.epoch.bases[s.j]
        told = r._replace(next=base, granted=s.epoch.end)
        yield f"R{s.j} learns base {base} from the end", s.to(told)
    elif 0 <= r.next < _available(s):
        yield _begin_frame(s)
    elif _has_all(s):
        yield from _leave_epoch(s)
    elif s.pair.ready:
        yield _drain_ready(s)


def _takes_base_from_end(s: Seat) -> bool:
    """Say whether the base told at a producer's death is for this reader."""
    if s.r.next != NONE or not s.epoch.bases or s.is_mutant("end_from_ready_only"):
        return False
    return s.is_ours or s.is_mutant("outside_base_from_cell")


def _available(s: Seat) -> int:
    """Give the index up to which frames are its own; the end overrules `ready`."""
    if s.is_mutant("end_from_ready_only"):
        return s.r.granted
    return max(s.r.granted, s.epoch.end)


def _has_all(s: Seat) -> bool:
    """Say whether this epoch has nothing more for it."""
    if s.epoch.end == NONE:
        return False
    if s.r.next == NONE:  # attached to a producer that died before it answered
        return bool(s.epoch.bases) and not s.pair.ready
    is_deaf = s.is_mutant("end_from_ready_only") and not s.pair.ready
    return s.r.next >= s.epoch.end or is_deaf


def _drain_ready(s: Seat) -> Step:
    r, n = s.r, s.pair.ready % BASE
    may_be_0 = s.is_mutant("base_may_be_zero") and r.generation > 0
    base = s.pair.ready // BASE - (0 if may_be_0 else 1)
    if r.next == NONE:
        r = r._replace(next=base, granted=base + n)
    else:
        r = r._replace(granted=r.granted + n)
    return f"R{s.j} drains ready: {n}", s.to(r, s.pair._replace(ready=0))


def _begin_frame(s: Seat) -> Step:
    """Use the next frame; a recorder skips what its file has already."""
    r, kind = s.r, s.bounds.readers[s.j]
    if not s.is_ours:
        slot = s.epoch.order[r.next % len(s.epoch.order)]
        return f"R{s.j} finds {r.next} in {slot}", s.to(
            r._replace(pc="copy", slot=slot)
        )
    if s.is_mutant("done_before_link"):
        freed = s.pair._replace(done=s.pair.done + 1)
        late = s.to(r._replace(pc="link"), freed, r.next + 1)
        return f"R{s.j} releases {r.next} first", late
    if kind == RECORD and r.next < s.state.file and not s.is_mutant("no_skip"):
        return _release(s)
    return _use(s, (s.content(r.next),) * 2, r._replace(pc="release"))


def _wait_latest(s: Seat) -> Steps:
    if not s.is_ours and s.pair.evicted:
        yield f"R{s.j} learns it was evicted", s.to(s.r._replace(status="gone"))
    elif s.pair.ready:
        yield _take_grant(s)
    elif s.epoch.end != NONE:
        yield from _leave_epoch(s)


def _take_grant(s: Seat) -> Step:
    index, slot = divmod(s.pair.ready - 1, BASE)
    content = s.epoch.content[slot]
    r = s.r._replace(slot=slot, next=index, pc="copy")
    if s.is_ours:
        if content != index:
            raise ViolationError(f"1 reader {s.j} took {index} but saw {content}")
        r = r._replace(seen=index, pc="release")
    return f"R{s.j} takes {index} in {slot}", s.to(r, s.pair._replace(ready=0))


def _copy_half(s: Seat) -> Step:
    halves = (*s.r.halves, s.epoch.content[s.r.slot])
    pc = "copy" if len(halves) == 1 else "validate"
    copied = s.to(s.r._replace(halves=halves, pc=pc))
    return f"R{s.j} copies half {len(halves)} of {s.r.next}", copied


def _validate(s: Seat) -> Step:
    """Read `evicted` after the copy: nothing there, so the copy is whole."""
    if s.pair.evicted and not s.is_mutant("no_validation"):
        gone = s.r._replace(status="gone", halves=())
        return f"R{s.j} discards its copy: evicted", s.to(gone)
    return _use(s, s.r.halves, s.r._replace(pc="release", halves=()))


def _release(s: Seat) -> Step:
    freed = s.pair._replace(done=s.pair.done + 1)
    if s.is_every:
        back = s.r.next + 1
        r = s.r._replace(pc="wait", slot=0, next=back)
        return f"R{s.j} releases {s.r.next}", s.to(r, freed, back)
    r = s.r._replace(pc="wait", slot=0, next=NONE)
    return f"R{s.j} releases {s.r.next}", s.to(r, freed)


def _link_late(s: Seat) -> Step:
    """Link a page after its release (only a mutant comes here)."""
    halves = (s.r.next, s.r.next)
    return _use(s, halves, s.r._replace(pc="wait", next=s.r.next + 1))


def _use(s: Seat, halves: tuple[int, ...], r: Reader) -> Step:
    """Accept a frame: it must be whole, and neither early, late nor repeated."""
    index = s.r.next
    if halves != (index, index):
        raise ViolationError(f"1 reader {s.j} accepted {index} but saw {halves}")
    if s.is_every and s.r.seen >= index:
        raise ViolationError(f"2 reader {s.j} saw {index} twice")
    if s.is_every and s.epoch.unreleased[s.j] > index and not _may_repeat(s):
        raise ViolationError(f"2 frame {index}, released, came to reader {s.j} again")
    used = s.to(r._replace(seen=index))
    if s.bounds.readers[s.j] == RECORD:
        if index != s.state.file:
            raise ViolationError(f"2 page {index} is linked after {s.state.file} pages")
        used = used._replace(file=index + 1)
    return f"R{s.j} uses {index}", used


def _may_repeat(s: Seat) -> bool:
    """Say whether a released frame may come again: reader and producer died."""
    had_new_producer = len(s.state.epochs) > 1 or not s.state.producer.is_alive
    both_died = s.state.crashes > 1 and had_new_producer
    return both_died or s.is_mutant("done_before_link")


def _leave_epoch(s: Seat) -> Steps:
    """Go on in the next epoch, or finish if the producer said the end."""
    after = s.r.epoch + 1
    if after < len(s.state.epochs):
        newest = len(s.state.epochs[after].pairs[s.j]) - 1
        r = Reader("live", after, newest, seen=s.r.seen)
        yield f"R{s.j} enters epoch {after}", s.to(r)
    elif s.state.producer.is_alive:
        yield f"R{s.j} is finished", s.to(s.r._replace(status="finished"))
