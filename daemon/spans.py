"""When an encoder is to record. Pure: the clock is an argument.

A frame is recorded if its `t_arrival_ns` lies in a span. The supervisor keeps the
spans and tells the encoder all of them, whenever they change and when a process of
its begins: none is lost with a process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from .workers.gate import FOREVER

MOST = 256  # spans: an encoder is told all of them in one packet


@dataclass(slots=True)
class Span:
    """From one instant of CLOCK_BOOTTIME, in ns, until before another.

    Attributes:
        triggers: Whose span it is: the number of each, and where its own part ends.
    """

    from_ns: int
    to_ns: int
    triggers: list[tuple[int, int]] = field(default_factory=list)


class Spans:
    """The spans of one encoder that it has not finished, in order, none touching.

    Args:
        pre_ns: How far a trigger reaches back.
        post_ns: And how far ahead.
        at_start: Whether all is recorded from the start.

    Attributes:
        is_armed: Whether triggers matter.
    """

    def __init__(self, pre_ns: int = 0, post_ns: int = 0, *, at_start: bool) -> None:
        self.is_armed = pre_ns + post_ns > 0
        self._pre_ns, self._post_ns = pre_ns, post_ns
        self._spans = [Span(0, FOREVER)] if at_start else []
        self._until_ns = 0  # all before has been dealt with

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Give the spans of an encoder before anybody asked for any."""
        pre_ns, post_ns = (round(config[key] * 1e9) for key in ("pre_s", "post_s"))
        return cls(pre_ns, post_ns, at_start=config["record_at_start"])

    @property
    def plain(self) -> list[tuple[int, int]]:
        """All of them, as the encoder is told."""
        return [(span.from_ns, span.to_ns) for span in self._spans]

    def is_on(self, t_ns: int) -> bool:
        """Whether a frame that arrives now is recorded."""
        return any(span.from_ns <= t_ns < span.to_ns for span in self._spans)

    def trigger(self, number: int, t_ns: int) -> None:
        """Record what is around this instant."""
        to_ns = t_ns + self._post_ns
        self._add(Span(t_ns - self._pre_ns, to_ns, [(number, to_ns)]))

    def start(self, t_ns: int) -> None:
        """Record from now on."""
        self._add(Span(t_ns, FOREVER))

    def stop(self, t_ns: int) -> None:
        """Record nothing from now on."""
        kept = [span for span in self._spans if span.from_ns < t_ns]
        for span in kept:
            span.to_ns = min(span.to_ns, t_ns)
        self._spans = kept

    def done(self, to_ns: int) -> list[int]:
        """All frames before `to_ns` are dealt with: forget what ended there.

        Returns:
            The triggers whose span is complete.
        """
        self._until_ns = max(self._until_ns, to_ns)
        complete: list[int] = []
        for span in self._spans:
            is_over = span.to_ns <= to_ns
            over = [n for n, own_ns in span.triggers if is_over or own_ns <= to_ns]
            span.triggers = [one for one in span.triggers if one[0] not in over]
            span.from_ns = max(span.from_ns, to_ns)
            complete += over
        self._spans = [span for span in self._spans if span.from_ns < span.to_ns]
        return complete

    def _add(self, new: Span) -> None:
        """Add a span; those that it touches become part of it.

        With too many it is joined to the one before: rather too much is recorded.
        """
        new.from_ns = max(new.from_ns, self._until_ns)
        if len(self._spans) >= MOST:
            new.from_ns = min(new.from_ns, self._spans[-1].to_ns)
        if new.from_ns >= new.to_ns:
            return
        apart = []
        for span in self._spans:
            if span.to_ns < new.from_ns or new.to_ns < span.from_ns:
                apart.append(span)
                continue
            new.from_ns = min(new.from_ns, span.from_ns)
            new.to_ns = max(new.to_ns, span.to_ns)
            new.triggers = [*span.triggers, *new.triggers]
        self._spans = sorted([*apart, new], key=lambda span: span.from_ns)
