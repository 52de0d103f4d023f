"""Keys set for one session, `imagectl start -o key=value`."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ..errors import ConfigError
from .loading import ConfigTables
from .sections import Config
from .tables import Table, Value
from .wording import show, suggest

FIXED = frozenset(
    {
        *("kind", "target", "path", "file", "device", "camera", "cameras"),
        *("data_dir", "overflow_dir", "generator", "autostart"),
        *("quota", "quota_action"),  # they can delete recordings
    }
)
"""Names that an order may not set, nor bear inside its value: code and places."""


def with_overrides(
    config: Config, pipelines: Sequence[str], orders: Iterable[str]
) -> Config:
    """Give `config` with keys of some pipelines set, as `start -o` does.

    Args:
        config: Stays as it is.
        pipelines: Names; none: all.
        orders: "ring.slots=64", "callbacks.motion.policy=every": the key within
            the pipeline and a TOML value, or else text.

    Raises:
        ConfigError: One cannot be obeyed; the message names its key.
    """
    patch = patch_of(orders)
    reader = ConfigTables(Path("/"))  # an order can set no path
    changed = dict(config.pipelines)
    for name in pipelines or config.pipelines:
        if name not in config.pipelines:
            known = suggest(name, config.pipelines)
            raise ConfigError(f"pipelines.{name}", f"unknown pipeline; {known}")
        changed[name] = reader.pipeline(patch, f"pipelines.{name}", changed[name])
    return msgspec.structs.replace(config, pipelines=changed)


def patch_of(orders: Iterable[str]) -> Table:
    """Give the table that orders like "ring.slots=64" describe.

    Args:
        orders: Each a key and its value, TOML if it can be read so, else text.
    """
    patch: Table = {}
    for order in orders:
        key, equals, text = order.partition("=")
        names = key.strip().split(".")
        if not equals or not all(re.fullmatch(r"[\w-]+", name) for name in names):
            raise ConfigError(key, f"must be written key=value, is {show(order)}")
        value = _toml_value(text.strip())
        _refuse_fixed([dict.fromkeys(names), value], key)
        _put(patch, names, value, key)
    return patch


def _put(patch: Table, names: list[str], value: Value, key: str) -> None:
    """Set a value as deep in the tables as its key has names."""
    table = patch
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(key, f"{name} is given a value of its own as well")
    table[names[-1]] = value


def _toml_value(text: str) -> Value:
    """Read the value of an order; one that smuggles in a second key is text."""
    try:
        tables = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return tables["value"] if tables.keys() == {"value"} else text


def _refuse_fixed(found: object, key: str) -> None:
    """Raise if a table, however deep, names what only the file may set."""
    if isinstance(found, list):
        for item in found:
            _refuse_fixed(item, key)
    if isinstance(found, dict):
        for name, inner in found.items():
            if name in FIXED:
                raise ConfigError(key, f"{name} may be set in the file alone")
            _refuse_fixed(inner, key)
