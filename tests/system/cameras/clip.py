"""Pictures for a camera that plays files, each with its number drawn in it.

A number is drawn as blocks, light or dark, one for each bit: they outlive JPEG and
the way to NV12 and back, which a mark of single pixels would not.
"""

from pathlib import Path

import numpy as np

from imagemp.frames import AnyArray

WIDTH, HEIGHT = 640, 480
BITS = 16
BLOCK = WIDTH // BITS
LIGHT, DARK = 220, 40
PICTURES = 64
FIRST_OF = 1000  # the second camera's pictures begin at this number


def write_clip(folder: Path, camera: int) -> None:
    """Write the pictures of a camera, in the order in which they are played."""
    import cv2

    folder.mkdir(parents=True)
    for place in range(PICTURES):
        picture = draw(camera * FIRST_OF + place)
        assert cv2.imwrite(str(folder / f"{place:03}.jpg"), picture)


def draw(number: int) -> AnyArray:
    """Give a picture that bears a number."""
    bits = [number >> place & 1 for place in range(BITS)]
    row = np.repeat(np.where(bits, LIGHT, DARK).astype(np.uint8), BLOCK)
    return np.tile(row, (HEIGHT, 1))


def read(picture: AnyArray) -> int:
    """Give the number that a grey picture bears, in all of its rows.

    Raises:
        ValueError: It is torn: rows do not bear the same.
    """
    blocks = picture.reshape(HEIGHT, BITS, BLOCK)[:, :, 8:-8].mean(axis=2)
    bits = blocks > (LIGHT + DARK) / 2
    if not (bits == bits[0]).all():
        raise ValueError("torn: not all rows bear the same number")
    return sum(int(bit) << place for place, bit in enumerate(bits[0]))
