"""Which bounds are searched: scenarios, in which all holds, and mutants.

`QUICK` and the mutants run with every test; `SCENARIOS` take a minute or two, `DEEP`
many, and gigabytes of memory.
"""

from dataclasses import replace

from .bounds import CALLBACK, LATEST, OUTSIDE, OUTSIDE_LATEST, RECORD, Bounds

R, C, L, X, XL = RECORD, CALLBACK, LATEST, OUTSIDE, OUTSIDE_LATEST

RAM_SCENARIOS = {
    "record": Bounds(2, (R,), 4, crashes=2, lazy=False),
    "record_wait": Bounds(3, (R,), 4, crashes=1, waits=True),
    "callback": Bounds(2, (C,), 3, crashes=2, waits=True),
    "record_callback": Bounds(2, (R, C), 2, crashes=1),
    "record_latest": Bounds(2, (R, L), 3, crashes=1),
    "wait_latest": Bounds(2, (R, L), 3, crashes=1, producer_crashes=False, waits=True),
    "two_latest": Bounds(3, (L, XL), 3, crashes=1, lazy=False),
    "stalled_source": Bounds(3, (R,), 3, crashes=2, stalls=True),
    "evict_every": Bounds(2, (R, X), 4, hangs=1, waits=True),
    "evict_every_crash": Bounds(
        2, (R, X), 3, crashes=1, producer_crashes=False, waits=True, lazy=False
    ),
    "evict_latest": Bounds(2, (R, XL), 4, hangs=1, waits=True),
    "evict_latest_crash": Bounds(
        2, (R, XL), 3, crashes=1, producer_crashes=False, waits=True
    ),
    "attach_late": Bounds(2, (R, X), 4, late=(1,), waits=True),
    "attach_late_crash": Bounds(2, (R, X), 2, late=(1,), crashes=1),
    "attach_latest_late": Bounds(2, (R, XL), 4, late=(1,), lazy=False),
    "only_latest": Bounds(2, (XL,), 5, crashes=1),
    "no_frames": Bounds(2, (R, X, L), 0, late=(1,), crashes=2),
}
SPILL_SCENARIOS = {
    "spill": Bounds(2, (R,), 3, overflow=1, few=2, crashes=2),
    "spill_drop": Bounds(2, (R,), 5, overflow=2, few=2, lazy=False),
    "spill_few": Bounds(3, (R,), 4, overflow=2, few=1, crashes=1),
    "spill_wait": Bounds(2, (R,), 4, overflow=1, few=1, crashes=1, waits=True),
    "spill_callback": Bounds(2, (C,), 3, overflow=1, few=1, crashes=2, waits=True),
    "spill_latest": Bounds(2, (R, L), 3, overflow=1, few=2, crashes=1),
    "spill_latest_wait": Bounds(2, (R, L), 4, overflow=2, few=2, waits=True),
    "spill_only_latest": Bounds(2, (XL,), 4, overflow=1, few=2, crashes=1),
    "spill_stalled": Bounds(2, (R,), 3, overflow=2, few=2, crashes=1, stalls=True),
    "spill_stalled_latest": Bounds(2, (L,), 3, overflow=2, few=2, stalls=True),
    "spill_evict_every": Bounds(2, (R, X), 3, overflow=1, few=2, hangs=1),
    "spill_evict_wait": Bounds(2, (R, X), 4, overflow=1, few=1, hangs=1, waits=True),
    "spill_evict_few": Bounds(3, (R, X), 3, overflow=1, few=1, hangs=1),
    "spill_evict_latest": Bounds(2, (R, XL), 3, overflow=1, few=2, hangs=1),
    "spill_attach_late": Bounds(2, (R, X), 3, overflow=1, few=2, late=(1,)),
}
DEEP = {
    "record_3_crashes": Bounds(2, (R,), 3, crashes=3, lazy=False),
    "callback_3_crashes": Bounds(2, (C,), 3, crashes=3, lazy=False, waits=True),
    "evict_every_crash": Bounds(2, (R, X), 3, crashes=1, waits=True),
    "evict_latest_crash": Bounds(2, (R, XL), 3, crashes=1, waits=True),
    "evict_both": Bounds(3, (R, X, XL), 3, hangs=1, lazy=False),
    "record_wait": Bounds(2, (R,), 6, crashes=2, waits=True),
    "evict_latest": Bounds(3, (R, XL), 5, hangs=1, waits=True),
    "record_latest": Bounds(3, (R, L), 4, crashes=1, lazy=False),
    "callback": Bounds(3, (C,), 5, crashes=2, waits=True),
    "evict_every": Bounds(3, (R, X), 5, hangs=1, waits=True, lazy=False),
    "two_latest": Bounds(3, (R, L, L), 3),
    "attach_latest_crash": Bounds(2, (R, XL), 3, late=(1,), crashes=1),
    "record": Bounds(4, (R,), 6, crashes=2, lazy=False),
    "record_callback": Bounds(2, (R, C), 3, crashes=1),
    "spill": Bounds(3, (R,), 5, overflow=2, few=2, crashes=2),
    "spill_latest": Bounds(3, (R, L), 4, overflow=1, few=2, crashes=1),
    "spill_evict_crash": Bounds(2, (R, X), 3, overflow=1, few=2, crashes=1, hangs=1),
}
QUICK = {
    "record": Bounds(2, (R,), 3, crashes=1, lazy=False),
    "two_crashes": Bounds(2, (R,), 1, crashes=2),
    "callback": Bounds(2, (C,), 3, crashes=1, waits=True),
    "record_callback": Bounds(2, (R, C), 1, crashes=1),
    "record_latest": Bounds(2, (R, L), 1, crashes=1),
    "only_latest": Bounds(2, (XL,), 3, crashes=1),
    "stalled_source": Bounds(3, (R,), 2, crashes=1, stalls=True),
    "evict_every": Bounds(2, (R, X), 3, hangs=1, waits=True),
    "evict_latest": Bounds(2, (R, XL), 3, hangs=1, waits=True),
    "attach_late": Bounds(2, (R, X), 1, late=(1,), crashes=1),
    "spill": Bounds(2, (R,), 2, overflow=1, few=2, crashes=1),
    "spill_few": Bounds(3, (R,), 4, overflow=2, few=1),
    "spill_drop": Bounds(2, (R,), 4, overflow=1, few=2),
    "spill_wait": Bounds(2, (R,), 3, overflow=1, few=1, crashes=1, waits=True),
    "spill_latest": Bounds(2, (L,), 3, overflow=1, few=2, crashes=1),
    "spill_stalled": Bounds(2, (R,), 2, overflow=2, few=2, crashes=1, stalls=True),
    "spill_evict": Bounds(2, (R, X), 2, overflow=1, few=2, hangs=1),
}
_READER_CRASH = Bounds(2, (R,), 3, crashes=1, producer_crashes=False)
_SPILL = Bounds(2, (R,), 3, overflow=1, few=2)
_RULES_BROKEN = {
    "free_before_revoke": Bounds(3, (R, L), 4),
    "drop_place_on_death": replace(_READER_CRASH, slots=3, frames=4),
    "forget_pending_done": replace(_READER_CRASH, readers=(C,), frames=4),
    "forget_pending_done/latest": Bounds(3, (R, L), 4),
    "reuse_eventfds": replace(_READER_CRASH, frames=4, waits=True),
    "done_before_link": _READER_CRASH,
    "no_skip": _READER_CRASH,
    "published_after_ready": Bounds(2, (R,), 3, crashes=1),
    "free_before_released_cell": Bounds(2, (C,), 4, crashes=2, waits=True),
    "end_from_ready_only": Bounds(2, (R,), 3, crashes=1),
    "sleep_without_link": Bounds(2, (R,), 4, crashes=1, waits=True),
    "reuse_before_evict": Bounds(2, (R, X), 4, waits=True),
    "no_validation": Bounds(2, (R, X), 4, waits=True),
    "never_evict": Bounds(2, (R, X), 4, hangs=1, waits=True),
    "lack_unlooked": Bounds(2, (R,), 3),
    "outside_base_from_cell": Bounds(2, (R, X), 2, late=(1,), crashes=1),
    "deaf_in_grab": Bounds(3, (R,), 2, crashes=1, stalls=True),
    "base_may_be_zero": Bounds(2, (R, X), 1, late=(1,), crashes=1),
    "order_too_small": Bounds(3, (R,), 5),
    "publish_before_pwrite": _SPILL,
    "signal_before_pwrite": _SPILL,
    "ram_freed_before_pwrite": _SPILL,
    "overflow_slot_given_twice": _SPILL,
    "overtake_staged": _SPILL,
    "order_without_overflow": replace(_SPILL, overflow=2, frames=4),
    "deaf_to_spill_in_grab": replace(_SPILL, frames=2, stalls=True),
    "sleep_without_spill": replace(_SPILL, waits=True),
    "end_before_staged": _SPILL,
    "strangers_keep_overflow": replace(_SPILL, readers=(R, X), hangs=1),
    "grabbed_stored_late": Bounds(2, (R,), 1),
    "grabbed_restarts": replace(_SPILL, crashes=1),
    "staged_forgotten": replace(_SPILL, crashes=1),
}

SCENARIOS = RAM_SCENARIOS | SPILL_SCENARIOS
MUTANTS = {
    name: replace(bounds, mutant=name.split("/")[0])
    for name, bounds in _RULES_BROKEN.items()
}
