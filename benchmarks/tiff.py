"""Recording against `os.write`, the codecs and tifffile: `python -m benchmarks.tiff`.

All in turns, in one process. A key is the median of the rounds, of which the first
is thrown away; a ratio is taken in each round.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, median
from time import monotonic

from imagemp.frames import Frame, FrameInfo, spec_of
from imagemp.recording.plan import Compression, RecordingPlan, SegmentLimits
from imagemp.recording.writer import Recording

from .table import Options, Report
from .writers import (
    DISK,
    TMPFS,
    Took,
    by_tifffile,
    coded,
    folder_in,
    ours,
    record,
    scenes,
    written,
)

KEYS = (
    "uncompressed_vs_write_vga_gray",
    "uncompressed_vs_write_600kb",
    "zlib_cpu_vs_codec",
    "zstd_cpu_vs_codec",
    "zlib_fps_vs_codec_x_cores",
    "zstd_fps_vs_codec_x_cores",
    "vs_tifffile_uncompressed",
    "vs_tifffile_zlib6",
    "memory_growth_kb",
)
VGA, LARGE, COLOUR = (480, 640), (480, 1280), (480, 640, 3)
MOST_THREADS = 4  # of ours
GROWTH_KB = 512  # what the allocator may come and go by
Contenders = dict[str, Callable[[], Took]]
Rounds = dict[str, list[Took]]
WHY = (
    "Frames have structure and noise; 32 of them are used in turn. The codec is ours, "
    "predictor and compression in one thread, its bytes thrown away; `codec + write` "
    "writes them. imagemp is all that an encoder does beside its ring: CRC, IFD, link, "
    "row of the log, sync thread. tifffile contiguous has one page for all frames, "
    "and none of them is in the file until the end. Sizes are in kB a frame."
)


@dataclass(frozen=True)
class Effort:
    """How long everything takes."""

    rounds: int
    nbytes: int
    pressed: int
    memory_s: float

    @classmethod
    def of(cls, options: Options) -> "Effort":
        """Choose by the command line."""
        if options.quick:
            return cls(1, 4 << 20, 8, 0.4)
        return cls(7, 256 << 20, 400, 60.0)


def measure(options: Options) -> Report:
    """Measure everything."""
    report, effort = Report("tiff"), Effort.of(options)
    _uncompressed(report, effort)
    _on_disk(report, effort)
    _compressed(report, effort)
    _memory(report, effort)
    report.note(WHY)
    return report


def in_turns(rounds: int, contenders: Contenders) -> Rounds:
    """Run all of them, again and again; the first time is to warm up."""
    found: Rounds = defaultdict(list)
    for _ in range(rounds + 1):
        for name, run in contenders.items():
            found[name].append(run())
    return {name: took[1:] for name, took in found.items()}


def ratios(found: Rounds, one: str, other: str, figure: str = "fps") -> list[float]:
    """Divide one contender by the other, in each round."""
    pairs = zip(found[one], found[other], strict=True)
    return [getattr(a, figure) / getattr(b, figure) for a, b in pairs]


def _uncompressed(report: Report, effort: Effort) -> None:
    """On tmpfs: the limit, ours, and tifffile."""
    for what, shape, key, bound in (
        ("300 KB", VGA, "uncompressed_vs_write_vga_gray", 0.90),
        ("600 KB", LARGE, "uncompressed_vs_write_600kb", 0.95),
        ("900 KB colour", COLOUR, "", 0.0),
    ):
        frames = _frames(shape, effort.nbytes)
        contenders: Contenders = {
            "os.write": partial(written, frames),
            "imagemp": partial(ours, frames),
            "tifffile": partial(by_tifffile, frames),
            "tifffile contiguous": partial(by_tifffile, frames, contiguous=True),
        }
        found = in_turns(effort.rounds, contenders)
        if key:
            report.key(key, ratios(found, "imagemp", "os.write"), bound, at_least=True)
        if shape is VGA:
            faster = ratios(found, "imagemp", "tifffile")
            report.key("vs_tifffile_uncompressed", faster, at_least=True)
        _rows(report, "uncompressed, tmpfs", what, found, "os.write")


def _on_disk(report: Report, effort: Effort) -> None:
    """On the disk, until it has all of it."""
    frames = _frames(VGA, effort.nbytes)
    contenders: Contenders = {
        "os.write": partial(written, frames, DISK),
        "imagemp": partial(ours, frames, DISK),
        "imagemp zlib": partial(ours, frames[: effort.pressed], DISK, "zlib"),
        "imagemp zstd": partial(ours, frames[: effort.pressed], DISK, "zstd"),
    }
    found = in_turns(min(effort.rounds, 5), contenders)
    _rows(report, "disk, with fdatasync", "300 KB", found, "os.write")


def _compressed(report: Report, effort: Effort) -> None:
    """On tmpfs: the bare codec, ours, and tifffile."""
    frames = scenes(VGA, effort.pressed)
    contenders: Contenders = {
        f"{name} {kind}": partial(run, frames, compression=kind)
        for kind in ("zlib", "zstd")
        for name, run in (
            ("codec", coded),
            ("codec + write", partial(coded, parent=TMPFS)),
            ("imagemp", ours),
        )
    }
    few = frames[: max(4, effort.pressed // 4)]
    contenders["tifffile zlib 6"] = partial(by_tifffile, few, compression="zlib")
    found = in_turns(effort.rounds, contenders)
    threads = min(len(os.sched_getaffinity(0)), MOST_THREADS)
    for kind, bound in (("zlib", 0.85), ("zstd", None)):
        cpu = ratios(found, f"imagemp {kind}", f"codec {kind}", "cpu_us")
        report.key(f"{kind}_cpu_vs_codec", cpu, 1.10)
        fps = ratios(found, f"imagemp {kind}", f"codec {kind}")
        name = f"{kind}_fps_vs_codec_x_cores"
        report.key(name, [one / threads for one in fps], bound, at_least=True)
        for one in ("codec", "codec + write", "imagemp"):
            mine = {one: found[f"{one} {kind}"], "codec": found[f"codec {kind}"]}
            _row(report, f"{kind}, tmpfs", "300 KB", mine, one, "codec")
    faster = ratios(found, "imagemp zlib", "tifffile zlib 6")
    report.key("vs_tifffile_zlib6", faster, at_least=True)
    _row(report, "zlib, tmpfs", "300 KB", found, "tifffile zlib 6", "codec zlib")


def _memory(report: Report, effort: Effort) -> None:
    """Record for a minute; what is in use at the end, less what was early on."""
    frames, grown = scenes(VGA, 64), []
    for kind in ("zlib", "none"):
        seen = _memory_kb(frames, kind, effort.memory_s / 2)
        early, late = seen[len(seen) // 4 : len(seen) // 2], seen[-len(seen) // 4 :]
        cells = {"early kB": mean(early), "late kB": mean(late), "most": max(seen)}
        report.row("memory", compression=kind, seconds=effort.memory_s / 2, **cells)
        grown.append(mean(late) - mean(early))
    report.key("memory_growth_kb", [max(grown)], GROWTH_KB)


def _memory_kb(frames: list[Frame], kind: str, seconds: float) -> list[int]:
    """Record that long, deleting what is full; give the memory in use meanwhile."""
    compression = Compression(kind)  # type: ignore[arg-type]
    limits = SegmentLimits(segment_pages=500)
    plan = RecordingPlan(spec_of(frames[0].planes), compression=compression)
    seen, index, until = [_anonymous_kb()], 0, monotonic() + seconds
    with folder_in(TMPFS) as folder:
        recording = Recording.create(folder, replace(plan, limits=limits))
        while monotonic() < until or len(seen) < 8:
            record(
                recording, [_numbered(one, index + n) for n, one in enumerate(frames)]
            )
            index += len(frames)
            seen.append(_anonymous_kb())
            for path in sorted(folder.glob("*.tif"))[:-2]:
                path.unlink()
        recording.close()
    return seen


def _numbered(frame: Frame, index: int) -> Frame:
    return Frame(frame.planes, FrameInfo(seq=index, index=index))


def _anonymous_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])


def _frames(shape: tuple[int, ...], nbytes: int) -> list[Frame]:
    one = scenes(shape, 1)[0].image.nbytes
    return scenes(shape, nbytes // one)


def _rows(report: Report, title: str, frame: str, found: Rounds, limit: str) -> None:
    for name in found:
        _row(report, title, frame, found, name, limit)


def _row(
    report: Report, title: str, frame: str, found: Rounds, name: str, limit: str
) -> None:
    took = found[name]
    report.row(
        title,
        what=name,
        frame=frame,
        fps=median(one.fps for one in took),
        ratio=median(ratios(found, name, limit)),
        cpu_us=median(one.cpu_us for one in took),
        size=median(one.nbytes / one.frames for one in took) / 1e3,
    )


def main() -> None:
    """Run the command line."""
    options = Options.read(__doc__)
    measure(options).finish(options)


if __name__ == "__main__":
    main()
