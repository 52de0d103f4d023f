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
    again = worker in facts.briefed
    facts.briefed.add(worker)
    return OpenSession(
        session=facts.id,
        started_unix_ns=facts.started_unix_ns,
        resume=worker in facts.opened,
        counts=counts,
        config=config,
        spans=facts.spans[worker].plain if worker in facts.spans else None,
        again=again,
    )


def prepare_order(facts: Facts, ring: RingKeeper) -> Prepare:
    """Brief whoever makes a ring: it goes on where the epoch before ended."""
    epoch, seq, index, t_last = ring.next_epoch
    is_source = ring.plan.name == SOURCE
    return Prepare(
        session=facts.id,
        epoch=epoch,
        first_seq=seq,
        first_index=index,
        settings=facts.plan.settings if is_source else {},
        ring=facts.plan.ring,
        schedule=facts.plan.schedule if is_source else None,
        limits=facts.limits(seq) if is_source else {},
        t_last_ns=t_last,
        overlay=facts.plan.overlay if is_source else None,
    )
