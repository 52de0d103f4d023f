"""A daemon, and imagectl beside it."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagemp.ctl.main import main

from .fake_daemon import FakeDaemon

PROGRAM = "import sys; from imagemp.ctl.main import main; sys.exit(main())"
COMMAND = [sys.executable, "-c", PROGRAM]

Imagectl = Callable[..., int]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path) as played:
        yield played


@pytest.fixture
def imagectl(tmp_path: Path) -> Imagectl:
    """Run a command in this process and give its exit code."""
    return lambda *words: main([*words, "--runtime-dir", str(tmp_path)])


class Terminal:
    """imagectl in a process of its own, at a terminal 100 wide."""

    def __init__(self, *words: str) -> None:
        self._end, theirs = pty.openpty()
        env = {**os.environ, "COLUMNS": "100", "LINES": "40", "TERM": "xterm"}
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=env
        )
        os.close(theirs)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Read on until `text` is shown; fails if the process ends before."""
        while text not in self.shown:
            self.shown += os.read(self._end, 65536).decode(errors="replace")

    def left_with(self) -> int:
        """Read to the end, and give the exit code."""
        with contextlib.suppress(OSError):  # how a terminal says that all have left
            while True:
                self.shown += os.read(self._end, 65536).decode(errors="replace")
        return self.process.wait()

    def press_ctrl_c(self) -> None:
        """Interrupt it once it waits: zmq hears no signal just before it sleeps."""
        state = Path(f"/proc/{self.process.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] != "S":
            pass
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End the process if it still runs."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self._end)


@pytest.fixture
def at_terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start commands at terminals."""
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> Terminal:
            terminal = Terminal(*words, "--runtime-dir", str(tmp_path))
            stack.callback(terminal.close)
            return terminal

        yield start
