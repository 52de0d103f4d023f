"""The law: where every frame has gone, as numbers that must add up.

`captured = published + dropped + staged` for a ring, `expected = captured + missed`
by the sensor's clock, and for each reader `published = recorded + skipped +
in_flight` (a callback's frames are `delivered`). The counters of one report are
from one instant, so each equation holds exactly, always.
"""

from collections.abc import Iterator, Mapping

import msgspec


class EncoderCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the frames of one encoder are.

    Attributes:
        recorded: In the recording, as the ring's producer saw them released.
        durable: Of these, on the disk for certain.
        skipped: Given up, by cause.
        in_flight: In slots that this reader holds or has yet to take.
        published: What its input published; None: it reads the pipeline's ring.
    """

    recorded: int
    durable: int
    skipped: dict[str, int]
    in_flight: int
    published: int | None = None


class OutputCounts(msgspec.Struct, frozen=True):
    """Where the frames are that a callback returned.

    Attributes:
        captured: Returned.
        published: In the callback's own ring, for its readers.
        dropped: Never published, by cause.
        staged: On their way through the spill thread.
    """

    captured: int = 0
    published: int = 0
    dropped: dict[str, int] = {}
    staged: int = 0


class CallbackCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the frames of one callback are.

    Attributes:
        delivered: Handed to the user's code.
        skipped: Not handed over, by cause.
        in_flight: In slots that this reader holds or has yet to take.
        published: What its input published; None: it reads the pipeline's ring.
        output: The frames it returned; None: it returned none.
    """

    delivered: int
    skipped: dict[str, int]
    in_flight: int
    published: int | None = None
    output: OutputCounts | None = None


class Counts(msgspec.Struct, frozen=True):
    """Where the frames of one session are.

    Attributes:
        captured: Given by the source.
        published: In the ring for its readers.
        dropped: Captured and never published, by cause.
        staged: On their way through the spill thread.
        expected: How many the sensor made, by its clock.
        missed: Made by the sensor and never captured, by cause.
        encoders: By name.
        callbacks: By name.
    """

    captured: int = 0
    published: int = 0
    dropped: dict[str, int] = {}
    staged: int = 0
    expected: int = 0
    missed: dict[str, int] = {}
    encoders: dict[str, EncoderCounts] = {}
    callbacks: dict[str, CallbackCounts] = {}

    def broken(self) -> list[str]:
        """Give each equation that does not hold, with its numbers; [] if all do."""
        return [text for text in self._checked() if text]

    def _checked(self) -> Iterator[str]:
        missed = _total(self.missed)
        yield _unequal("captured", self.captured, _ring(self))
        yield _unequal(
            "expected", self.expected, {"captured": self.captured, "missed": missed}
        )
        for name, encoder in self.encoders.items():
            parts = {"recorded": encoder.recorded, **_rest(encoder)}
            yield self._reader(f"encoder {name}", encoder.published, parts)
        for name, callback in self.callbacks.items():
            parts = {"delivered": callback.delivered, **_rest(callback)}
            yield self._reader(f"callback {name}", callback.published, parts)
            if (output := callback.output) is not None:
                yield _unequal(
                    f"callback {name}: returned", output.captured, _ring(output)
                )

    def _reader(self, who: str, published: int | None, parts: Mapping[str, int]) -> str:
        whole = self.published if published is None else published
        return _unequal(f"{who}: published", whole, parts)


def _ring(counts: Counts | OutputCounts) -> dict[str, int]:
    dropped = _total(counts.dropped)
    return {
        "published": counts.published,
        "dropped": dropped,
        "staged": counts.staged,
    }


def _rest(reader: EncoderCounts | CallbackCounts) -> dict[str, int]:
    return {"skipped": _total(reader.skipped), "in_flight": reader.in_flight}


def _total(causes: Mapping[str, int]) -> int:
    return sum(causes.values())


def _unequal(name: str, whole: int, parts: Mapping[str, int]) -> str:
    """Give the equation in words if it does not hold, else nothing."""
    if whole == sum(parts.values()):
        return ""
    terms = " + ".join(f"{part} {n}" for part, n in parts.items())
    return f"{name} {whole} != {terms}"
