"""The ring against the limit and the peers: `python -m benchmarks.ring [--quick]`.

Everything is measured in turns, on the same two cores: the producer has one, all
readers the other. A key is the median of the rounds; a ratio is taken in each round.
"""

from collections import defaultdict
from dataclasses import dataclass

from . import bare, limits
from .bare import paired
from .idle import idle, of_readers
from .race import Figures, race
from .strangers import INSTALL, absent, present
from .table import Options, Report

KEYS = (
    "wake_same_core_vs_c",
    "wake_same_core_poll_vs_c",
    "publish_900kb_vs_c",
    "publish_900kb_bare_python_vs_c",
    "publish_6mb_vs_c",
    "publish_6mb_bare_python_vs_c",
    "publish_overhead_us",
    "publish_overhead_per_reader_us",
    "consume_us_batched",
    "fps_vs_shm_semaphore",
    "cpu_per_frame_vs_shm_semaphore",
    "cpu_per_frame_paced_vs_shm_semaphore",
    "idle_ticks",
    "idle_switches",
    "lost",
    "torn",
    "duplicated",
)
SIZES = {"64 B": 64, "300 KB": 307_200, "900 KB": 921_600, "6 MB": 6_220_800}
READERS = (1, 3, 8)
PACE_FPS = 100.0
OURS, RIVAL = "imagemp", "shm + semaphore"
COLUMNS = {
    "fps": "fps",
    "publish us": "publish_us",
    "cpu us": "cpu_us",
    "late us": "latency_us",
}
GRID_SLOTS = 8  # more would make those that pickle take minutes to warm
SLOTS = (8, 16, 32)  # the last is the default of `ring.slots`: it is judged
JUDGED = ("900 KB", 1)
Race = tuple[str, int, float]  # size, readers, fps


@dataclass(frozen=True)
class Effort:
    """How long everything takes."""

    rounds: int
    wakes: int
    frames: int
    race_s: float
    idle_s: float
    sizes: tuple[str, ...]
    readers: tuple[int, ...]
    slots: tuple[int, ...]

    @classmethod
    def of(cls, options: Options) -> "Effort":
        """Choose by the command line."""
        if options.quick:
            return cls(1, 500, 50, 0.05, 0.5, (JUDGED[0],), (JUDGED[1],), SLOTS[-1:])
        return cls(5, 20_000, 2000, 0.25, 5.0, tuple(SIZES), READERS, SLOTS)


def measure(options: Options) -> Report:
    """Measure everything."""
    report, effort = Report("ring"), Effort.of(options)
    _wakes(report, effort)
    _publishing(report, effort)
    _steps(report, effort)
    _races(report, effort)
    _rivals(report, effort)
    _idle(report, effort)
    return report


def _wakes(report: Report, effort: Effort) -> None:
    """One way between two processes on one core."""
    c, plain, polled = [], [], []
    for _ in range(effort.rounds):
        c.append(limits.c_wake_us(effort.wakes))
        plain.append(limits.python_wake_us(effort.wakes, "bare"))
        polled.append(limits.python_wake_us(effort.wakes, "poll"))
    report.key("wake_same_core_vs_c", paired(plain, c), 1.6)
    report.key("wake_same_core_poll_vs_c", paired(polled, c), 2.2)
    for what, took in (("C", c), ("os.eventfd", plain), ("+ poll", polled)):
        report.row("one way, same core", what=what, us=_middle(took), best=min(took))


