"""Says whether a session is what it claims to be; changes nothing.

Compares every pixel with its CRC, and pages, links, order, frame log and manifest
with each other. What a repair would change is a problem; what it cannot bring back,
and the accounting admits, is a note.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...counts import Counts
from ...errors import RecordingError
from ..disk import disk_errors
from ..folder import SEGMENT, SessionFolder, segment_paths
from ..manifest import MANIFEST
from .estate import Estate, look_through
from .findings import Loss, OnBytes
from .holdings import Holdings
from .repairing import plan_repair

MOST_TOLD = 100  # losses of one file
REASONS = {
    "unreadable": "no page can be made out",
    "pixels": "the pixels are not those that were written",
    "plane": "another plane of the frame is missing",
    "order": "the frame is there twice, or out of order",
    "reference": "a frame that it is decoded from is lost",
}


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        problems: What is not as it should be; none: all is well.
        notes: What a user may want to know.
        checked: What was looked at, by encoder: frames, pages, bytes.
    """

    path: Path
    state: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """Give all of it as plain data."""
        return {
            "session": self.path.name,
            "pipeline": self.path.parent.name,
            "dir": str(self.path),
            "state": self.state,
            "ok": not self.problems,
            "problems": self.problems,
            "notes": self.notes,
            "checked": self.checked,
        }


def nbytes_to_check(path: Path) -> int:
    """Give how many bytes `verify` is going to read."""
    with disk_errors(path):
        files = [one for one in path.iterdir() if SEGMENT.fullmatch(one.name)]
        return sum(file.stat().st_size for file in files)


def verify(path: Path, on_bytes: OnBytes = lambda _: None) -> Verdict:
    """Look through a session.

    Args:
        path: Its folder.
        on_bytes: Told how far it has come, every now and then.

    Raises:
        RecordingError: Somebody writes in it; or its manifest is of a later version.
        DiskError: A file cannot be read.
    """
    # Not kept: an encoder that takes over from one that died must not wait for us.
    SessionFolder.open(path, alone=True).close()
    estate = look_through(path, on_bytes=on_bytes)
    if not (estate.files or estate.manifest):
        raise RecordingError(f"{path}: no session")
    manifest = estate.manifest
    verdict = Verdict(path, manifest.state if manifest else "unreadable")
    for stock in estate.stocks:
        verdict.checked[stock.encoder] = checked(path, stock)
        verdict.problems += file_problems(stock)
        verdict.problems += order_problems(stock)
        verdict.notes += notes_on(stock)
    verdict.problems += log_problems(estate)
    verdict.problems += manifest_problems(estate)
    return verdict


def checked(folder: Path, stock: Holdings) -> dict[str, int]:
    """Say what was looked at."""
    with disk_errors(folder):
        sizes = [path.stat().st_size for path in segment_paths(folder, stock.encoder)]
    return {"frames": stock.frames, "pages": stock.pages, "bytes": sum(sizes)}


def file_problems(stock: Holdings) -> Iterator[str]:
    """Say what is wrong with an encoder's files."""
    for found in stock.torn:
        name = found.path.name
        if not found.frames:
            yield f"{name}: has no good frame"
        if found.wrong and found.frames:
            yield f"{name}: wrong: {', '.join(found.wrong)}"
        if found.size > found.file_end and found.frames:
            extra = found.size - found.file_end
            yield f"{name}: {extra} bytes behind the last good frame"
        for loss in found.losses[:MOST_TOLD]:
            yield loss_text(loss)
        if len(found.losses) > MOST_TOLD:
            yield f"{name}: and {len(found.losses) - MOST_TOLD} more"


def order_problems(stock: Holdings) -> Iterator[str]:
    """Say what is wrong with the order of frames."""
    if stock.disorder:
        who, n = stock.encoder, stock.disorder
        yield f"encoder {who}: the seq of {n} frames is no higher than the one before"


def notes_on(stock: Holdings) -> Iterator[str]:
    """Say what is missing, and what has been lost for good."""
    who = stock.encoder
    if stock.jumps:
        jumped = stock.after - stock.frames
        yield (
            f"encoder {who}: {jumped} published frames are not in the files, "
            f"in {stock.jumps} places"
        )
    torn = {found.path.name for found in stock.torn}
    for loss in stock.losses:
        if loss.file not in torn:
            yield f"{loss_text(loss)}; links lead around it"
    if stock.log is None and stock.frames:
        yield f"encoder {who}: frame log not checked, its columns are not known"


def loss_text(loss: Loss) -> str:
    """Tell a loss to people."""
    where = f"{loss.file}: {loss.nbytes} bytes at {loss.at}"
    who = "" if loss.seq is None else f", seq {loss.seq}, index {loss.index}"
    return f"{where}{who}: {REASONS[loss.reason]}"


def log_problems(estate: Estate) -> Iterator[str]:
    """Say which frame logs do not agree with their pages."""
    for step in plan_repair(estate).steps:
        if step.file.endswith(".csv"):
            yield f"{step.file}: does not agree with the pages"


def manifest_problems(estate: Estate) -> Iterator[str]:
    """Say what is wrong with `session.json`, and what of it is not true."""
    manifest = estate.manifest
    if manifest is None:
        yield f"{MANIFEST}: is missing or torn"
        return
    if manifest.state == "running":
        yield f"{MANIFEST}: says running, and nobody writes: the session was cut short"
        return
    listed = {file.name: file for file in manifest.files}
    there = {file.name: file for file in estate.files}
    for name in sorted(listed.keys() | there.keys()):
        if name not in there:
            yield f"{name}: {MANIFEST} lists it, and it is not there"
        elif name not in listed:
            yield f"{name}: {MANIFEST} does not list it"
        elif listed[name] != there[name]:
            yield (
                f"{name}: {MANIFEST} says {listed[name].pages} pages and "
                f"{listed[name].bytes} bytes, found {there[name].pages} and "
                f"{there[name].bytes}"
            )
    yield from law_problems(estate, manifest.counts)


def law_problems(estate: Estate, told: dict[str, Any]) -> Iterator[str]:
    """Say where the accounting does not close, or is not that of the files."""
    try:
        counts = msgspec.convert(told, Counts)
    except msgspec.ValidationError as error:
        yield f"{MANIFEST}: counts: {error}"
        return
    if "published" in told:
        for broken in counts.broken():
            yield f"{MANIFEST}: counts: {broken}"
    for stock in estate.stocks:
        line = counts.encoders.get(stock.encoder)
        recorded = line.recorded if line else 0
        if recorded != stock.frames:
            who = f"encoder {stock.encoder}"
            yield f"{who}: {MANIFEST} says {recorded} frames, found {stock.frames}"
