"""What a session left in its folder, all of its encoders together."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ...errors import RecordingError
from ..disk import disk_errors
from ..folder import MAIN, SEGMENT
from ..manifest import Manifest, RecordedFile, read_manifest
from .findings import OnBytes
from .holdings import Holdings, take_stock

BEGAN = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Estate:
    """A session's folder, looked through.

    Attributes:
        path: The folder.
        manifest: As it is; None if it is missing or torn.
        stocks: What each encoder left, the manifest's keeper first.
    """

    path: Path
    manifest: Manifest | None
    stocks: list[Holdings]

    @property
    def files(self) -> list[RecordedFile]:
        """All files, as the manifest should list them."""
        return [file for stock in self.stocks for file in stock.files]


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
        stock = take_stock(folder, name, spec, thorough=thorough, on_bytes=on_bytes)
        stocks.append(stock)
    return Estate(folder, manifest, stocks)


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


def keeper_of(manifest: Manifest | None) -> str:
    """Name the encoder whose frames the manifest describes: the first configured."""
    return next(iter(configured_in(manifest)), MAIN)


def configured_in(manifest: Manifest | None) -> list[str]:
    """Give the names of the encoders that the pipeline had, if that is known."""
    encoders = manifest.config.get("encoder") if manifest is not None else None
    return [str(encoder.get("name", MAIN)) for encoder in encoders or ()]


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
