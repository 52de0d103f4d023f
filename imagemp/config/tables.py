"""TOML tables to Structs, where every refusal names its key.

A refusal, always a `ConfigError`, says which key, what was found and what was
expected, by the annotations of the Structs (`msgspec.Meta`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from ..errors import ConfigError
from .section import Section
from .values import SIZE_EXAMPLE, Kind, bare, limits, origin, parse_size, without_none
from .wording import expected, meant, show

Table = dict[str, Any]
Value = Any
"""What TOML has, or what a field of a Struct has."""
Part = Callable[[object, str, Any], Any]
"""Reads one key by hand: its value, its full key, what a base has there."""

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
        fields = {f.encode_name: f for f in msgspec.structs.fields(section)}
        values = {} if base is None else msgspec.structs.asdict(base)
        for name, found in as_table(table, key).items():
            full = join(key, name)
            if name not in fields:
                raise ConfigError(full, f"unknown key; {meant(section, name, fields)}")
            part = (parts or {}).get(name) or self._part(fields[name].type)
            own = fields[name].name
            values[own] = part(found, full, values.get(own))
        for name, field in fields.items():
            if field.required and field.name not in values:
                raise ConfigError(join(key, name), "must be given, is missing")
        return section(**values)

    def value(self, kind: Kind, found: object, key: str) -> Value:
        """Give the value of one key as its annotation wants it."""
        kind = without_none(kind)
        if origin(bare(kind)) is tuple:
            return self._items(kind, found, key)
        form = (limits(kind).extra or {}).get("text")
        if form == "size":
            return _size(found, key)
        try:
            value = msgspec.convert(found, kind)
        except msgspec.ValidationError:
            wanted = expected(kind, found)
            raise ConfigError(key, f"must be {wanted}, is {show(found)}") from None
        is_path = form == "path" or (form == "target" and ".py:" in value)
        return self._path(value, key) if is_path else value

    def _part(self, kind: Kind) -> Part:
        """Give what reads a field of this annotation."""
        kind = without_none(kind)
        if isinstance(kind, type) and issubclass(kind, Section):
            return lambda found, key, base: self.read(kind, found, key, base)
        if origin(kind) is dict:
            return lambda found, key, base: {**(base or {}), **as_table(found, key)}
        return lambda found, key, _: self.value(kind, found, key)

    def _items(self, kind: Kind, found: object, key: str) -> tuple[Any, ...]:
        least, most = limits(kind).min_length, limits(kind).max_length
        least = 1 if least is None else least
        if not isinstance(found, list) or (least and not found):
            raise ConfigError(key, f"must be a list of values, is {show(found)}")
        if not least <= len(found) <= (len(found) if most is None else most):
            few = f"{least} items" if least == most else f"{least} to {most} items"
            few = few if least > 1 else f"at most {most} items"
            raise ConfigError(key, f"must have {few}, has {len(found)}")
        item = get_args(bare(kind))[0]
        return tuple(self.value(item, v, f"{key}[{i}]") for i, v in enumerate(found))

    def _path(self, text: str, key: str) -> str:
        """Give the path in full: `~` is the user's home."""
        try:
            return str(self.folder / Path(text).expanduser())
        except RuntimeError:
            raise ConfigError(key, f"no such home directory, is {text!r}") from None


def as_table(found: object, key: str) -> Table:
    """Give `found` if it is a table."""
    if not isinstance(found, dict):
        raise ConfigError(key, f"must be a table, is {show(found)}")
    return found


def join(key: str, name: str) -> str:
    """Give the full key of `name` in the table `key`."""
    return f"{key}.{name}" if key else name


def _size(found: object, key: str) -> int:
    if type(found) is int and found == 0:
        return 0
    if not isinstance(found, str):
        raise ConfigError(key, f"must be {SIZE_EXAMPLE}, is {show(found)}")
    try:
        return parse_size(found)
    except ValueError as error:
        raise ConfigError(key, str(error)) from None
