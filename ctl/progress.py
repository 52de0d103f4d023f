"""A bar on stderr for what takes long, where there is somebody to see it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .output import Output

EVERY_S = 0.1  # a page of a small frame takes microseconds, a line of a terminal more


@contextmanager
def progress(
    output: Output, what: str, total: int, *, in_bytes: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show how far something has come; nothing into a file, or with `--json`.

    Args:
        output: Of the verb.
        what: Is done.
        total: What there is to do; gives what to call with each part of it.
        in_bytes: What is counted are bytes.
    """
    if output.is_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    numbers = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), numbers)
    console = Console(stderr=True)
    bar = Progress(*columns, TimeRemainingColumn(), console=console, auto_refresh=False)
    with bar:
        task, steps = bar.add_task(what, total=total), Steps()

        def advance(n: int) -> None:
            if done := steps.add(n):
                bar.update(task, advance=done, refresh=True)

        yield advance
        bar.update(task, advance=steps.rest(), refresh=True)


class Steps:
    """Gathers small steps, so that a bar moves ten times a second at most."""

    def __init__(self) -> None:
        self._waiting = 0
        self._shown_at = 0.0

    def add(self, n: int) -> int:
        """Take a step; give how far the bar is to be moved now."""
        self._waiting += n
        now = time.monotonic()
        if now - self._shown_at < EVERY_S:
            return 0
        self._shown_at = now
        return self.rest()

    def rest(self) -> int:
        """Give what has gathered."""
        gathered, self._waiting = self._waiting, 0
        return gathered
