"""What must be true in every state, and where nothing goes on by itself.

1 A frame that a reader has, or has still to come, is whole.
2 Every reader gets each of its frames once, in order; the file has each once.
3 Nobody sleeps while there is something to do.
4 No slot is pinned for nobody.
5 The law: captured = published + dropped + staged, by what the cells say.
6 A stranger alone never keeps the recording from a slot.
7 Nobody loses anything for want of a slot that has been released.
"""

from .bounds import CALLBACK, OUTSIDE, RECORD, Bounds
from .state import BASE, CAPTURE_RESTART, NONE, Epoch, Reader, State, ViolationError
from .turn import Turn


def check(bounds: Bounds, state: State) -> None:
    """Raise `ViolationError` if `state` breaks a promise."""
    last = len(state.epochs) - 1
    for i, epoch in enumerate(state.epochs):
        for j in bounds.every:
            if _may_claim(bounds, state, j, i, is_last=i == last):
                _check_unreleased(epoch, j)
        for j in bounds.latest:
            _check_latest(epoch, i, j, state.readers[j])
    if state.producer.is_alive:
        _check_pins(bounds, state)
    _check_law(bounds, state)


def check_ending(bounds: Bounds, state: State) -> None:
    """Raise `ViolationError` unless all is done that could be done."""
    if state.epochs[-1].staged:
        raise ViolationError(
            f"3 lost wakeup: {state.epochs[-1].staged} staged, all asleep"
        )
    _check_file(bounds, state)
    for j in bounds.latest:
        _check_newest(bounds, state, j)
    if not bounds.stalls:
        _check_producer(bounds, state)
        for j in bounds.places:
            _check_reader(bounds, state, j)
        _check_slots(bounds, state)


def check_outside_cost(t: Turn, kind: range) -> None:
    """Raise if a frame goes without a slot of a kind for the sake of strangers."""
    if t.free(kind, without=t.bounds.outside):
        name = "an overflow" if kind == t.bounds.overflow_slots else "a RAM"
        raise ViolationError(f"6 strangers alone keep {name} slot from a frame")


def check_looked(t: Turn) -> None:
    """Raise if slots are sought elsewhere while released ones wait to be counted."""
    waiting = [j for j, seat in enumerate(t.p.seats) if seat != NONE and t.pair(j).done]
    if waiting:
        raise ViolationError(f"7 a slot lacks, and nobody heard {waiting} release")


def _may_claim(bounds: Bounds, state: State, j: int, i: int, *, is_last: bool) -> bool:
    """Say whether what place `j` has not released in epoch `i` must be there."""
    reader = state.readers[j]
    if reader.status == "finished" or reader.epoch > i:
        return False
    if j not in bounds.outside:
        return True
    pairs, p = state.epochs[i].pairs[j], state.producer
    if reader.status not in {"live", "hung"} or reader.epoch != i or pairs[-1].evicted:
        return False
    if is_last and (not p.is_alive or p.seats[j] == NONE):
        return False
    return reader.next != NONE or pairs[reader.generation].ready > 0


def _check_unreleased(epoch: Epoch, j: int) -> None:
    order = epoch.order
    for index in range(epoch.unreleased[j], epoch.published):
        if epoch.content[order[index % len(order)]] != index:
            raise ViolationError(
                f"1 frame {index}, not released by {j}, was overwritten"
            )


def _check_latest(epoch: Epoch, i: int, j: int, reader: Reader) -> None:
    if reader.status not in {"live", "hung"} or reader.epoch != i:
        return
    pair = epoch.pairs[j][reader.generation]
    if pair.evicted:
        return
    if pair.ready:
        index, slot = divmod(pair.ready - 1, BASE)
        if epoch.content[slot] != index:
            raise ViolationError(f"1 frame {index}, granted to {j}, was overwritten")
    if reader.pc != "wait" and epoch.content[reader.slot] != reader.next:
        raise ViolationError(f"1 frame {reader.next}, held by {j}, was overwritten")


