"""A network camera: JPEG frames over HTTP, one after the other, each with a number.

It may be unplugged and plugged in again; meanwhile it counts on, as a camera does.
"""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from imagemp.frames import AnyArray

BITS = 16
BLOCK = 16  # pixels, two of JPEG's own
HEAD = (
    b"HTTP/1.0 200 OK\r\n"
    b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
)


class NetworkCamera:
    """Serves whoever connects, one client at a time.

    Args:
        fps: How many frames it takes a second.
        columns: Width of its frames.
    """

    def __init__(self, fps: float = 50.0, columns: int = BITS * BLOCK) -> None:
        self.fps, self.columns = fps, columns
        self._began = time.monotonic()
        self._client: socket.socket | None = None
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._is_silent = threading.Event()
        self._is_out = False
        self._serve()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/camera.mjpg"

    @property
    def number(self) -> int:
        """The frame that it takes now."""
        return int((time.monotonic() - self._began) * self.fps)

    def unplug(self) -> None:
        """Be gone: whoever reads is cut off, nobody can connect."""
        self._is_out = True
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._cut()
        self._thread.join()

    def plug_in(self) -> None:
        """Be there again, at the same place."""
        self._door = socket.create_server(("127.0.0.1", self.port))
        self._is_out = False
        self._serve()

    def fall_silent(self) -> None:
        """Send nothing more to whoever is connected; the next one is served."""
        self._is_silent.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._is_silent.set()
        if not self._is_out:
            self.unplug()

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._serve_all, daemon=True)
        self._thread.start()

    def _serve_all(self) -> None:
        while not self._is_out:
            try:
                self._client, _ = self._door.accept()
            except OSError:
                return
            with suppress(OSError), self._client:
                self._client.recv(4096)
                self._send_frames(self._client)

    def _send_frames(self, client: socket.socket) -> None:
        client.sendall(HEAD)
        self._is_silent.clear()
        sent = self.number
        while not self._is_out:
            due = self._began + (sent + 1) / self.fps
            if self._is_silent.wait(max(0.0, due - time.monotonic())):
                client.recv(1)  # until it gives up
                return
            sent += 1
            jpeg = picture(sent, self.columns)
            head = f"--frame\r\nContent-Length: {len(jpeg)}\r\n"
            client.sendall(f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + jpeg)
            client.sendall(b"\r\n")

    def _cut(self) -> None:
        if self._client is not None:
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)


def picture(number: int, columns: int = BITS * BLOCK) -> bytes:
    """Draw a number in blocks, black or white, and give the JPEG."""
    image = np.zeros((2 * BLOCK, columns), np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            image[:, bit * BLOCK : (bit + 1) * BLOCK] = 255
    return cv2.imencode(".jpg", image)[1].tobytes()


def read_number(image: AnyArray) -> int:
    """Read the number in a picture, grey or in colour."""
    row = image[BLOCK].reshape(image.shape[1], -1)[:, 0]
    middles = row[BLOCK // 2 : BITS * BLOCK : BLOCK] > 128
    return sum(int(on) << bit for bit, on in enumerate(middles))
