"""A frame that a program outside has received: views into the daemon's ring."""

from typing import Self

from .errors import Evicted, RingError
from .frames import Frame
from .ring.reader import Reader


class ReceivedFrame(Frame):
    """A frame in the ring: its arrays are valid until it is released.

    Attributes:
        is_whole: After release: whether it stayed untouched while it was in use.
            None before.
    """

    __slots__ = ("_reader", "is_whole")

    def __init__(self, frame: Frame, reader: Reader) -> None:
        super().__init__(frame.planes, frame.info)
        self._reader = reader
        self.is_whole: bool | None = None

    def copy(self) -> Frame:
        """Give a frame for keeping, that is known to be whole.

        Raises:
            Evicted: It was overwritten meanwhile.
            RingError: It has been released: nobody could tell.
        """
        if self.is_whole is not None:
            raise RingError(
                f"frame {self.info.seq}: released already",
                "copy it before the next one is received",
            )
        return self._reader.copy(self)

    def release(self) -> bool:
        """Give it back; whether it was whole to the end. May be called twice."""
        if self.is_whole is None:
            try:
                self._reader.release(self)
            except Evicted:
                self.is_whole = False
            else:
                self.is_whole = True
        return self.is_whole

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
