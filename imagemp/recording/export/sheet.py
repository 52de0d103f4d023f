"""A sheet of small pictures that shows what a session is about."""

from pathlib import Path

import cv2
import numpy as np

from ...errors import RecordingError
from ...frames import AnyArray
from ..mend.recorded import frames_in
from .pictures import pictures_of

THUMB_WIDTH = 320


def contact_sheet(folder: Path, path: Path, columns: int = 4, rows: int = 3) -> Path:
    """Write a PNG of frames evenly spaced over a session; give its path back.

    First plane of each; bool and all but u1 are stretched from darkest to brightest.

    Raises:
        RecordingError: There is no frame, or the PNG cannot be written.
    """
    found = [(file, frame[0]) for file, frame in frames_in(folder)]
    if not found:
        raise RecordingError(f"{folder}: no frames")
    chosen = [found[at] for at in evenly_spaced(len(found), columns * rows)]
    shown = pictures_of(chosen)
    thumbs = [thumbnail(pixels, f"{record.seq}") for record, pixels in shown]
    while len(thumbs) < columns * rows:
        thumbs.append(np.zeros_like(thumbs[0]))
    lines = [np.hstack(thumbs[at * columns :][:columns]) for at in range(rows)]
    if not cv2.imwrite(str(path), np.vstack(lines)):
        raise RecordingError(f"{path}: cannot be written")
    return path


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Choose numbers below `count`, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return [at * (count - 1) // max(wanted - 1, 1) for at in range(wanted)]


def thumbnail(pixels: AnyArray, label: str) -> AnyArray:
    """Give a small BGR picture with a label in its corner."""
    picture = stretched(pixels)
    height = max(1, picture.shape[0] * THUMB_WIDTH // picture.shape[1])
    picture = cv2.resize(picture, (THUMB_WIDTH, height), interpolation=cv2.INTER_AREA)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    else:
        picture = cv2.cvtColor(picture[:, :, :3], cv2.COLOR_RGB2BGR)
    white, place = (255, 255, 255), (6, max(height - 8, 1))
    return cv2.putText(picture, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, white)


def stretched(pixels: AnyArray) -> AnyArray:
    """Give a picture as u1, whatever its numbers mean."""
    if pixels.dtype == np.uint8 and pixels.max() > 1:  # not what was bool
        return pixels
    numbers = np.nan_to_num(np.abs(pixels) if pixels.dtype.kind == "c" else pixels)
    low, high = float(numbers.min()), float(numbers.max())
    scale = 255 / (high - low) if high > low else 0.0
    return ((numbers - low) * scale).astype(np.uint8)
