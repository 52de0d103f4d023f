"""Breadth-first search over every interleaving, so that a fault's way is shortest."""

import gc
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from .bounds import Bounds
from .properties import check, check_ending
from .state import State, ViolationError, first_state
from .world import fault_steps, own_steps


@dataclass(frozen=True)
class Verdict:
    """What a search has come to.

    Attributes:
        bounds: Where was searched.
        fault: The promise that is broken, or "" if all hold in every state.
        way: The steps that lead there.
        states: How many were looked at.
        endings: In how many of these only a fault could go on.
        seconds: What it took.
    """

    bounds: Bounds
    fault: str
    way: tuple[str, ...]
    states: int
    endings: int
    seconds: float

    @property
    def is_expected(self) -> bool:
        """Say whether all held, or a mutant was caught."""
        return bool(self.fault) == bool(self.bounds.mutant)


@dataclass
class Search:
    """The states seen so far, and how each was come by first."""

    bounds: Bounds
    origins: dict[State, tuple[State, str] | None] = field(default_factory=dict)
    states: int = 0
    endings: int = 0

    def run(self) -> Verdict:
        """Look at every state within the bounds, or at all before the first fault."""
        begun = time.perf_counter()
        start = first_state(self.bounds)
        self.origins[start] = None
        fault, last, layer = "", start, [start]
        try:
            while layer:
                found: list[State] = []
                for last in layer:
                    self._look_at(last, found)
                layer = found
        except ViolationError as violation:
            fault = str(violation)
        way = self._way_to(last) if fault else ()
        seconds = time.perf_counter() - begun
        return Verdict(self.bounds, fault, way, self.states, self.endings, seconds)

    def _look_at(self, state: State, found: list[State]) -> None:
        self.states += 1
        check(self.bounds, state)
        steps = list(own_steps(self.bounds, state))
        if not steps:
            self.endings += 1
            check_ending(self.bounds, state)
        steps += fault_steps(self.bounds, state)
        for label, after in steps:
            if after not in self.origins:
                self.origins[after] = (state, label)
                found.append(after)

    def _way_to(self, state: State) -> tuple[str, ...]:
        way = []
        origin = self.origins[state]
        while origin is not None:
            state, label = origin
            way.append(label)
            origin = self.origins[state]
        return tuple(reversed(way))


def search(bounds: Bounds) -> Verdict:
    """Search all within `bounds`."""
    return Search(bounds).run()


def search_all(many: Mapping[str, Bounds]) -> Iterator[tuple[str, Verdict]]:
    """Search on every core; give each verdict by its name, in order.

    The children import this module by name: run pytest as `python -m pytest`.
    """
    spawn = multiprocessing.get_context("spawn")
    # a search makes no cycles: without the collector it takes 28 s instead of 40
    with ProcessPoolExecutor(mp_context=spawn, initializer=gc.disable) as pool:
        yield from zip(many, pool.map(search, many.values()), strict=True)
