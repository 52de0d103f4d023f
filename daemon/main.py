"""`imagempd`: reads the configuration, takes the sockets, runs the supervisor."""

import argparse
import asyncio
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagemp.config import Config, load
from imagemp.errors import ConfigError, ImagempError
from imagemp.paths import runtime_dir

from .logs import log_to_stderr
from .sockets import Sockets
from .supervisor import Supervisor

log = logging.getLogger(__name__)
DEFAULT_CONFIG = Path("/etc/imagemp/imagemp.toml")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; give its exit code."""
    options = parser().parse_args(arguments)
    faulthandler.enable()
    faulthandler.register(signal.SIGQUIT, chain=True)  # systemd's watchdog
    log_to_stderr()
    try:
        config = load(options.config)
        sockets = Sockets(runtime_dir(options.runtime_dir))
    except ImagempError as error:
        log.error("%s", error)
        if error.hint:
            log.error("hint: %s", error.hint)
        # systemd does not try the same file again: RestartPreventExitStatus
        return os.EX_CONFIG if isinstance(error, ConfigError) else 1
    log.info("imagempd: %s, %s", options.config, sockets.directory)
    try:
        asyncio.run(_run(config, options, sockets))
    finally:
        sockets.close()
    log.info("imagempd: stopped")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(
        prog="imagempd", description="Camera capture daemon; imagectl controls it."
    )
    described.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s"
    )
    described.add_argument(
        "--runtime-dir",
        metavar="DIR",
        help="for the sockets; see docs/configuration.md",
    )
    described.add_argument(
        "--parent",
        type=int,
        metavar="PID",
        help="stop when this process, which has started the daemon, is gone",
    )
    return described


async def _run(config: Config, options: argparse.Namespace, sockets: Sockets) -> None:
    supervisor = Supervisor(config, options.config.absolute(), sockets)
    with _leash(options.parent, supervisor.ask_to_stop):
        await supervisor.run()
    # All is ended: a second order to stop must not kill us. The closing loop would
    # give signals back what they do by default.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


@contextmanager
def _leash(parent: int | None, stop: Callable[[], None]) -> Iterator[None]:
    """Have the daemon stop when its parent dies, however it does."""
    if parent is None:
        yield
        return
    loop, gone = asyncio.get_running_loop(), os.pidfd_open(os.getppid())

    def is_gone() -> None:
        loop.remove_reader(gone)
        stop()

    loop.add_reader(gone, is_gone)
    if os.getppid() != parent:  # it was gone before we looked
        loop.call_soon(stop)
    try:
        yield
    finally:
        loop.remove_reader(gone)
        os.close(gone)


if __name__ == "__main__":
    sys.exit(main())
