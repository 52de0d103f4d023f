"""The words of a refusal: what was found, what was expected, what was meant.

    ring.slots: must be at least 2, is 1
    ring.slts: unknown key; did you mean slots?

Keys come first, because `ConfigError` puts them there; what was found comes last,
as it stands in the file.
"""

import difflib
import math
from collections.abc import Iterable
from datetime import date, time
from typing import Literal, get_args

from msgspec import Meta

from .section import Section
from .values import Kind, bare, limits, origin

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
}
# Where one of these is found, but is refused, its limit is what matters. A whole
# number will do for a float; a bool is a number to Python alone.
_NUMBERS: dict[object, tuple[type[int] | type[float], ...]] = {
    int: (int,),
    float: (int, float),
}


def show(found: object) -> str:
    """Give a value that was found, short, as TOML has it."""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, dict):
        return "a table"
    text = str(found) if isinstance(found, date | time) else repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."


def expected(kind: Kind, found: object) -> str:
    """Say what an annotation wants, with only the limit that `found` is past."""
    meta, plain = limits(kind), bare(kind)
    if meta.description:
        return meta.description
    if origin(plain) is Literal:
        return " or ".join(", ".join(get_args(plain)).rsplit(", ", 1))
    if not isinstance(found, bool) and isinstance(found, _NUMBERS.get(plain, ())):
        return _bound(meta, found)
    return _WORDS.get(plain, "a table")


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was meant, or what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def meant(section: type[Section], name: str, known: Iterable[str]) -> str:
    """Say which key was meant; for a source also all that its kind has."""
    hint, tag = suggest(name, known), section.__struct_config__.tag
    if tag is None or not hint.endswith("?"):
        return hint
    return f"{hint} kind {tag} has {', '.join(sorted(known))}"


def _bound(meta: Meta, found: float) -> str:
    """Say which end of its range a number is past."""
    if not math.isfinite(found):
        return "a finite number"
    if meta.gt is not None and found <= meta.gt:
        return f"more than {meta.gt}"
    if meta.ge is not None and found < meta.ge:
        return f"at least {meta.ge}"
    return f"at most {meta.le}"
