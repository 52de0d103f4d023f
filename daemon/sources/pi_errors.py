"""What goes wrong with a Pi's camera, in words that help."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

from imagemp.errors import SourceError

NEAR = 4  # modes that are told when the one asked for is not there


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
            "sudo apt install python3-picamera2; the daemon's Python must see Debian's "
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
        raise SourceError(f"source.camera: no camera {wanted!r}; there is {named}")
    return found[0]


def why_none() -> str:
    """Say what to look at when libcamera finds no camera."""
    media = sorted(Path("/dev").glob("media*"))
    if media and not any(os.access(path, os.R_OK | os.W_OK) for path in media):
        return "the daemon's user must be in group video"
    return (
        "is the cable in, the right way round, on the camera port? does `rpicam-hello "
        "--list-cameras` see it? a sensor that is not detected by itself wants "
        "dtoverlay=imx219 (or its own) in /boot/firmware/config.txt"
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
def explained(what: str) -> Iterator[None]:
    """Let what picamera2 raises leave as a `SourceError` that says what to do."""
    try:
        yield
    except SourceError:
        raise
    except MemoryError as error:
        raise SourceError(f"{what}: {error}", why_no_memory()) from error
    except OSError as error:
        hint = why_no_memory() if "allocate" in str(error).lower() else ""
        raise SourceError(f"{what}: {error}", hint) from error
    except (RuntimeError, ValueError) as error:
        raise SourceError(f"{what}: {error}", why_taken()) from error


def why_taken() -> str:
    """Say which other processes have a camera open, as far as may be seen."""
    holders = sorted({holder for holder in camera_holders() if holder})
    return f"in use by {', '.join(holders)}" if holders else ""


def camera_holders() -> Iterator[str]:
    """Give `python3 (pid 812)` for each other process that has a camera open."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            opened = {str(fd.readlink()) for fd in (process / "fd").iterdir()}
            if any(name.startswith(("/dev/media", "/dev/video")) for name in opened):
                command = (process / "comm").read_text().strip()
                yield f"{command} (pid {process.name})"


def why_no_memory() -> str:
    """Say how much contiguous memory (CMA) is left, and where it is set."""
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    free = dict(line.split(":") for line in lines).get("CmaFree", "").strip()
    told = f"{free} of contiguous memory (CMA) are free" if free else "no CMA here"
    return (
        f"{told}: fewer source.buffers, a smaller size, or "
        "dtoverlay=vc4-kms-v3d,cma-512 in /boot/firmware/config.txt"
    )
