"""TOML tables to Structs, where every refusal names its key.

A refusal says which key, what was found and what was expected, by the annotations
of the Structs (`msgspec.Meta`).
"""

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Meta

from .errors import ConfigError
from .sizes import SIZE_EXAMPLE, parse_size

Table = dict[str, Any]
Value = Any
"""What TOML has, or what a field of a Struct has."""
Kind = Any
"""An annotation of a field; there is no type for `Annotated[int, ...] | None`."""
Part = Callable[[object, str, Any], Any]
"""Reads one key by hand: its value, its full key, what a base has there."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration.

    Attributes:
        LATER: Keys that are still to come, or values of theirs, if any stand there.
    """

    LATER: ClassVar[Mapping[str, tuple[str, ...]]] = {}


S = TypeVar("S", bound=Section)


class Tables:
    """Reads tables; relative paths in them start at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(
        self,
        section: type[S],
        table: object,
        key: str,
        base: S | None = None,
        parts: Mapping[str, Part] | None = None,
    ) -> S:
        """Give the section that `table` describes.

        Args:
            section: What to make.
            table: As tomllib gave it.
            key: Where it stands.
            base: Has the values of the keys that are not in the table.
            parts: Who reads the keys that are more than one value.
        """
        fields = {field.name: field for field in msgspec.structs.fields(section)}
        values = {} if base is None else msgspec.structs.asdict(base)
        for name, found in as_table(table, key).items():
            full = join(key, name)
            refuse_later(section, name, found, full)
            if name not in fields:
                raise ConfigError(full, f"unknown key; {_meant(section, name, fields)}")
            part = (parts or {}).get(name) or self._part(fields[name].type)
            values[name] = part(found, full, values.get(name))
        for name, field in fields.items():
            if field.required and name not in values:
                raise ConfigError(join(key, name), "must be given, is missing")
        return section(**values)

    def value(self, kind: Kind, found: object, key: str) -> Value:
        """Give the value of one key as its annotation wants it."""
        kind = _without_none(kind)
        if _origin(_bare(kind)) is tuple:
            return self._items(kind, found, key)
        form = (_meta(kind).extra or {}).get("text")
        if form == "size":
            return _size(found, key)
        try:
            value = msgspec.convert(found, kind)
        except msgspec.ValidationError:
            expected = _expected(kind, found)
            raise ConfigError(key, f"must be {expected}, is {show(found)}") from None
        is_path = form == "path" or (form == "target" and value.startswith("~"))
        return self._path(value, key) if is_path else value

    def _part(self, kind: Kind) -> Part:
        """Give what reads a field of this annotation."""
        kind = _without_none(kind)
        if isinstance(kind, type) and issubclass(kind, Section):
            return lambda found, key, base: self.read(kind, found, key, base)
        if _origin(kind) is dict:
            return lambda found, key, base: {**(base or {}), **as_table(found, key)}
        return lambda found, key, _: self.value(kind, found, key)

    def _items(self, kind: Kind, found: object, key: str) -> tuple[Any, ...]:
        if not isinstance(found, list) or not found:
            raise ConfigError(key, f"must be a list of values, is {show(found)}")
        limit = _meta(kind).max_length
        if limit is not None and len(found) > limit:
            raise ConfigError(key, f"must have at most {limit} items, has {len(found)}")
        item = get_args(_bare(kind))[0]
        return tuple(self.value(item, v, f"{key}[{i}]") for i, v in enumerate(found))

    def _path(self, text: str, key: str) -> str:
        """Give the path in full: `~` is the user's home."""
        try:
            return str(self.folder / Path(text).expanduser())
        except RuntimeError:
            raise ConfigError(key, f"no such home directory, is {text!r}") from None