def _check_pins(bounds: Bounds, state: State) -> None:
    if bounds.mutant == "free_before_revoke":
        return  # shows as an overwritten frame, which says more
    p = state.producer
    for j in bounds.latest:
        if p.seats[j] == NONE or state.readers[j].status in {"dead", "gone"}:
            continue
        pins = (p.grant[j] != NONE) + len(p.held[j])
        owned = _owned(state, j)
        if pins != owned:
            raise ViolationError(
                f"4 {pins} slots are pinned for {j}, which has {owned}"
            )


def _owned(state: State, j: int) -> int:
    """Give how many frames reader `j` has truly been granted and not freed."""
    p, reader = state.producer, state.readers[j]
    last = len(state.epochs) - 1
    pair = state.epochs[-1].pairs[j][p.seats[j]]
    has_one = reader.epoch == last and reader.pc != "wait"
    is_using = has_one and reader.status != "finished"
    freeing = p.amount if p.pc == "store_released" and p.place == j else 0
    return (pair.ready > 0) + pair.done + is_using + freeing


def _check_law(bounds: Bounds, state: State) -> None:
    p, epoch = state.producer, state.epochs[-1]
    staged = p.in_hand + len(p.queue)
    if epoch.staged != staged:
        raise ViolationError(f"5 {epoch.staged} staged by the cells, {staged} in truth")
    if any(old.staged for old in state.epochs[:-1]):
        raise ViolationError(
            "5 frames of a dead epoch are neither published nor dropped"
        )
    captured = sum(e.grabbed - e.grabbed_before for e in state.epochs)
    uncounted = 1 if p.pc == "grab" else 0
    off = state.given - state.missed - captured - uncounted
    if off or epoch.grabbed != captured:
        raise ViolationError(f"5 captured is {captured} and off by {off}")
    if RECORD in bounds.readers and state.file > epoch.published:
        raise ViolationError(f"5 {state.file} recorded, {epoch.published} published")


def _check_file(bounds: Bounds, state: State) -> None:
    n = state.epochs[-1].published
    if RECORD in bounds.readers and state.file != n:
        raise ViolationError(f"3 {state.file} recorded of {n} published, all asleep")


def _check_newest(bounds: Bounds, state: State, j: int) -> None:
    """Raise if a `latest` reader that nothing has befallen lacks the newest frame."""
    reader, epoch = state.readers[j], state.epochs[-1]
    is_well = reader.status in {"live", "finished"} and j not in bounds.late
    befallen = state.crashes or state.hangs or sum(epoch.dropped)
    if is_well and not befallen and reader.seen != epoch.published - 1:
        raise ViolationError(f"3 reader {j} never saw the newest frame")


def _check_producer(bounds: Bounds, state: State) -> None:
    p = state.producer
    if not p.has_ended or p.pc != "camera" or state.given != bounds.frames:
        raise ViolationError(f"3 deadlock: producer at {p.pc}")
    dropped = [n for e in state.epochs for n in e.dropped[:CAPTURE_RESTART]]
    if bounds.waits and any(dropped):
        raise ViolationError("5 a frame was dropped in spite of when_full = wait")


def _check_reader(bounds: Bounds, state: State, j: int) -> None:
    reader, kind = state.readers[j], bounds.readers[j]
    newest = state.epochs[-1].published - 1
    must_finish = j in bounds.kept or reader.status == "live"
    if must_finish and reader.status != "finished":
        raise ViolationError(
            f"3 deadlock: reader {j} at {reader.pc}, next {reader.next}"
        )
    if reader.seen == newest:
        return
    if kind == CALLBACK and not state.crashes:
        raise ViolationError(f"2 reader {j} never saw the last frames")
    if kind == OUTSIDE and reader.status == "finished" and j not in bounds.late:
        raise ViolationError(f"2 reader {j} never saw the last frames")


def _check_slots(bounds: Bounds, state: State) -> None:
    p = state.producer
    hung = [j for j in bounds.outside if state.readers[j].status == "hung"]
    used = Turn.of(bounds, state).used()
    if used and all(p.seats[j] == NONE for j in hung):
        raise ViolationError(f"4 slots {sorted(used)} are in use at the end")
