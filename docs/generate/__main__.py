"""`python -m docs.generate`: write every page of docs/reference anew."""

from collections.abc import Callable
from pathlib import Path

from . import commands, library, settings, wire

FOLDER = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "imagectl.md": commands.page,
    "configuration.md": settings.page,
    "protocol.md": wire.page,
    "library.md": library.page,
}


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())


if __name__ == "__main__":
    main()