def read_toml(text: str, where: str) -> Table:
    """Give the tables of a TOML text; `where` is its name for messages."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError("", f"{where}: nested too deeply") from None
    except ValueError as error:  # a number of 5,000 digits is no TOMLDecodeError
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        reason = str(error)[: place.start()] if place else str(error)
        column = f" (column {place[2]})" if place else ""
        problem = f"{where}, line {line}: {reason}{column}"
        raise ConfigError("", problem) from None


def patch_of(orders: Iterable[str], fixed: Iterable[str]) -> Table:
    """Give the table that orders like "ring.slots=64" describe.

    Args:
        orders: Each a key and its value, TOML if it can be read so, else text.
        fixed: Names that an order may not set, nor bear inside its value.
    """
    patch: Table = {}
    for order in orders:
        key, equals, text = order.partition("=")
        *path, last = names = key.strip().split(".")
        if not equals or not all(re.fullmatch(r"[\w-]+", name) for name in names):
            raise ConfigError(key, f"must be written key=value, is {show(order)}")
        value = _toml_value(text.strip())
        _refuse_fixed([dict.fromkeys(names), value], key, frozenset(fixed))
        table = patch
        for name in path:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(key, f"{name} is given a value of its own as well")
        table[last] = value
    return patch


def _toml_value(text: str) -> Value:
    try:
        tables = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return tables["value"] if tables.keys() == {"value"} else text


def _refuse_fixed(found: object, key: str, fixed: frozenset[str]) -> None:
    """Raise if a table, however deep, names what only the file may set."""
    if isinstance(found, list):
        for item in found:
            _refuse_fixed(item, key, fixed)
    if isinstance(found, dict):
        for name, inner in found.items():
            if name in fixed:
                raise ConfigError(key, f"{name} may be set in the file alone")
            _refuse_fixed(inner, key, fixed)


def as_table(found: object, key: str) -> Table:
    """Give `found` if it is a table."""
    if not isinstance(found, dict):
        raise ConfigError(key, f"must be a table, is {show(found)}")
    return found


def join(key: str, name: str) -> str:
    """Give the full key of `name` in the table `key`."""
    return f"{key}.{name}" if key else name


def refuse_later(section: type[Section], name: str, found: object, key: str) -> None:
    """Raise if a later version brings this key, or this value of it."""
    values = section.LATER.get(name)
    if values == ():
        raise ConfigError(key, "not yet: a later version brings this key")
    if values and found in values:
        raise ConfigError(key, f"not yet: a later version brings {show(found)}")


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was meant, or what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def _meant(section: type[Section], name: str, known: Iterable[str]) -> str:
    """Say which key was meant; for a source also all that its kind has."""
    meant, tag = suggest(name, known), section.__struct_config__.tag
    if tag is None or not meant.endswith("?"):
        return meant
    return f"{meant} kind {tag} has {', '.join(sorted(known))}"


def show(found: object) -> str:
    """Give a value that was found, short, as TOML has it."""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, dict):
        return "a table"
    text = str(found) if isinstance(found, date | time) else repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."


_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
}
_NUMBERS: dict[object, tuple[type[int] | type[float], ...]] = {
    int: (int,),
    float: (int, float),
}


def _expected(kind: Kind, found: object) -> str:
    meta, bare = _meta(kind), _bare(kind)
    if meta.description:
        return meta.description
    if _origin(bare) is Literal:
        return " or ".join(", ".join(get_args(bare)).rsplit(", ", 1))
    if not isinstance(found, bool) and isinstance(found, _NUMBERS.get(bare, ())):
        return _bound(meta, found)
    return _WORDS.get(bare, "a table")


def _bound(meta: Meta, found: float) -> str:
    """Say which end of its range a number is past."""
    if not math.isfinite(found):
        return "a finite number"
    if meta.gt is not None and found <= meta.gt:
        return f"more than {meta.gt}"
    if meta.ge is not None and found < meta.ge:
        return f"at least {meta.ge}"
    return f"at most {meta.le}"


def _size(found: object, key: str) -> int:
    if type(found) is int and found == 0:
        return 0
    if not isinstance(found, str):
        raise ConfigError(key, f"must be {SIZE_EXAMPLE}, is {show(found)}")
    try:
        return parse_size(found)
    except ValueError as error:
        raise ConfigError(key, str(error)) from None


def _without_none(kind: Kind) -> Kind:
    if _origin(kind) not in (Union, UnionType):
        return kind
    kinds = [k for k in get_args(kind) if k is not NoneType]
    return kinds[0] if len(kinds) == 1 else kind


def _meta(kind: Kind) -> Meta:
    """Give the limits that an annotation bears, at best none."""
    (meta,) = getattr(kind, "__metadata__", (Meta(),))
    return meta


def _bare(kind: Kind) -> Kind:
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def _origin(kind: Kind) -> object:
    return get_origin(kind)
