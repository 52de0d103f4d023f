"""The Debian root that machines boot: built once, kept in a cache by its recipe.

`python -m tests.system.root` builds it, so that a test need not.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .recipe import Recipe, what_install_needs

TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
BUILD_S = 900
MACHINE_ID = "0123456789abcdef0123456789abcdef"
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")

Say = Callable[[str], None]


def why_not() -> str:
    """Say why this computer can boot no root; empty if it can."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        return f"apt-get install {' '.join(dict.fromkeys(missing))}"
    if "overlay" not in Path("/proc/filesystems").read_text("ascii").split():
        return "the kernel has no overlay file system: modprobe overlay"
    return ""


def cache() -> Path:
    """Give the folder that roots are kept in."""
    named = os.environ.get("IMAGEMP_TEST_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "imagemp-tests"


def built_root(recipe: Recipe, say: Say) -> Path:
    """Give a folder with `root` and `wheels` in it; builds what is not there."""
    folder = cache() / f"{recipe.suite}-{recipe.key}"
    with _locked(folder):
        for part, build in (("root", _build_root), ("wheels", _fetch_wheels)):
            if not (folder / part).is_dir():
                _build(folder / part, build, recipe, say)
    return folder


def _build(
    path: Path, build: Callable[[Recipe, Path], None], recipe: Recipe, say: Say
) -> None:
    """Build beside the final name: what bears it is whole."""
    say(f"building {path} (once, a minute or two)")
    began = time.monotonic()
    new = path.with_name(f"{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    build(recipe, new)
    new.rename(path)
    say(f"built {path} in {time.monotonic() - began:.0f} s")


def _build_root(recipe: Recipe, path: Path) -> None:
    mirror = _mirror()
    prefer = (
        'mkdir -p "$1"/etc/apt/preferences.d; echo {} >"$1"/etc/apt/preferences.d/x'
    )
    run(
        "mmdebstrap",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(recipe.packages)}",
        f"--setup-hook={prefer.format(shlex.quote(recipe.preferences))}",
        recipe.suite,
        str(path),
        *(f"deb {mirror} {suite} main" for suite in recipe.suites),
    )
    recipe.after(path)
    # Without an id the first boot enables every unit that has an [Install].
    (path / "etc/machine-id").write_text(f"{MACHINE_ID}\n", "ascii")


def _fetch_wheels(recipe: Recipe, path: Path) -> None:
    """Fetch here what pip inside will want: there it has no network."""
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    tag = recipe.python.replace(".", "")
    kinds = (*(f"{name}_{recipe.machine}" for name in PLATFORMS), "any")
    constraints = path.with_name("constraints.txt")
    constraints.write_text("\n".join(_numpy(path.with_name("root"))), "ascii")
    run(
        *(
            *pip,
            "download",
            "--constraint",
            str(constraints),
            "--dest",
            str(path),
            "--only-binary=:all:",
        ),
        *("--python-version", recipe.python, "--implementation", "cp"),
        *(word for abi in (f"cp{tag}", "abi3", "none") for word in ("--abi", abi)),
        *(word for kind in kinds for word in ("--platform", kind)),
        *recipe.wheels,
    )
    for source in recipe.sources:
        run(*pip, "wheel", "--no-deps", "--wheel-dir", str(path), source)


def _numpy(root: Path) -> list[str]:
    """Give Debian's numpy as a constraint for what must work with it."""
    found = (root / "usr/lib/python3/dist-packages").glob("numpy-*.*-info")
    return [path.name.rpartition(".")[0].replace("-", "==") for path in found]


def _mirror() -> str:
    """Give the Debian mirror that this machine's own apt uses."""
    asked = ("apt-get", "indextargets", "--format", "$(REPO_URI)")
    found = subprocess.run(  # noqa: S603 - nothing of it comes from outside
        [*asked, "Created-By: Packages", "Label: Debian"],
        capture_output=True,
        text=True,
        check=False,
    )
    return (found.stdout.split() or ["http://deb.debian.org/debian/"])[0]


def run(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-4000:]}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time build."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Tell who waits for a root what is being done."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(f"no root: {reason}")
    built_root(what_install_needs(), say)
