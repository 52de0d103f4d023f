"""What a worker is told when a session begins, or when it comes back into one."""

from typing import Any

from imagemp.clock import is_synchronised

from .accounts import Facts
from .pipeline import SOURCE
from .rings import RingKeeper
from .workers.orders import OpenSession, Prepare


def open_order(facts: Facts, worker: str) -> OpenSession:
    """Brief a consumer; one that died in this session is told what was counted.

    That it was briefed is noted: a process may die before it answers.
    """
    plan = next(w for w in facts.plan.workers if w.name == worker)
    config = dict(plan.config)
    if plan.kind == "encoder":
        config |= {"clock": facts.clock, "clock_synchronised": is_synchronised()}
    counts: dict[str, Any] = {}
    if (report := facts.reports.get(worker)) is not None:
        names = ("handled", "recorded", "skipped", "numbers")
        counts = {name: getattr(report, name) for name in names}
    resume = worker in facts.opened
    spans = facts.spans[worker].plain if worker in facts.spans else None
    again = worker in facts.briefed
    facts.briefed.add(worker)
    told = (facts.id, facts.started_unix_ns, resume, counts, config, spans)
    return OpenSession(*told, again)


def prepare_order(facts: Facts, ring: RingKeeper) -> Prepare:
    """Brief whoever makes a ring: it goes on where the epoch before ended."""
    epoch, seq, index, t_last = ring.next_epoch
    is_source = ring.plan.name == SOURCE
    return Prepare(
        facts.id,
        epoch,
        seq,
        index,
        facts.plan.settings if is_source else {},
        facts.plan.ring,
        facts.plan.schedule if is_source else None,
        facts.limits(seq) if is_source else {},
        t_last,
        facts.plan.overlay if is_source else None,
    )
