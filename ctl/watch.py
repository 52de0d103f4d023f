"""Show the telemetry of sessions while someone else waits for their end."""

import threading
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Self

from .reports import Body, pipeline_of
from .views import View

if TYPE_CHECKING:
    from imagemp.client import Telemetry

TOPICS = ("event.", "metrics.")
LISTEN_S = 0.5  # how late it may notice that it is over
LAST_WORDS_S = 0.1  # for what the daemon published just before its reply


class Watch:
    """A thread that hears the telemetry and has a view show it.

    Make it before the sessions start, so that nothing they publish is lost;
    what was published before is none of theirs.
    """

    def __init__(self, telemetry: "Telemetry", view: View) -> None:
        self._telemetry = telemetry
        self._view = view
        self._since_ns = time.monotonic_ns()
        self._pipelines: Collection[str] = ()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="watch")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def look_at(self, pipelines: Collection[str]) -> None:
        """Begin to show what these publish."""
        self._pipelines = frozenset(pipelines)
        self._thread.start()

    def close(self) -> None:
        """Show what is still there, and give the terminal back."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._view.close()

    def _listen(self) -> None:
        while True:
            is_over = self._is_over.is_set()
            message = self._telemetry.receive(LAST_WORDS_S if is_over else LISTEN_S)
            if message is None and is_over:
                return
            if message is not None and self._is_theirs(*message):
                self._view.hear(*message)

    def _is_theirs(self, topic: str, body: Body) -> bool:
        is_new = body.get("t_mono_ns", self._since_ns) >= self._since_ns
        return is_new and pipeline_of(topic, body) in self._pipelines
