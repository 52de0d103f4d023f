"""Has repaired what was left incomplete before: a process a pipeline, one at a time.

Nobody waits for it, and nothing depends on how it ends.
"""

import logging
from collections import deque
from collections.abc import Callable

from imagemp.config import Config
from imagemp.link import close_all
from imagemp.topics import event_topic

from .child import Child
from .logs import fields
from .post import describe
from .run import Publisher
from .workers.orders import Event, Ready, Recover, Search, Told, Unended

log = logging.getLogger(__name__)


class Recovery:
    """What is still to be looked through, and the process that does it.

    Args:
        publish: Publishes an event: topic and body.
        is_on: Says whether a session, named by pipeline and id, is on now.
    """

    def __init__(self, publish: Publisher, is_on: Callable[[str, str], bool]) -> None:
        self._publish, self._is_on = publish, is_on
        self._known: set[tuple[str, str]] = set()
        self._waiting: deque[tuple[str, str]] = deque()
        self._child: Child | None = None
        self._pipeline = ""

    def look(self, config: Config) -> None:
        """Have each pipeline's folder looked through that has not yet been."""
        for pipeline in config.pipelines:
            place = (config.daemon.data_dir, pipeline)
            if place not in self._known:
                self._known.add(place)
                self._waiting.append(place)
        self._go_on()

    def stop(self) -> None:
        """Give up; what is half done is done at the next start."""
        self._waiting.clear()
        if self._child is not None:
            self._child.kill()

    def _go_on(self) -> None:
        if self._child is None and self._waiting:
            self._pipeline = self._waiting[0][1]
            self._child = Child("recovery", self._told, self._exited, [self._pipeline])

    def _told(self, child: Child, told: Told, fds: list[int]) -> None:
        close_all(fds)
        if isinstance(told, Ready) and self._waiting:
            child.send(Search(*self._waiting.popleft()))
        elif isinstance(told, Unended):
            is_on = self._is_on(self._pipeline, told.session)
            child.send(Recover(told.session, go=not is_on))
        elif isinstance(told, Event):
            self._report(told)

    def _report(self, event: Event) -> None:
        body = {"name": event.name, "pipeline": self._pipeline}
        self._publish(event_topic(self._pipeline), {**body, "details": event.details})

    def _exited(self, _child: Child, code: int) -> None:
        self._child = None
        if code:
            died = "recovery died, %s"
            log.warning(died, describe(code), extra=fields(pipeline=self._pipeline))
        if self._waiting and self._waiting[0][1] == self._pipeline:
            self._waiting.popleft()  # it died before it was told what to do
        self._go_on()
