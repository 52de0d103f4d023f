"""What the service may not do unasked, and which of its drop-ins allows it.

imagemp.service is shut tight: a setting that needs more than recording on the
machine's own disk works in a terminal, and not under systemd, until a drop-in lets it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from .machine import Finding
from .sections import Config, PipelineConfig
from .sources import ClassSource, FileSource, OpencvSource

UNITS = Path("/etc/systemd/system")
UNIT = "imagemp.service"
OWN = ("/var/lib/imagemp", "/run/imagemp", "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
HOMES = ("/home", "/root", "/run/user")
URL = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://")
PINS = re.compile(
    r"^\s*(?:import|from)\s+(?:gpiozero|gpiod|lgpio|pigpio|RPi)\b", re.MULTILINE
)
MOST_CODE = 1 << 20  # bytes of a file that are looked at


def lacking(config: Config, units: Path = UNITS) -> list[Finding]:
    """Name the drop-in that each setting needs and the service has not.

    Args:
        config: Checked.
        units: Where imagemp.service is, if it is installed; else nothing is found.
    """
    if not (units / UNIT).is_file():
        return []
    there = {path.name for path in units.glob(f"{UNIT}.d/*.conf")}
    found = [*_folders(config), *_sources(config), *_code(config)]
    return [_finding(*one) for one in found if f"{one[1]}.conf" not in there]


def _finding(key: str, name: str, why: str) -> Finding:
    shipped = Path(sys.prefix) / "share/imagemp" / f"{name}.conf"
    at = shipped if shipped.is_file() else f"systemd/{name}.conf"
    to = UNITS / f"{UNIT}.d"
    return Finding(
        "warning",
        key,
        f"{why}, which the service may not: it needs the drop-in {name} "
        f"(sudo install -Dm644 -t {to} {at}; then its path, and a restart)",
    )


def _folders(config: Config) -> Iterator[tuple[str, str, str]]:
    """Find recordings and overflow outside the service's own folders."""
    folders = {"daemon.data_dir": config.daemon.data_dir}
    for name, pipeline in config.pipelines.items():
        if pipeline.ring.overflow == "disk" and pipeline.ring.overflow_dir:
            folders[f"pipelines.{name}.ring.overflow_dir"] = pipeline.ring.overflow_dir
    for key, folder in folders.items():
        if not _is_in(folder, OWN):
            yield key, "10-disk", f"writes to {folder}"


def _sources(config: Config) -> Iterator[tuple[str, str, str]]:
    """Find cameras that are not on this machine."""
    for name, pipeline in config.pipelines.items():
        source, key = pipeline.source, f"pipelines.{name}.source"
        named = ""
        if isinstance(source, OpencvSource):
            key, named = f"{key}.device", str(source.device)
        elif isinstance(source, FileSource):
            key, named = f"{key}.path", source.path
        if URL.match(named):
            yield key, "30-network", "uses the network"


def _code(config: Config) -> Iterator[tuple[str, str, str]]:
    """Find files in homes, and code that uses pins."""
    for name, pipeline in config.pipelines.items():
        for key, text in _files(pipeline):
            full, file = f"pipelines.{name}.{key}", text.rpartition(".py:")[0]
            if _is_in(text, HOMES):
                yield full, "20-home", f"reads {text}"
            if file and PINS.search(_text(Path(f"{file}.py"))):
                yield full, "40-gpio", f"{file}.py uses pins"


def _files(pipeline: PipelineConfig) -> Iterator[tuple[str, str]]:
    for callback in pipeline.callbacks:
        yield f"callbacks.{callback.name}.target", callback.target
    yield "schedule.file", pipeline.schedule.file or ""
    yield "schedule.generator", pipeline.schedule.generator or ""
    if isinstance(pipeline.source, FileSource):
        yield "source.path", pipeline.source.path
    if isinstance(pipeline.source, ClassSource):
        yield "source.kind", pipeline.source.target


def _is_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_CODE).decode("utf-8", "replace")
    except OSError:
        return ""  # check_paths says that it is not there
