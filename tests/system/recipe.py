"""What a Debian root for tests is made of; a changed recipe is another root."""

import hashlib
import platform
import tomllib
from dataclasses import astuple, dataclass
from pathlib import Path

TREE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Recipe:
    """All that decides what is in a root and in the folder of wheels beside it.

    Attributes:
        suite: Of Debian.
        python: The version of that suite's python3.
        packages: From Debian, beside what is essential.
        wheels: From the package index, with all they need.
        sources: The same, published as source alone; pure Python.
        revision: To be raised when the way of building changes.
    """

    suite: str
    python: str
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    sources: tuple[str, ...] = ()
    revision: int = 1

    @property
    def suites(self) -> tuple[str, ...]:
        """Where packages may come from."""
        return (self.suite,)

    @property
    def preferences(self) -> str:
        """What apt shall prefer, as apt_preferences(5) has it."""
        return ""

    def after(self, path: Path) -> None:
        """Finish the root when its packages are in it."""

    @property
    def machine(self) -> str:
        """The processor, as wheels name it."""
        return platform.machine()

    @property
    def key(self) -> str:
        """The same for the same recipe, another for any other."""
        text = repr((*astuple(self), self.machine))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def what_install_needs(tree: Path = TREE) -> Recipe:
    """Give the recipe for `make install` from this tree."""
    project = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))
    needed = (*project["build-system"]["requires"], *project["project"]["dependencies"])
    only_sources = {"sdnotify"}
    return Recipe(
        suite="trixie",
        python="3.13",
        packages=(
            *("systemd", "systemd-sysv", "dbus"),
            *("python3", "python3-venv", "python3-pip", "make"),
            "python3-numpy",  # as beside Debian's picamera2: pip must let it be
        ),
        wheels=tuple(name for name in needed if name not in only_sources),
        sources=tuple(name for name in needed if name in only_sources),
    )
