"""Where log lines go: to the journal with their priority, or to a terminal."""

import logging
import os

PLAIN = "%(levelname)s %(message)s"


def log_to_stderr() -> None:
    """Log as the journal wants it if stderr leads there, else as a reader does."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JournalFormatter() if leads_to_journal(2) else logging.Formatter(PLAIN)
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def leads_to_journal(fd: int) -> bool:
    """Tell whether systemd reads this descriptor; a child's may lead elsewhere."""
    found = os.fstat(fd)
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class JournalFormatter(logging.Formatter):
    """Begins each line with the priority that systemd reads off it."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        return "\n".join(f"<{priority(record.levelno)}>{line}" for line in lines)


def priority(level: int) -> int:
    """Give syslog's number: 3 error, 4 warning, 6 info, 7 debug."""
    steps = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((number for least, number in steps if level >= least), 7)
