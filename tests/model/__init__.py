"""Exhaustive check of the ring's protocol on small bounds.

A second statement of the ring's contract, one that a machine can walk through:
every interleaving of the producer, its spill thread, the supervisor and the
readers, with kill -9 between any two steps. Change a rule of `imagemp.ring` only
together with this model.

    python -m tests.model                every scenario, then every mutant
    python -m tests.model NAMES -v       only these, with the way to each fault
    python -m tests.model --deep         larger bounds: minutes, and gigabytes

One step is one system call on one eventfd, one store to shared memory, one half of
a copy, or one act of the supervisor. What a process computes for itself rides on
the step before: a crash between the two cannot be told from a crash before. Memory
is sequentially consistent here.

Read in this order: `bounds`, `state`, `turn`, the producer (`producer`, `reclaim`,
`spill`, `publish`, `handover`), `reader`, `supervisor`, then `world` (all that can
happen), `properties` (what must be true), `search` and `scenarios`.
"""
