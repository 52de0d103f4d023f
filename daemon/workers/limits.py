"""How often a client may ask, and how many requests may wait. Pure.

`Rates` counts what each connection asks, `Waiting` keeps who waits for which answer.
"""

import itertools
import math

import msgspec

from imagemp import codes
from imagemp.messages import Problem, Request

MAX_PENDING = 32  # of one connection
MAX_WAITING = 1024  # of all
REQUESTS_PER_S = 100.0
BURST = 200.0
MAX_CLIENTS = 4096
FEW_CLIENTS = 64  # with more, those are forgotten that have long been silent


class Bucket:
    """Lets through `per_s` a second in the long run, `burst` at once."""

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one; False if there is none."""
        self._level = self.level(now)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def level(self, now: float) -> float:
        """Tell how many could be taken now."""
        return min(self._burst, self._level + (now - self._at) * self._per_s)

    def is_full(self, now: float) -> bool:
        """Tell whether it is as good as new, and may be forgotten."""
        return self.level(now) >= self._burst


class Rates:
    """How often each connection has asked.

    Args:
        per_s: Requests a second, in the long run.
        burst: Requests at once.
    """

    def __init__(self, per_s: float = REQUESTS_PER_S, burst: float = BURST) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: dict[bytes, Bucket] = {}
        self._many = FEW_CLIENTS

    def count(self, client: bytes, now: float) -> Problem | None:
        """Count a message of this client; give why it is one too many."""
        if client not in self._buckets:
            self._make_room(now)
            self._buckets[client] = Bucket(self._per_s, self._burst, now)
        if self._buckets[client].take(now):
            return None
        return Problem(
            codes.E_RATE,
            f"more than {self._per_s:g} requests a second",
            retryable=True,
        )

    def _make_room(self, now: float) -> None:
        if len(self._buckets) < self._many:
            return
        for name in [name for name, b in self._buckets.items() if b.is_full(now)]:
            del self._buckets[name]
        if len(self._buckets) >= MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        self._many = min(MAX_CLIENTS, max(FEW_CLIENTS, 2 * len(self._buckets)))


class Pending(msgspec.Struct):
    """A request that waits for its answer.

    Attributes:
        until: When its deadline is over, monotonic seconds.
        replies: How many it has had; all but the last said `more`.
    """

    client: bytes
    id: str
    until: float = math.inf
    replies: int = 0


class Waiting:
    """The requests that wait, by token; a token is never used twice.

    Args:
        first_token: Above all that an earlier gateway has used.
    """

    def __init__(self, first_token: int) -> None:
        self._tokens = itertools.count(first_token)
        self._pending: dict[int, Pending] = {}

    def may_add(self, client: bytes) -> Problem | None:
        """Give why this client may not wait for another answer."""
        mine = len(self.of(client))
        if mine >= MAX_PENDING:
            told = f"{mine} requests of this connection wait, at most {MAX_PENDING}"
        elif len(self._pending) >= MAX_WAITING:
            told = f"{MAX_WAITING} requests wait"
        else:
            return None
        return Problem(codes.E_BUSY, told, retryable=True)

    def add(self, client: bytes, request: Request, now: float) -> int:
        """Keep who asked; give the token to find it by."""
        token = next(self._tokens)
        until = now + request.deadline_ms / 1000 if request.deadline_ms else math.inf
        self._pending[token] = Pending(client, request.id, until)
        return token

    def find(self, token: int) -> Pending | None:
        """Give who waits for this answer; None if nobody does."""
        return self._pending.get(token)

    def remove(self, token: int) -> None:
        """Its last answer has come, or is not wanted any more."""
        del self._pending[token]

    def of(self, client: bytes) -> list[int]:
        """Give the tokens of one client."""
        return [t for t, pending in self._pending.items() if pending.client == client]

    def late(self, now: float) -> list[tuple[int, Pending]]:
        """Give those whose deadline is over, with their tokens."""
        return [(t, p) for t, p in self._pending.items() if p.until <= now]

    def patience_ms(self, now: float) -> int | None:
        """Tell how long until the next deadline; None if there is none."""
        until = min((p.until for p in self._pending.values()), default=math.inf)
        return None if until == math.inf else max(0, math.ceil((until - now) * 1000))
