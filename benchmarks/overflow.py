"""A reader too slow for its camera: `python -m benchmarks.overflow [--quick]`.

900 KB at 200 fps, the reader three times slower for a while; what does not fit in
RAM goes to a file. Once as it is, and once in a control group of 400 MB. One run is
benchmarks/lagging.py.
"""

import json
import subprocess
import sys

from imagemp.ring.layout import DROP_CAUSES

from . import cgroup
from .lagging import NBYTES, Figures, Plan
from .limits import ROOT
from .table import Options, Report

KEYS = (
    "spilled",
    "lost",
    "unaccounted",
    "torn",
    "slowest_store_ms",
    "ram_p50_us",
    "overflow_p99_vs_ram_p50",
)
LIMIT = 400_000_000  # bytes
TIMEOUT_S = 60


def measure(options: Options) -> Report:
    """Measure in turns, without the limit and with it."""
    report = Report("overflow")
    plan, rounds = (Plan(0.3, 1.0), 1) if options.quick else (Plan(2.0, 3.0), 5)
    found: dict[str, list[Figures]] = {"no limit": []}
    if reason := cgroup.why_not():
        report.note(f"No row under a 400 MB limit: {reason}.")
    else:
        found["400 MB"] = []
    for _ in range(rounds):
        for memory, runs in found.items():
            runs.append(_run(plan, limited=memory != "no limit"))
    for memory, runs in found.items():
        for place in ("ram", "overflow"):
            cells = {q: _middle(runs, f"{place}_{q}_us") for q in ("p50", "p99", "max")}
            report.row("publish, us", memory=memory, place=place, **cells)
    everything = [figures for runs in found.values() for figures in runs]
    report.key("spilled", [figures["spilled"] for figures in everything])
    for name in ("lost", "unaccounted"):
        report.key(name, [sum(figures[name] for figures in everything)], 0)
    stores = [figures["slowest_store_ms"] for figures in everything]
    report.key("slowest_store_ms", stores)
    report.key("torn", [sum(figures["torn"] for figures in everything)], 0)
    report.key("ram_p50_us", [figures["ram_p50_us"] for figures in everything])
    ratios = [
        figures["overflow_p99_us"] / figures["ram_p50_us"] for figures in everything
    ]
    report.key("overflow_p99_vs_ram_p50", ratios, 10.0)
    high = max(figures["high"] for figures in everything)
    report.note(f"Overflow slots in use at most: {high:.0f} of {NBYTES >> 10} KiB.")
    for memory, runs in found.items():
        report.note(_causes(memory, runs))
    return report


def _causes(memory: str, runs: list[Figures]) -> str:
    """Say under which causes frames were dropped, and what held the spill thread."""
    n = {cause: sum(figures[cause] for figures in runs) for cause in DROP_CAUSES}
    told = ", ".join(f"{cause} {n[cause]:.0f}" for cause in n if n[cause]) or "none"
    slowest = max(figures["slowest_store_ms"] for figures in runs)
    return (
        f"Dropped, {memory}: {told}; the spill thread's slowest copy {slowest:.1f} ms."
    )


def _middle(runs: list[Figures], name: str) -> float:
    return sorted(figures[name] for figures in runs)[len(runs) // 2]


def _run(plan: Plan, *, limited: bool) -> Figures:
    if limited:
        with cgroup.limited(LIMIT) as procs:
            return _spawn(plan, str(procs))
    return _spawn(plan, "")


def _spawn(plan: Plan, procs: str) -> Figures:
    command = [sys.executable, "-m", "benchmarks.lagging"]
    command += [str(plan.quick_s), str(plan.slow_s), procs]
    done = subprocess.run(  # noqa: S603 - our own program
        command, check=True, capture_output=True, timeout=TIMEOUT_S, cwd=ROOT
    )
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
