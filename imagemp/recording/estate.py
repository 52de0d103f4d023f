"""What a session left in its folder, all of its encoders together."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..errors import RecordingError
from .disk import disk_errors
from .folder import MAIN, SEGMENT, TIFF, log_path, segment_paths
from .holdings import Holdings, take_stock
from .manifest import Manifest, RecordedFile, read_manifest
from .salvage import OnBytes

BEGAN = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Estate:
    """A session's folder, looked through.

    Attributes:
        path: The folder.
        manifest: As it is; None if it is missing or torn.
        stocks: What each encoder left in TIFF files, the manifest's keeper first.
        videos: Files of other formats, as they are.
    """

    path: Path
    manifest: Manifest | None
    stocks: list[Holdings]
    videos: list[RecordedFile]

    @property
    def files(self) -> list[RecordedFile]:
        """All files, as the manifest should list them."""
        return [file for stock in self.stocks for file in stock.files] + self.videos


def look_through(
    folder: Path, *, thorough: bool = True, on_bytes: OnBytes = lambda _: None
) -> Estate:
    """Look through a session's folder; change nothing.

    Args:
        folder: Nobody should be writing in it.
        thorough: Compare all pixels, not only those that may not have been durable.
        on_bytes: Told how far it has come, every now and then.

    Raises:
        DiskError: A file cannot be read.
        RecordingError: The manifest cannot be read, or is that of a later version.
    """
    manifest = manifest_of(folder)
    keeper = keeper_of(manifest)
    configured = configured_in(manifest)
    names = sorted(encoders_in(folder).union(configured))
    names.sort(key=lambda name: name != keeper)
    stocks = []
    for name in names:
        spec = manifest.spec if manifest is not None and name == keeper else None
        if has_tiff(folder, name):
            stock = take_stock(folder, name, spec, thorough=thorough, on_bytes=on_bytes)
            stocks.append(stock)
    return Estate(folder, manifest, stocks, list(videos_in(folder, names, manifest)))


def manifest_of(folder: Path) -> Manifest | None:
    """Read the manifest; None if it is missing or torn.

    Raises:
        RecordingError: It cannot be read, or is that of a later version.
    """
    try:
        return read_manifest(folder)
    except RecordingError as error:
        reason = error.__cause__
        is_torn = isinstance(reason, msgspec.DecodeError | FileNotFoundError)
        if not is_torn or isinstance(reason, msgspec.ValidationError):
            raise
        return None


def encoders_in(folder: Path) -> set[str]:
    """Give the names of all encoders that have files, or that had a log."""
    with disk_errors(folder):
        found = (SEGMENT.fullmatch(path.name) for path in folder.iterdir())
        stems = {match[1] for match in found if match}
        if (folder / "frames.csv").exists():
            stems.add("frames")
    return {MAIN if stem == "frames" else stem for stem in stems}


def has_tiff(folder: Path, encoder: str) -> bool:
    """Whether an encoder wrote TIFF files, or came to write nothing at all."""
    paths = segment_paths(folder, encoder)
    return not paths or any(path.suffix == TIFF for path in paths)


def keeper_of(manifest: Manifest | None) -> str:
    """Name the encoder whose frames the manifest describes: the first configured."""
    return next(iter(configured_in(manifest)), MAIN)


def configured_in(manifest: Manifest | None) -> list[str]:
    """Give the names of the encoders that the pipeline had, if that is known."""
    encoders = manifest.config.get("encoder") if manifest is not None else None
    return [str(encoder.get("name", MAIN)) for encoder in encoders or ()]


def videos_in(
    folder: Path, encoders: list[str], manifest: Manifest | None
) -> Iterator[RecordedFile]:
    """List the files that are no TIFF; how many pages they have the manifest says."""
    listed = {file.name: file.pages for file in manifest.files} if manifest else {}
    for encoder in encoders:
        for path in segment_paths(folder, encoder):
            if path.suffix != TIFF:
                rows = listed.get(path.name, rows_about(folder, encoder, path.name))
                yield RecordedFile(path.name, encoder, rows, path.stat().st_size)


def rows_about(folder: Path, encoder: str, file: str) -> int:
    """Count the rows of a frame log that are about a file."""
    with suppress(FileNotFoundError), log_path(folder, encoder).open("rb") as lines:
        return sum(line.split(b",", 3)[2:3] == [file.encode()] for line in lines)
    return 0


def anew(estate: Estate) -> Manifest:
    """Make a manifest of what the files and the folder's name say."""
    path, stocks = estate.path, estate.stocks
    told = next((s.description for s in stocks if s.description), {})
    times = [stock.t_unix_ns[0] for stock in stocks if stock.t_unix_ns]
    began = BEGAN.match(path.name)
    started = min(times, default=0)
    if began:
        named = datetime.strptime(began[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        started = int(named.timestamp()) * 10**9
    made = Manifest(path.name, path.parent.name, "running", started)
    made.config = told.get("config") or {}
    keeper = keeper_of(made)
    by_name = {stock.encoder: stock.spec for stock in stocks}
    made.spec = by_name.get(keeper) or next(iter(by_name.values()), None)
    return made
