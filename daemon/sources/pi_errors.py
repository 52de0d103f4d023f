"""What goes wrong with a Pi's camera, in words that help."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

from imagemp.errors import SourceError

NEAR = 4  # modes that are told when the one asked for is not there
MOST_OF_A_COMMAND = 60  # characters
NODES = ("/dev/media", "/dev/video")
WHO_HAS_IT = (  # a process of another user cannot be looked into
    "if another program has it, `sudo fuser -v /dev/media* /dev/video*` names that"
)


class CameraInfo(TypedDict):
    """What libcamera tells of a camera before it is opened."""

    Num: int  # libcamera's; picamera2 sorts cameras, and counts them so
    Model: str
    Id: str


def import_picamera2() -> Any:  # noqa: ANN401 - the module
    """Import picamera2.

    Raises:
        SourceError: It is not there, or what it needs is not.
    """
    try:
        import picamera2
    except ImportError as error:
        raise SourceError(
            f"picamera2 cannot be imported: {error}",
            "sudo apt install python3-picamera2 (python3-libcamera comes with it, from "
            "Raspberry Pi's archive); the daemon's Python must see Debian's "
            "packages (python3 -m venv --system-site-packages)",
        ) from error
    return picamera2


def camera_number(picamera2: Any, wanted: int | str) -> int:  # noqa: ANN401
    """Give the number of the camera that is meant.

    Raises:
        SourceError: There is none, or not that one.
    """
    there = list[CameraInfo](picamera2.Picamera2.global_camera_info())
    if not there:
        raise SourceError("there is no camera", why_none())
    # A camera's number is its place in this list, not libcamera's own `Num`.
    found = [
        place
        for place, camera in enumerate(there)
        if wanted == place
        or (isinstance(wanted, str) and wanted in (camera["Id"], camera["Model"]))
    ]
    if len(found) != 1:
        named = ", ".join(
            f"{place} ({camera['Model']}, {camera['Id']})"
            for place, camera in enumerate(there)
        )
        problem = "several cameras are" if found else "no camera"
        raise SourceError(f"source.camera: {problem} {wanted!r}; there is {named}")
    return found[0]


def why_none(dev: Path = Path("/dev")) -> str:
    """Say what to look at when libcamera finds no camera."""
    media = sorted(dev.glob("media*"))
    if media and not any(os.access(path, os.R_OK | os.W_OK) for path in media):
        return "the daemon's user must be in group video"
    return (
        "is the cable in, the right way round, on the camera port? does `rpicam-hello "
        "--list-cameras` see it? /boot/firmware/config.txt should have "
        "camera_auto_detect=1; a sensor that is not detected by itself wants "
        "dtoverlay=imx219 (or its own) there"
    )


def mode_error(wanted: tuple[int, ...], modes: Sequence[dict[str, Any]]) -> SourceError:
    """Say that the sensor has no such mode, and which come near."""

    def distance(mode: dict[str, Any]) -> int:
        width, height = mode["size"]
        return abs(int(width) * int(height) - wanted[0] * wanted[1])

    near = ", ".join(
        f"[{m['size'][0]}, {m['size'][1]}, {m['bit_depth']}] at {m['fps']} fps"
        for m in sorted(modes, key=distance)[:NEAR]
    )
    return SourceError(
        f"source.mode: the sensor has no mode {list(wanted)}", f"the nearest are {near}"
    )


@contextmanager
def explained(what: str, buffers: int | None = None) -> Iterator[None]:
    """Let what picamera2 raises leave as a `SourceError` that says what to do.

    Args:
        what: Was being done.
        buffers: The camera is being opened, and takes so many bytes at least.
    """
    try:
        yield
    except SourceError:
        raise
    except (MemoryError, OSError, RuntimeError, ValueError) as error:
        hint = "" if buffers is None else why_not_opened(error, buffers)
        raise SourceError(f"{what}: {error}", hint) from error


def why_not_opened(error: Exception, buffers: int) -> str:
    """Say what may keep a camera from being opened."""
    text = str(error).lower()
    if isinstance(error, MemoryError) or "allocate" in text or "memory" in text:
        return why_no_memory(buffers)
    return why_taken()


def why_taken(proc: Path = Path("/proc"), nodes: tuple[str, ...] = NODES) -> str:
    """Say which other processes have a camera open, as far as may be seen."""
    holders = ", ".join(sorted(camera_holders(proc, nodes)))
    return f"a camera is open in {holders}" if holders else WHO_HAS_IT


def camera_holders(proc: Path, nodes: tuple[str, ...]) -> Iterator[str]:
    """Give `rpicam-vid -t 0 (pid 812)` for each other process with a camera open."""
    for process in proc.iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            if any(name.startswith(nodes) for name in opened_by(process)):
                words = (process / "cmdline").read_bytes().split(b"\0")
                command = b" ".join(words).decode(errors="replace").strip()
                yield f"{command[:MOST_OF_A_COMMAND]} (pid {process.name})"


def opened_by(process: Path) -> Iterator[str]:
    """Give the files that a process has open; those just closed are left out."""
    for fd in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(fd.readlink())


def why_no_memory(buffers: int, meminfo: Path = Path("/proc/meminfo")) -> str:
    """Say how much contiguous memory (CMA) is needed and left, and where it is set."""
    lines = meminfo.read_text("ascii").splitlines()
    free = dict(line.split(":") for line in lines).get("CmaFree", "").strip()
    return (
        f"the buffers take {buffers >> 10} kB of contiguous memory (CMA) at least, "
        f"{free or 'none'} is free: fewer source.buffers, a smaller size, or "
        "dtoverlay=vc4-kms-v3d,cma-256 in /boot/firmware/config.txt"
    )
