"""All that can happen next: what the processes do, and what strikes them.

kill -9 strikes a process between any two of its steps; a stranger may also stop
reading, for good and without dying.
"""

from .bounds import Bounds
from .producer import producer_steps
from .reader import reader_steps
from .state import Producer, Reader, State, put
from .supervisor import supervisor_steps
from .turn import Steps


def own_steps(bounds: Bounds, state: State) -> Steps:
    """Give what the processes can do next."""
    yield from producer_steps(bounds, state)
    for j in bounds.places:
        yield from reader_steps(bounds, state, j)
    yield from supervisor_steps(bounds, state)


def fault_steps(bounds: Bounds, state: State) -> Steps:
    """Give the faults that may still strike."""
    if state.crashes < bounds.crashes:
        yield from _crashes(bounds, state)
    if state.hangs < bounds.hangs:
        for j in bounds.outside:
            if state.readers[j].status == "live":
                hung = _with_reader(state, j, state.readers[j]._replace(status="hung"))
                yield f"R{j} hangs", hung._replace(hangs=state.hangs + 1)


def _crashes(bounds: Bounds, state: State) -> Steps:
    if bounds.producer_crashes and _can_crash(state.producer):
        yield f"P is killed at {state.producer.pc}", _kill_producer(state)
    for j, reader in enumerate(state.readers):
        if reader.status == "live":
            killed = _with_reader(state, j, reader._replace(status="dead"))
            struck = killed._replace(crashes=state.crashes + 1)
            yield f"R{j} is killed at {reader.pc}", struck


def _can_crash(p: Producer) -> bool:
    """Say whether a crash could still change anything."""
    is_over = p.has_ended and p.pc == "camera" and not p.link
    return p.is_alive and not is_over


def _kill_producer(state: State) -> State:
    """Give the state without P and its spill thread; only its cells remain."""
    p = state.producer
    staged = p.in_hand + len(p.queue)
    uncounted = 1 if p.pc == "grab" else 0
    return state._replace(
        producer=Producer(is_alive=False, pc="dead", in_hand=staged),
        missed=state.missed + uncounted,
        crashes=state.crashes + 1,
    )


def _with_reader(state: State, j: int, reader: Reader) -> State:
    return state._replace(readers=put(state.readers, j, reader))
