"""Run all benchmarks: `python -m benchmarks [--quick] [--json FILE]`.

With --json figures.json each writes its own, figures.ring.json and so on.
"""

import sys
from dataclasses import replace
from pathlib import Path

from . import (
    camera,
    control,
    crashing,
    growth,
    latency,
    lateness,
    overflow,
    pipeline,
    ring,
    tiff,
    viewing,
)
from .table import Options

ALL = {
    "ring": ring,
    "overflow": overflow,
    "growth": growth,
    "tiff": tiff,
    "pipeline": pipeline,
    "lateness": lateness,
    "latency": latency,
    "crashing": crashing,
    "control": control,
    "viewing": viewing,
    "camera": camera,
}


def main() -> int:
    """Run them one after the other."""
    options = Options.read(__doc__)
    for name, benchmark in ALL.items():
        own = replace(options, json=beside(options.json, name))
        benchmark.measure(own).finish(own)
    return 0


def beside(path: Path | None, name: str) -> Path | None:
    """Give the file of one benchmark: figures.json > figures.ring.json."""
    return path and path.with_name(f"{path.stem}.{name}{path.suffix or '.json'}")


if __name__ == "__main__":
    sys.exit(main())
