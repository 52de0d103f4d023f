"""What every reader of a file is: go to the next frame, read its pixels."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from imagemp.errors import SourceError
from imagemp.frames import AnyArray, numpy_dtype, plain_dtype


class Reader(ABC):
    """Frames of one shape and dtype, in order.

    Attributes:
        shape: Of every frame.
        dtype: As a spec says it, in this machine's byte order.
        fps: The file's own; 0.0 if it has none.
        n: How many frames; 0 if that is not known beforehand.
        at: The frame that `read` gives; -1 before the first.
    """

    shape: tuple[int, ...] = ()
    dtype: Any = "u1"
    fps: float = 0.0
    n: int = 0

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = -1

    def advance(self) -> bool:
        """Go to the next frame; False if there is none.

        Raises:
            SourceError: The file breaks off here.
        """
        if self.at + 1 >= self.n:
            return False
        self.at += 1
        return True

    def rewind(self) -> None:
        """Go back to before the first frame."""
        self.at = -1

    @abstractmethod
    def read(self, out: AnyArray) -> None:
        """Fill `out` with the frame it is at; may be called again.

        Raises:
            SourceError: It cannot be decoded, or is not like the first frame.
        """

    def close(self) -> None:
        """Let go of the file; may be called twice."""

    def be_like(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Take shape and dtype from the first frame."""
        if 0 in shape or not shape:
            raise SourceError(f"{self.path}: frames of shape {shape} hold nothing")
        self.shape = shape
        self.dtype = plain_dtype(dtype.newbyteorder("="))

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
        """Raise unless a frame is like the first one."""
        expected = numpy_dtype(self.dtype)
        if shape != self.shape or dtype.newbyteorder("=") != expected:
            raise SourceError(
                f"{where}: is {shape} {dtype}, expected {self.shape} {expected} "
                "like the first frame",
                "all frames of a source have one shape and one dtype",
            )
