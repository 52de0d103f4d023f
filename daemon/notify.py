"""What systemd is told; nothing happens where there is no systemd."""

import os

import sdnotify

MAX_STATUS = 200


class Notifier:
    """Sends to NOTIFY_SOCKET, and never blocks on it."""

    def __init__(self) -> None:
        self._systemd = None
        if os.environ.get("NOTIFY_SOCKET"):  # without one it leaks a socket
            self._systemd = sdnotify.SystemdNotifier()
            if self._systemd.socket is not None:  # blocks after 11 unread datagrams
                self._systemd.socket.setblocking(False)

    @property
    def watchdog_s(self) -> float | None:
        """Seconds between two signs of life; None: nobody waits for them."""
        usec = os.environ.get("WATCHDOG_USEC", "")
        if not usec.isdigit() or os.environ.get("WATCHDOG_PID") not in (
            None,
            str(os.getpid()),
        ):
            return None
        return int(usec) / 2e6

    def ready(self) -> None:
        """Control answers."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again."""
        self._tell("RELOADING=1")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`; sdnotify sends latin-1 only."""
        plain = text.encode("latin-1", "replace").decode("latin-1")
        self._tell(f"STATUS={plain[:MAX_STATUS]}")

    def alive(self) -> None:
        """Keep the watchdog quiet."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon is about to exit."""
        self._tell("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Ask for more time to stop, or to start."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _tell(self, text: str) -> None:
        if self._systemd is not None:
            self._systemd.notify(text)
