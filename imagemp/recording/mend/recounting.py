"""The law of a session that nobody closed, as far as its files tell. Pure.

`index` counts published frames and `seq` captured ones, both from 0, in order. So
when the last frame that is in the files was published, `index + 1` were published
and `seq + 1` captured, exactly; what came after it nobody knows, and is not counted.
Where frames went is known only of those whose remains are found: the cause of all
others is `unknown`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...counts import Counts, EncoderCounts
from .holdings import Holdings

UNKNOWN = "unknown"
DAMAGED = "damaged"  # what is left of the frame is not what was written
UNDRAINED = "undrained"  # published, and not yet recorded when all ended
INPUT = "callback:"
# Where frames stood before they were found after all.
REFOUND = ("in_flight", UNDRAINED, "disk_error", "disk_full", UNKNOWN, DAMAGED)

Counted = dict[str, Any]


def counts_from(stocks: Iterable[Holdings], config: Mapping[str, Any]) -> Counted:
    """Give the counts of a session that only its files tell of.

    Args:
        stocks: What each encoder left.
        config: The pipeline's, as the manifest has it.
    """
    rings: dict[str, list[Holdings]] = {}
    for stock in stocks:
        rings.setdefault(ring_of(stock.encoder, config), []).append(stock)
    encoders = {
        stock.encoder: encoder_counts(stock, ring, found)
        for ring, found in rings.items()
        for stock in found
    }
    lines: Counted = msgspec.to_builtins(encoders)
    if "" not in rings:
        return {"encoders": lines}  # nobody recorded what the source gave
    counts: Counted = msgspec.to_builtins(source_counts(rings[""]))
    del counts["callbacks"]  # no file tells of them
    return counts | {"encoders": lines}


def ring_of(encoder: str, config: Mapping[str, Any]) -> str:
    """Name the callback whose own ring feeds an encoder; "" for the source's."""
    encoders = {e.get("name"): e for e in config.get("encoder") or ()}
    source = encoders.get(encoder, {}).get("input") or ""
    callback = source.removeprefix(INPUT)
    inline = {c.get("name") for c in config.get("callbacks") or () if c.get("inline")}
    return "" if callback in inline else callback


def source_counts(stocks: list[Holdings]) -> Counts:
    """Give what became of the frames up to the last one that is known of."""
    captured = max(stock.next_seq for stock in stocks)
    published = max(stock.next_index for stock in stocks)
    missed = max(stock.missed for stock in stocks)
    return Counts(
        captured=captured,
        published=published,
        dropped=named({UNKNOWN: captured - published}),
        expected=captured + missed,
        missed=named({UNKNOWN: missed}),
    )


def encoder_counts(stock: Holdings, ring: str, beside: list[Holdings]) -> EncoderCounts:
    """Give an encoder's line; `beside` are all that read the same ring."""
    published = max(one.next_index for one in beside)
    damaged = len(stock.damaged)
    skipped = {
        DAMAGED: damaged,
        UNKNOWN: stock.gaps - damaged,
        UNDRAINED: published - stock.next_index,
    }
    return EncoderCounts(
        recorded=stock.frames,
        durable=stock.frames,
        skipped=named(skipped),
        in_flight=0,
        published=published if ring else None,
    )


def recounted(counts: Mapping[str, Any], stocks: Iterable[Holdings]) -> Counted:
    """Correct the counts of a session that was closed to what its files hold.

    Frames that are no longer there are `damaged`; those that are there although
    they were given up are taken off the cause they were counted under.
    """
    encoders = dict(counts.get("encoders") or {})
    for stock in stocks:
        if stock.encoder in encoders:
            encoders[stock.encoder] = recounted_line(encoders[stock.encoder], stock)
    return {**counts, "encoders": encoders} if encoders else dict(counts)


def recounted_line(line: Mapping[str, Any], stock: Holdings) -> Counted:
    """Correct one encoder's line; all if it is as it should be."""
    surplus = stock.frames - line.get("recorded", 0)
    if not surplus:
        return dict(line)
    new = {**line, "recorded": stock.frames, "durable": stock.frames}
    skipped = dict(line.get("skipped") or {})
    if surplus < 0:
        skipped[DAMAGED] = skipped.get(DAMAGED, 0) - surplus
    for cause in REFOUND:
        place = new if cause == "in_flight" else skipped
        taken = max(0, min(surplus, place.get(cause, 0)))
        if taken:
            place[cause] -= taken
            surplus -= taken
    return {**new, "skipped": named(skipped)}


def named(causes: Mapping[str, int]) -> dict[str, int]:
    """Leave out the causes that took nothing."""
    return {cause: n for cause, n in causes.items() if n}
