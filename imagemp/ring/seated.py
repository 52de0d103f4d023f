"""The readers' counters, as the producer holds them."""

import select
from dataclasses import dataclass

from imagemp.link import close_all


@dataclass(slots=True)
class Seated:
    """The counters of one place, and its cell."""

    place: int
    cell: int
    ready: int
    done: int
    evicted: int  # -1: never evicted
    every: bool

    def close(self) -> None:
        """Close this end of the counters."""
        close_all((self.ready, self.done, self.evicted))


class Table:
    """All who are seated, in the order in which they are told of a frame.

    Attributes:
        places: Everybody, by place.
        every: `ready` of each `every` reader, those that may not be evicted first:
            the recording.
        latest: The `latest` readers.
    """

    def __init__(self) -> None:
        self.places: dict[int, Seated] = {}
        self.every: tuple[int, ...] = ()
        self.latest: tuple[Seated, ...] = ()
        self._by_done: dict[int, Seated] = {}
        self._done = select.epoll()

    def fileno(self) -> int:
        """Readable when a reader has released something."""
        return self._done.fileno()

    def shown(self) -> list[Seated]:
        """Give those whose `done` shows something."""
        by_done = self._by_done
        return [by_done[fd] for fd, _ in self._done.poll(0)]

    def add(self, seated: Seated) -> None:
        """Seat a reader; its counters are closed when it goes."""
        self.places[seated.place] = seated
        self._by_done[seated.done] = seated
        self._done.register(seated.done, select.EPOLLIN)
        self._sort()

    def remove(self, seated: Seated) -> None:
        """Let a reader go, and close its counters."""
        del self.places[seated.place], self._by_done[seated.done]
        self._done.unregister(seated.done)
        seated.close()
        self._sort()

    def close(self) -> None:
        """Let everybody go. May be called twice."""
        for seated in list(self.places.values()):
            self.remove(seated)
        self._done.close()

    def _sort(self) -> None:
        seated = sorted(self.places.values(), key=lambda s: s.evicted >= 0)
        self.every = tuple(s.ready for s in seated if s.every)
        self.latest = tuple(s for s in seated if not s.every)
