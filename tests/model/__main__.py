"""The command line: search scenarios and mutants, and tell what was found.

Ends with 0 if every scenario held and every mutant was caught.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from .bounds import Bounds
from .scenarios import DEEP, MUTANTS, SCENARIOS
from .search import Verdict, search_all


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    options = _parser().parse_args(arguments)
    chosen = _choose(options.names, deep=options.deep)
    verdicts = []
    for name, verdict in search_all(chosen):
        _tell(_line(name, verdict))
        if verdict.fault and (options.verbose or not verdict.is_expected):
            _tell("     " + "\n     ".join(verdict.way))
        verdicts.append(verdict)
    return _sum_up(verdicts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios or mutants; default: all")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the ways")
    parser.add_argument("--deep", action="store_true", help="larger bounds")
    return parser


def _choose(names: Sequence[str], *, deep: bool) -> Mapping[str, Bounds]:
    """Give what is to be searched; no names mean all."""
    known = (DEEP if deep else SCENARIOS) | MUTANTS
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"no such scenario or mutant: {', '.join(unknown)}")
    return {name: known[name] for name in names or known}


def _line(name: str, verdict: Verdict) -> str:
    well = "ok" if verdict.is_expected else "FAIL"
    kind = "mutant" if verdict.bounds.mutant else "scenario"
    found = verdict.fault or "all holds"
    numbers = f"{verdict.states:8} states {verdict.endings:6} ends"
    return f"{well:4} {kind:8} {name:28} {numbers} {verdict.seconds:6.1f} s  {found}"


def _sum_up(verdicts: Sequence[Verdict]) -> int:
    failed = sum(not verdict.is_expected for verdict in verdicts)
    states = sum(verdict.states for verdict in verdicts)
    _tell(f"{states} states; {len(verdicts)} searches, {failed or 'none'} failed")
    return 1 if failed else 0


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
