"""Repairs a session that was left incomplete, or was damaged since.

First everything is looked through, then what is to be done is known as steps, and
only then something is changed: files, frame logs, last the manifest. Each step may be
cut short anywhere; what is found then leads to the same end.

Nothing is invented and no frame with doubtful pixels is kept: links lead around it.
Its bytes stay, unless nothing good stands behind them.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..disk import disk_errors, sync_folder, write_all
from ..folder import SessionFolder, log_path, segment_paths
from ..manifest import MANIFEST, Manifest, RecordedFile, write_manifest
from ..segments import sync_file
from .estate import Estate, anew, look_through
from .findings import Found, OnBytes
from .holdings import Holdings
from .recounting import counts_from, recounted
from .relogging import rewrite_log

MOST_TOLD = 20  # losses that the event tells one by one
ASIDE = ".damaged"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        file: What about.
        text: What is done, for people.
        do: Does it.
    """

    file: str
    text: str
    do: Callable[[], None]


@dataclass(slots=True)
class Repair:
    """What a session needs, or what was done for it.

    Attributes:
        estate: What was found.
        steps: In the order in which they must be done; none: it is as it should be.
        manifest: As it will be; None if it stays as it is.
    """

    estate: Estate
    steps: list[Step] = field(default_factory=list)
    manifest: Manifest | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """Give all of it as plain data."""
        estate = self.estate
        manifest = self.manifest or estate.manifest
        return {
            "session": estate.path.name,
            "pipeline": estate.path.parent.name,
            "dir": str(estate.path),
            "state": manifest.state if manifest else "unreadable",
            "steps": [{"file": step.file, "text": step.text} for step in self.steps],
            "encoders": {stock.encoder: told_of(stock) for stock in estate.stocks},
        }

    def apply(self) -> None:
        """Do it; all files of the session are durable after.

        Raises:
            DiskError: The disk is full or failing; it can be done again later.
        """
        for step in self.steps:
            step.do()


def repair_session(
    path: Path,
    *,
    thorough: bool = True,
    dry_run: bool = False,
    on_bytes: OnBytes = lambda _: None,
) -> Repair:
    """Repair one session; give what was done, or would be.

    Args:
        path: Its folder.
        thorough: Compare all pixels, not only those that may not have been durable.
        dry_run: Change nothing.
        on_bytes: Told how far it has come, every now and then.

    Raises:
        RecordingError: Somebody writes in it; or its manifest is of a later version.
        DiskError: A file cannot be read or written.
    """
    with SessionFolder.open(path, alone=True):
        repair = plan_repair(look_through(path, thorough=thorough, on_bytes=on_bytes))
        if not dry_run:
            repair.apply()
    return repair


def plan_repair(estate: Estate) -> Repair:
    """Say what there is to do; changes nothing."""
    repair = Repair(estate)
    for stock in estate.stocks:
        repair.steps += file_steps(stock)
        repair.steps += log_steps(estate.path, stock)
    new = restored(estate, is_changed=bool(repair.steps))
    if new != estate.manifest:
        repair.manifest = new
        repair.steps.append(
            Step(MANIFEST, f"says {new.state}", manifest_step(estate, new))
        )
    return repair


def file_steps(stock: Holdings) -> Iterator[Step]:
    """Say what to do with an encoder's files."""
    for found in stock.torn:
        name = found.path.name
        if found.frames:
            yield Step(name, mending_text(found), partial(mend, found))
        elif found.size <= found.overhead + stock.frame_nbytes:
            yield Step(name, "has no frame: deleted", partial(drop, found))
        else:
            text = f"has no good frame: renamed to {name}{ASIDE}"
            yield Step(name, text, partial(set_aside, found))


def mending_text(found: Found) -> str:
    """Tell what `mend` does."""
    told = [f"{what} mended" for what in found.wrong]
    if (cut := found.size - found.file_end) > 0:
        told.append(f"{cut} bytes cut off behind the last frame")
    elif cut and not told:
        told.append("padded")
    return ", ".join(told)


def mend(found: Found) -> None:
    """Have readers find the good frames and nothing else; cut what is behind.

    The bytes go last: were they cut first, a crash in between would leave links to
    nowhere.
    """
    with disk_errors(found.path):
        fd = os.open(found.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            for at, text in found.patches:
                write_all(fd, [text], at)
            os.fdatasync(fd)
            os.ftruncate(fd, found.file_end)
            os.fsync(fd)
        finally:
            os.close(fd)


def drop(found: Found) -> None:
    """Delete a file without a frame."""
    with disk_errors(found.path):
        found.path.unlink(missing_ok=True)
        sync_folder(found.path.parent)


def set_aside(found: Found) -> None:
    """Give a file another name, which no reader takes for a segment."""
    with disk_errors(found.path):
        found.path.rename(found.path.with_name(found.path.name + ASIDE))
        sync_folder(found.path.parent)


def log_steps(folder: Path, stock: Holdings) -> Iterator[Step]:
    """Say what to do with an encoder's frame log."""
    if stock.log is None or stock.log.is_right:
        return
    path, fields = log_path(folder, stock.encoder), stock.log.fields

    def rewrite() -> None:
        rewrite_log(path, fields, segment_paths(folder, stock.encoder))

    yield Step(path.name, f"written anew, {stock.log.rows} rows", rewrite)


def restored(estate: Estate, *, is_changed: bool) -> Manifest:
    """Give the manifest as it should be."""
    old = estate.manifest or anew(estate)
    new = msgspec.structs.replace(old, files=in_order(old.files, estate.files))
    if old.state == "running":
        new.counts = counts_from(estate.stocks, old.config)
        new.ended_unix_ns = old.ended_unix_ns or ended(estate) or old.started_unix_ns
        new.state = "recovered"
    else:
        new.counts = recounted(old.counts, estate.stocks)
        if new.counts != old.counts:
            new.state = "recovered"
    if old.state == "running" or is_changed or new != old:
        new.events = [*old.events, event(estate)]
    return new


def in_order(
    listed: list[RecordedFile], found: list[RecordedFile]
) -> list[RecordedFile]:
    """Give the files that are there, in the order in which they were listed."""
    there = {file.name: file for file in found}
    known = [there.pop(file.name) for file in listed if file.name in there]
    return [*known, *there.values()]


def ended(estate: Estate) -> int | None:
    """Give the wall clock of the last frame; None if there is none."""
    times = [stock.t_unix_ns[1] for stock in estate.stocks if stock.t_unix_ns]
    return max(times, default=None)


def event(estate: Estate) -> dict[str, Any]:
    """Say in the manifest what was found."""
    told: dict[str, Any] = {"name": "recovered", "t_unix_ns": time.time_ns()}
    if estate.manifest is None:
        told["manifest"] = "made anew"
    told["encoders"] = {stock.encoder: told_of(stock) for stock in estate.stocks}
    return told


def told_of(stock: Holdings) -> dict[str, Any]:
    """Tell what was found of an encoder."""
    told: dict[str, Any] = {
        "frames": stock.frames,
        "pages": stock.pages,
        "lost_bytes": stock.lost_bytes,
        "damaged": len(stock.damaged),
    }
    if stock.losses:
        told["losses"] = msgspec.to_builtins(stock.losses[:MOST_TOLD])
    if stock.log is None:
        told["log"] = "not checked: the user's fields are not known"
    return told


def manifest_step(estate: Estate, new: Manifest) -> Callable[[], None]:
    """Give what makes all files durable, then writes the manifest."""

    def write() -> None:
        with disk_errors(estate.path):
            for file in new.files:
                sync_file(estate.path / file.name)
        write_manifest(estate.path, new)

    return write
