"""What people write as text, "2 GiB" above all, and whether sizes fit the machine.

The annotations here say how the text of a key must look; `weigh_memory` and
`weigh_disk` add up what a configuration asks for, for `imagectl config check`.
"""

import os
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

SIZE_EXAMPLE = 'a size such as "2 GiB"'
MAX_SIZE = 2**60

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_NUMBER = r"([0-9]{1,18}(?:\.[0-9]{1,9})?)"
_SIZE = re.compile(rf"{_NUMBER} ?(?:([kmgt])(i?))?(b?)", re.IGNORECASE)

Size = Annotated[
    int, Meta(ge=0, le=MAX_SIZE, description=SIZE_EXAMPLE, extra={"text": "size"})
]
"""A number of bytes that the configuration holds as text with a unit."""

_PLAIN_NAME = "1 to 32 of a-z 0-9 _ -, the first a letter or a digit"
_TARGET = r"\A(?:[A-Za-z_][\w.]*|[/~][^:\0]*\.py):[A-Za-z_]\w*\Z"

Name = Annotated[
    str, Meta(pattern=r"\A[a-z0-9][a-z0-9_-]{0,31}\Z", description=_PLAIN_NAME)
]
FilePath = Annotated[
    str, Meta(pattern=r"\A[^\0]+\Z", description="a path", extra={"text": "path"})
]
Target = Annotated[
    str,
    Meta(
        pattern=_TARGET,
        description='"package.module:Class" or "/path/file.py:Class"',
        extra={"text": "target"},
    ),
]
SourceKind = Annotated[
    str,
    Meta(
        pattern=_TARGET,
        description="synthetic, file, opencv, "
        '"package.module:Class" or "/path/file.py:Class"',
    ),
]
Seconds = Annotated[float, Meta(ge=0, le=31_622_400)]  # a year
Interval = Annotated[float, Meta(ge=0.000_001, le=31_622_400)]
Fps = Annotated[float, Meta(ge=0, le=100_000)]
Pixels = Annotated[int, Meta(ge=1, le=65_536)]
Device = Annotated[
    Annotated[int, Meta(ge=0, le=255)] | Annotated[str, Meta(min_length=1)],
    Meta(description="an index, a path or a URL"),
]
FourCC = Annotated[str, Meta(pattern=r"\A[ -~]{4}\Z", description="four characters")]
Input = Annotated[str, Meta(pattern=r"\Acallback:.+\Z", description='"callback:NAME"')]
DType = Annotated[
    str,
    Meta(
        pattern=r"\A[<>]?(u[1248]|i[1248]|f[248])\Z",
        description="one of u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8",
    ),
]
Length = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def parse_size(text: str) -> int:
    """Give the bytes that a text like "3.9 GiB" means, rounded down.

    kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB of 1024. The unit may
    be missing from 0 alone: nobody should have to guess whether "4" is bytes.

    Raises:
        ValueError: The text is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or not (match[4] or Decimal(match[1]) == 0):
        raise ValueError(f"must be {SIZE_EXAMPLE}, is {text!r}")
    base = 1024 if match[3] else 1000
    nbytes = int(Decimal(match[1]) * base ** _POWERS[(match[2] or "").lower()])
    if nbytes > MAX_SIZE:
        raise ValueError(f"must be at most {format_size(MAX_SIZE)}, is {text!r}")
    return nbytes


def format_size(nbytes: int) -> str:
    """Give a size for people, "9.4 MiB"; at most four digits."""
    if nbytes < 1024:
        return f"{nbytes} B"
    size = float(nbytes)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


class Finding(msgspec.Struct, frozen=True):
    """Something about a configuration that its user should know.

    Attributes:
        level: error: it will not work here; warning: it may not; note: so it is.
    """

    level: Literal["error", "warning", "note"]
    key: str
    message: str


class Need(msgspec.Struct, frozen=True):
    """Bytes that a key asks for.

    Attributes:
        folder: Where on disk; empty: in memory.
    """

    key: str
    what: str
    nbytes: int
    folder: str = ""


class Memory(msgspec.Struct, frozen=True):
    """What the machine has, in bytes."""

    total: int
    available: int

    @classmethod
    def here(cls) -> Self:
        """Ask the kernel."""
        page = os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * page
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        kib = dict(line.split(":") for line in lines).get("MemAvailable", "")
        available = int(kib.split()[0]) * 1024 if kib else total
        return cls(total, available)


def weigh_memory(needs: Iterable[Need], memory: Memory) -> Finding:
    """Compare what all pipelines at once need with the memory there is."""
    needs = [need for need in needs if not need.folder]
    wanted = sum(need.nbytes for need in needs)
    level: Literal["error", "warning", "note"] = "note"
    if wanted > memory.total:
        level = "error"
    elif wanted > memory.available:
        level = "warning"
    there = f"{format_size(memory.available)} of {format_size(memory.total)}"
    message = f"{_sum(needs)} of memory; {there} are available"
    return Finding(level, _heaviest(needs), message)


def weigh_disk(needs: Iterable[Need]) -> list[Finding]:
    """Compare what overflow files need with the disks that they lie on."""
    disks: dict[int, list[Need]] = {}
    for need in needs:
        if need.folder:
            disk = existing(Path(need.folder)).stat().st_dev
            disks.setdefault(disk, []).append(need)
    return [_weigh_one(there) for there in disks.values()]


def check_paths(paths: Mapping[str, str]) -> list[Finding]:
    """Find the keys whose file, or file of a target, is not there."""
    files = {
        key: Path(re.sub(r"\.py:\w+$", ".py", text)) for key, text in paths.items()
    }
    return [
        Finding("error", key, f"{file} does not exist")
        for key, file in files.items()
        if file.is_absolute() and not os.access(file, os.F_OK)
    ]


def check_folder(key: str, folder: str) -> list[Finding]:
    """Find out whether this process may write there, or make the folder."""
    there = existing(Path(folder))
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return []
    problem = "no right to" if there.is_dir() else "no folder is"
    return [Finding("error", key, f"{folder} cannot be written: {problem} {there}")]


def existing(folder: Path) -> Path:
    """Give the folder, or the nearest thing above it that is there."""
    return next(f for f in (folder, *folder.parents) if os.access(f, os.F_OK))


def _weigh_one(needs: list[Need]) -> Finding:
    where = existing(Path(needs[0].folder))
    disk = os.statvfs(where)
    free = disk.f_bavail * disk.f_frsize
    is_enough = sum(need.nbytes for need in needs) <= free
    message = f"{_sum(needs)} of disk; {format_size(free)} are free on {where}"
    return Finding("note" if is_enough else "error", _heaviest(needs), message)


def _sum(needs: list[Need]) -> str:
    parts = ", ".join(f"{need.what} {format_size(need.nbytes)}" for need in needs)
    return f"needs {format_size(sum(need.nbytes for need in needs))} ({parts})"


def _heaviest(needs: list[Need]) -> str:
    return max(needs, key=lambda need: need.nbytes).key