def _publishing(report: Report, effort: Effort) -> None:
    """Copy and wake: ours, C's and bare Python's, the reader asleep on another core."""
    for size, key, bound in (
        ("900 KB", "publish_900kb_vs_c", 1.2),
        ("6 MB", "publish_6mb_vs_c", 1.1),
    ):
        n = max(20, effort.frames * 100_000 // SIZES[size])
        c, python, ours, after = [], [], [], []
        for _ in range(effort.rounds):
            c.append(limits.c_publish_us(n, SIZES[size]))
            python.append(limits.python_publish_us(n, SIZES[size]))
            us, later = bare.publish_us(SIZES[size], n)
            ours.append(us)
            after.append(later)
        report.key(key, paired(ours, c), bound)
        report.key(key.replace("_vs_c", "_bare_python_vs_c"), paired(python, c))
        rows = (("C", c), ("np.copyto, os.eventfd_write", python), (OURS, ours))
        for what, took in (*rows, ("then, until the next frame", after)):
            cells = {"us": _middle(took), "best": min(took)}
            report.row("publish to a sleeping reader", what=what, frame=size, **cells)


def _steps(report: Report, effort: Effort) -> None:
    """What the ring's own code costs, nobody being asleep."""
    alone, crowd, batched, wake = [], [], [], []
    for _ in range(effort.rounds):
        one = bare.costs(64, 1, 32, effort.frames)
        eight = bare.costs(64, 8, 32, effort.frames)
        alone.append(one.overhead)
        crowd.append((eight.overhead - one.overhead) / 7)
        batched.append(one.batched)
        wake.append(eight.wake)
    report.key("publish_overhead_us", alone, 3.0)
    report.key("publish_overhead_per_reader_us", crowd, 0.5)
    report.key("consume_us_batched", batched, 2.0)
    for what, us in (
        ("beside copy and wakes", alone),
        ("os.eventfd_write", wake),
        ("a further reader beside that", crowd),
    ):
        report.row("publish, nobody asleep", what=what, us=_middle(us), best=min(us))


def _races(report: Report, effort: Effort) -> None:
    """Every peer, every size, saturated and paced."""
    peers = present()
    if missing := absent():
        report.note(f"Not here, so not measured: {', '.join(missing)}. {INSTALL}")
    found: dict[Race, dict[str, list[Figures]]] = {}
    for size in effort.sizes:
        for readers in effort.readers:
            for fps in (0.0, PACE_FPS):
                run = found[size, readers, fps] = defaultdict(list)
                for _ in range(effort.rounds):
                    for peer in peers:
                        args = (SIZES[size], readers, GRID_SLOTS, effort.race_s, fps)
                        run[peer].append(race(peer, *args))
                _show(report, (size, readers, fps), run)
    _account(report, found)


def _show(report: Report, case: Race, run: dict[str, list[Figures]]) -> None:
    size, readers, fps = case
    title = f"{fps:g} fps" if fps else "saturated"
    for peer, rounds in run.items():
        ended = [figures for figures in rounds if figures]
        if not ended:
            report.note(f"{peer}: {size}, {readers} readers, {title}: came to no end.")
            continue
        cells = {
            shown: _middle([figures[name] for figures in ended])
            for shown, name in COLUMNS.items()
        }
        lost = sum(figures["lost"] for figures in ended)
        report.row(
            title, frame=size, readers=readers, peer=peer, **cells, lost=int(lost)
        )


def _rivals(report: Report, effort: Effort) -> None:
    """Ours and the honest rival, 900 KB and one reader, by the number of slots."""
    nbytes, readers = SIZES[JUDGED[0]], JUDGED[1]
    for fps in (0.0, PACE_FPS):
        for slots in effort.slots:
            ours, theirs = [], []
            for _ in range(effort.rounds + 2):
                args = (nbytes, readers, slots, effort.race_s, fps)
                ours.append(race(OURS, *args))
                theirs.append(race(RIVAL, *args))
            ratios = {
                name: paired([one[name] for one in ours], [one[name] for one in theirs])
                for name in ("fps", "cpu_us", "publish_us")
            }
            cells = {name: _middle(values) for name, values in ratios.items()}
            report.row(f"{OURS} / {RIVAL}", pace=fps, slots=slots, **cells)
            if slots == SLOTS[-1]:
                _judge(report, fps, ratios)
    report.note(
        f"vs_shm_semaphore: {JUDGED[0]}, {readers} reader, {SLOTS[-1]} slots. "
        "It goes round all its slots, ours round as many as fit the caches; where all "
        "do, that is no gain."
    )


def _judge(report: Report, fps: float, ratios: dict[str, list[float]]) -> None:
    if fps:
        report.key("cpu_per_frame_paced_vs_shm_semaphore", ratios["cpu_us"], 1.0)
        return
    report.key("fps_vs_shm_semaphore", ratios["fps"], 1.0, at_least=True)
    report.key("cpu_per_frame_vs_shm_semaphore", ratios["cpu_us"], 1.0)


def _account(report: Report, found: dict[Race, dict[str, list[Figures]]]) -> None:
    for name in ("lost", "torn", "duplicated"):
        ours = [one[name] for run in found.values() for one in run[OURS]]
        report.key(name, [sum(ours)], 0)
    frames = sum(one["frames"] for run in found.values() for one in run[OURS])
    report.note(f"{OURS}: {frames:.0f} frames handed over in these races.")


def _idle(report: Report, effort: Effort) -> None:
    """A whole daemon with a session that waits for a trigger."""
    found = idle(effort.idle_s)
    readers = of_readers(found)
    report.key("idle_ticks", [readers.ticks], 0)
    report.key("idle_switches", [readers.switches], 0)
    for kind, use in found.items():
        cells = {"ticks": use.ticks, "switches": use.switches}
        report.row(f"idle daemon, {effort.idle_s:g} s", process=kind, **cells)
    report.note(
        "Idle: the rest is the synthetic camera, which goes on at 30 fps and is let "
        "go frame by frame, and the heartbeats of supervisor and gateway."
    )


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
