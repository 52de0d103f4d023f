"""Videos as any other program reads them. Needs PyAV."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import RecordingError
from ...frames import AnyArray
from .records import SECOND_US


def read_video(
    path: Path, from_us: int = 0, *, as_grey: bool = False
) -> Generator[tuple[int, AnyArray], None, None]:
    """Decode a video: give microseconds and pixels of each frame that can be.

    Pixels are (h, w) where grey was recorded without loss, else (h, w, 3) RGB.

    Args:
        path: The file.
        from_us: Begin with the key frame at this time, or the last before it.
        as_grey: Give all as (h, w).

    Raises:
        RecordingError: It cannot be opened or decoded.
    """
    av = imported()
    try:
        with av.open(str(path)) as file:
            if from_us:
                file.seek(from_us)  # counts microseconds, as we do
            for frame in decodable(file):
                is_grey = frame.format.name.startswith("gray")
                kind = None if is_grey else "gray" if as_grey else "rgb24"
                pixels = frame.to_ndarray(format=kind)
                yield round((frame.time or 0.0) * SECOND_US), pixels
    except av.FFmpegError as error:
        raise RecordingError(f"{path}: {error}") from error


def decodable(file: Any) -> Iterator[Any]:  # noqa: ANN401 - PyAV is imported late
    """Give the frames of an open video, without those whose data is damaged."""
    damaged = imported().error.InvalidDataError
    for packet in file.demux(video=0):
        with suppress(damaged):
            yield from packet.decode()


def comment_of(path: Path) -> str:
    """Give what the header says about the recording; empty without PyAV."""
    with suppress(RecordingError):
        av = imported()
        torn = (av.FFmpegError, UnicodeDecodeError)
        with suppress(*torn), av.open(str(path)) as file:
            told = {name.lower(): text for name, text in file.metadata.items()}
            return str(told.get("comment", ""))
    return ""


def imported() -> ModuleType:
    """Import PyAV.

    Raises:
        RecordingError: It is not there.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise RecordingError(
            "films need PyAV, which is not installed", "pip install imagempd[video]"
        ) from error
    return av
