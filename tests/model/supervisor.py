"""The supervisor: it ends a dead producer's epoch and replaces dead readers."""

from .bounds import Bounds
from .state import (
    CAPTURE_RESTART,
    NONE,
    Epoch,
    Message,
    Pair,
    Producer,
    Reader,
    State,
    new_epoch,
    new_producer,
    put,
)
from .turn import Step, Steps


def supervisor_steps(bounds: Bounds, state: State) -> Steps:
    """Give all that the supervisor can do next."""
    if not state.producer.is_alive:
        yield _change_epoch(bounds, state)
    for j, reader in enumerate(state.readers):
        if reader.status == "dead" and j not in bounds.kept:
            yield _bury(state, j, reader)
        elif reader.status == "dead" and state.producer.is_alive:
            yield _succeed(bounds, state, j, reader)
        elif _has_left(bounds, state, j, reader):
            yield f"V: reader {j} has left", _send(state, "gone", j)
        elif reader.status == "absent" and _takes_readers(state.producer):
            yield _welcome(state, j)


def _change_epoch(bounds: Bounds, state: State) -> Step:
    """Read the cells of the dead producer, tell the end, start the next one."""
    ended = _ended(bounds, state.epochs[-1])
    grabbed = ended.grabbed
    if bounds.mutant == "grabbed_restarts":
        grabbed = ended.published
    fresh = new_epoch(bounds, ended.end, grabbed)
    seats = tuple(0 if _is_seated(bounds, state, j) else NONE for j in bounds.places)
    changed = state._replace(
        epochs=(*state.epochs[:-1], ended, fresh),
        producer=new_producer(bounds, ended.end, seats),
    )
    return f"V: producer dead, new epoch from {ended.end}", changed


def _ended(bounds: Bounds, epoch: Epoch) -> Epoch:
    """Give the epoch with its end and bases, and what was staged dropped."""
    lost = 0 if bounds.mutant == "staged_forgotten" else epoch.staged
    return epoch._replace(
        end=epoch.published,
        bases=tuple(_base(epoch, j) for j in bounds.places),
        dropped=put(epoch.dropped, CAPTURE_RESTART, lost),
    )


def _base(epoch: Epoch, j: int) -> int:
    """Give where place `j` goes on: the cell, and what no one drained."""
    return epoch.released[j] + sum(pair.done for pair in epoch.pairs[j])


def _is_seated(bounds: Bounds, state: State, j: int) -> bool:
    is_evicted = state.epochs[-1].pairs[j][-1].evicted and j in bounds.outside
    return state.readers[j].status in {"live", "hung", "dead"} and not is_evicted


def _bury(state: State, j: int, reader: Reader) -> Step:
    """Let go a reader that gets no successor on its place."""
    gone = Reader("gone", reader.epoch, reader.generation, seen=reader.seen)
    buried = state._replace(readers=put(state.readers, j, gone))
    return f"V: reader {j} is dead and gone", _send(buried, "gone", j)


def _succeed(bounds: Bounds, state: State, j: int, dead: Reader) -> Step:
    """Start a successor where the dead reader was, with a fresh set of eventfds."""
    last = len(state.epochs) - 1
    if bounds.mutant == "reuse_eventfds" and dead.epoch == last:
        base = _base(state.epochs[-1], j)
        seat = len(state.epochs[-1].pairs[j]) - 1
        heir = Reader("live", last, seat, base, base)
        readers = put(state.readers, j, heir)
        return f"V: successor of {j} on old eventfds", state._replace(readers=readers)
    state = _with_fresh_pair(state, j)
    if dead.epoch < last:  # nobody but V can read the counters of a dead epoch
        epoch = state.epochs[dead.epoch]
        base = _base(epoch, j)
        heir = Reader("live", dead.epoch, len(epoch.pairs[j]) - 1, base, base)
    else:
        heir = Reader("live", last, len(state.epochs[-1].pairs[j]) - 1)
    state = state._replace(readers=put(state.readers, j, heir))
    return f"V: successor of {j}", _send(state, "successor", j)


def _has_left(bounds: Bounds, state: State, j: int, reader: Reader) -> bool:
    """Say whether a finished reader's leaving is still to be told."""
    p = state.producer
    if reader.status != "finished" or j in bounds.kept or not p.is_alive:
        return False
    return p.seats[j] != NONE and Message("gone", j, p.seats[j]) not in p.link


def _takes_readers(p: Producer) -> bool:
    return p.is_alive and not p.is_stopped


def _welcome(state: State, j: int) -> Step:
    state = _with_fresh_pair(state, j)
    seat = len(state.epochs[-1].pairs[j]) - 1
    reader = Reader("live", len(state.epochs) - 1, seat)
    state = state._replace(readers=put(state.readers, j, reader))
    return f"V: reader {j} comes", _send(state, "attach", j)


def _with_fresh_pair(state: State, j: int) -> State:
    epoch = state.epochs[-1]
    pairs = put(epoch.pairs, j, (*epoch.pairs[j], Pair()))
    return state._replace(epochs=(*state.epochs[:-1], epoch._replace(pairs=pairs)))


def _send(state: State, kind: str, j: int) -> State:
    """Put a message about the newest generation of place `j` on P's link."""
    p = state.producer
    if not p.is_alive:
        return state
    message = Message(kind, j, len(state.epochs[-1].pairs[j]) - 1)
    return state._replace(producer=p._replace(link=(*p.link, message)))
