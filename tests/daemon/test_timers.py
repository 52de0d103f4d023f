"""Timers by name fire once, unless they are cancelled or replaced."""

import asyncio
import time
from collections.abc import Callable

from imagemp.daemon.timers import Timers


def turned(act: Callable[[Timers, list[str]], None]) -> list[str]:
    """Set timers, turn the loop until all that are due have fired; give which."""

    async def turn() -> list[str]:
        fired: list[str] = []
        act(Timers(), fired)
        due = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, due.set_result, None)
        await due
        return fired

    return asyncio.run(turn())


def test_a_timer_fires_once() -> None:
    fired = turned(lambda timers, fired: timers.set("a", 0, lambda: fired.append("a")))

    assert fired == ["a"]


def test_a_timer_of_the_same_name_takes_the_place_of_the_first() -> None:
    def act(timers: Timers, fired: list[str]) -> None:
        timers.set("a", 0, lambda: fired.append("first"))
        timers.set("a", 0.001, lambda: fired.append("second"))

    assert turned(act) == ["second"]


def test_only_the_timers_that_are_named_are_cancelled() -> None:
    def act(timers: Timers, fired: list[str]) -> None:
        for name in "abc":
            timers.set(name, 0, lambda name=name: fired.append(name))  # type: ignore[misc]
        timers.cancel("a", "c", "never set")

    assert turned(act) == ["b"]


def test_all_are_cancelled_if_none_is_named() -> None:
    def act(timers: Timers, fired: list[str]) -> None:
        timers.set("a", 0, lambda: fired.append("a"))
        timers.set("b", 0, lambda: fired.append("b"))
        timers.cancel()

    assert turned(act) == []


def test_a_timer_is_known_until_it_fires_and_may_then_set_itself() -> None:
    def act(timers: Timers, fired: list[str]) -> None:
        def again() -> None:
            fired.append("set" if "a" in timers else "not set")
            if len(fired) < 2:
                timers.set("a", 0, again)

        timers.set("a", 0, again)
        fired_at_once = list(fired)
        assert "a" in timers
        assert not fired_at_once

    assert turned(act) == ["not set", "not set"]


def test_a_timer_of_the_wall_clock_fires_and_is_cancelled_as_the_others() -> None:
    def act(timers: Timers, fired: list[str]) -> None:
        timers.set_at("a", time.time() - 1, lambda: fired.append("a"))
        timers.set_at("b", time.time() - 1, lambda: fired.append("b"))
        timers.set_at("c", time.time() + 60, lambda: fired.append("c"))
        timers.cancel("b")

    assert turned(act) == ["a"]
