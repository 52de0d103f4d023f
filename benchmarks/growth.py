"""How the cost of a frame grows: `python -m benchmarks.growth [--quick]`.

With readers, slots, the size of a frame, and pipelines beside each other; and a
picture, growth.png, where matplotlib is (`pip install imagempd[view]`).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from .bare import costs
from .race import race
from .table import Options, Report

KEYS = ("us_per_reader", "slots_4096_vs_8", "ns_per_kb", "pipelines_4_vs_1")
READERS = (1, 2, 4, 8, 16)
SLOTS = (8, 64, 512, 4096)
SIZES = (64, 65_536, 307_200, 921_600, 6_220_800)
PIPELINES = (1, 2, 3, 4)
PICTURE = Path("growth.png")
WHY = (
    "Readers: a write of `ready` each, now and then a read of `done`. Slots: free ones "
    "are a stack and are never searched, so their number costs nothing. Size: the "
    "copy, dearer a byte once a frame is too large for the caches. Pipelines: they "
    "share cores, caches and memory and nothing else; here all producers are on one "
    "core."
)


@dataclass
class Curve:
    """One picture: what a frame costs, over what grows."""

    what: str
    unit: str
    at: list[int] = field(default_factory=list)
    us: list[float] = field(default_factory=list)

    def add(self, at: int, us: list[float]) -> None:
        """Add a point, measured several times."""
        self.at.append(at)
        self.us.append(median(us))


def measure(options: Options) -> Report:
    """Measure in rounds, every point once in each."""
    rounds, n = (1, 100) if options.quick else (5, 1000)
    report = Report("growth")
    curves = [_readers(rounds, n), _slots(rounds, n), _sizes(rounds, n)]
    curves.append(_pipelines(rounds, 0.1 if options.quick else 1.0))
    for curve in curves:
        for at, us in zip(curve.at, curve.us, strict=True):
            report.row(f"cost of a frame, {curve.unit}", grows=curve.what, to=at, us=us)
    _judge(report, *curves)
    report.note(WHY)
    report.note(_picture(curves, options))
    return report


def _readers(rounds: int, n: int) -> Curve:
    return _curve("readers", [(64, readers, 32) for readers in READERS], 1, rounds, n)


def _slots(rounds: int, n: int) -> Curve:
    return _curve("slots", [(64, 1, slots) for slots in SLOTS], 2, rounds, n)


def _sizes(rounds: int, n: int) -> Curve:
    return _curve("bytes", [(size, 1, 16) for size in SIZES], 0, rounds, n // 5)


def _curve(
    what: str, points: list[tuple[int, int, int]], grows: int, rounds: int, n: int
) -> Curve:
    """Publish at each point; `grows` says which of its numbers does."""
    seen: list[list[float]] = [[] for _ in points]
    for _ in range(rounds):
        for us, point in zip(seen, points, strict=True):
            us.append(costs(*point, n).publish)
    curve = Curve(what, "publish")
    for us, point in zip(seen, points, strict=True):
        curve.add(point[grows], us)
    return curve


def _pipelines(rounds: int, seconds: float) -> Curve:
    """CPU time of producer and reader, 300 KB at 100 fps, pipelines side by side."""
    curve = Curve("pipelines", "cpu")
    with ThreadPoolExecutor(max(PIPELINES)) as pool:
        for pipelines in PIPELINES:
            used = []
            for _ in range(rounds):
                runs = [
                    pool.submit(race, "imagemp", 307_200, 1, 32, seconds, 100.0)
                    for _ in range(pipelines)
                ]
                used += [run.result()["cpu_us"] for run in runs]
            curve.add(pipelines, used)
    return curve


def _judge(
    report: Report, readers: Curve, slots: Curve, sizes: Curve, pipelines: Curve
) -> None:
    steps = readers.at[-1] - readers.at[0]
    report.key("us_per_reader", [(readers.us[-1] - readers.us[0]) / steps])
    report.key("slots_4096_vs_8", [slots.us[-1] / slots.us[0]])
    kilobytes = (sizes.at[-1] - sizes.at[0]) / 1000
    report.key("ns_per_kb", [(sizes.us[-1] - sizes.us[0]) * 1000 / kilobytes])
    report.key("pipelines_4_vs_1", [pipelines.us[-1] / pipelines.us[0]])


def _picture(curves: list[Curve], options: Options) -> str:
    """Draw all curves; say where, or why not."""
    if find_spec("matplotlib") is None:
        return "No picture: matplotlib is not here (pip install imagempd[view])."
    import_module("matplotlib").use("Agg")
    figure, axes = import_module("matplotlib.pyplot").subplots(1, len(curves))
    figure.set_size_inches(14, 3.5)
    for axis, curve in zip(axes, curves, strict=True):
        axis.plot(curve.at, curve.us, "o-")
        axis.set(xlabel=curve.what, ylabel=f"{curve.unit}, us a frame", ylim=(0, None))
        if curve.at[-1] > 100 * curve.at[0]:
            axis.set_xscale("log")
    figure.tight_layout()
    path = options.json.with_name(PICTURE.name) if options.json else PICTURE
    figure.savefig(path)
    return f"Picture: {path}"


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
