"""A configuration file, or its text, becomes a `Config`.

TOML becomes frozen Structs once, at the border; whoever holds a `Config` need
check nothing. They are plain data: JSON can carry them to a worker.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigError
from .rules import (
    check_callbacks,
    check_compression,
    check_devices,
    check_names,
    check_overlay,
    check_quota,
    check_schedule,
    check_shape,
    check_triggers,
    check_video,
)
from .sections import (
    CallbackConfig,
    Config,
    EncoderConfig,
    PipelineConfig,
)
from .sources import KINDS, ClassSource, SourceConfig
from .tables import Part, Table, Tables, as_table, join
from .values import Name, SourceKind
from .wording import show, suggest

Named = TypeVar("Named", EncoderConfig, CallbackConfig)


def load(path: str | os.PathLike[str]) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: It cannot be read, or says something impossible.
    """
    try:
        text = Path(path).read_bytes().decode()
    except OSError as error:
        raise ConfigError("", f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError("", f"{path}: is not UTF-8 text: {error}") from error
    return parse(text, where=str(path), folder=Path(path).absolute().parent)


def parse(
    toml: str | Table, where: str = "the configuration", folder: Path | None = None
) -> Config:
    """Check a configuration that has been read.

    Args:
        toml: The text, or the tables in it.
        where: What messages call it.
        folder: Where relative paths start; None: the current folder.

    Raises:
        ConfigError: It says something impossible.
    """
    table = read_toml(toml, where) if isinstance(toml, str) else toml
    reader = ConfigTables(folder or Path.cwd())
    try:
        config = reader.config(table)
        check_devices(config)
    except ConfigError as error:
        error.hint = error.hint or f"see {where}"
        raise
    return config


def read_toml(text: str, where: str) -> Table:
    """Give the tables of a TOML text; `where` is its name for messages.

    Raises:
        ConfigError: It is no TOML.
    """
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


class ConfigTables(Tables):
    """Knows which table is which section; a `base` has what a table leaves out."""

    def config(self, table: object) -> Config:
        """Read the whole file."""
        return self.read(Config, table, "", None, {"pipelines": self.pipelines})

    def pipelines(
        self, found: object, key: str, _: object
    ) -> dict[str, PipelineConfig]:
        """Read all pipelines, by name."""
        table = as_table(found, key)
        for name in table:
            self.value(Name, name, join(key, name))
        return {n: self.pipeline(t, join(key, n), None) for n, t in table.items()}

    def pipeline(
        self, found: object, key: str, base: PipelineConfig | None
    ) -> PipelineConfig:
        """Read one pipeline, and check what its keys say together."""
        parts: dict[str, Part] = {
            "source": self.source,
            "encoder": self.encoders,
            "callbacks": self.callbacks,
        }
        pipeline = self.read(PipelineConfig, found, key, base, parts)
        check_shape(pipeline.source, f"{key}.source")
        check_schedule(pipeline.schedule, f"{key}.schedule")
        check_overlay(pipeline, key)
        check_names(pipeline, key)
        check_callbacks(pipeline, key)
        check_compression(pipeline, key)
        check_video(pipeline, key)
        check_quota(pipeline, key)
        check_triggers(pipeline, key)
        return pipeline

    def source(
        self, found: object, key: str, base: SourceConfig | None
    ) -> SourceConfig:
        """Read a source as its kind wants it; the kind of a `base` stays."""
        table = dict(as_table(found, key))
        kind = base.kind if base else table.pop("kind", None)
        for name, section in KINDS.items():
            if kind == name:
                return self.read(section, table, key, base)
        if kind is None:
            raise ConfigError(f"{key}.kind", "must be given, is missing")
        own: Table = {"target": self.value(SourceKind, kind, f"{key}.kind")}
        if "scale" in table:
            own["scale"] = table.pop("scale")
        return self.read(ClassSource, {**own, "options": table}, key, base)

    def encoders(
        self, found: object, key: str, base: tuple[EncoderConfig, ...] | None
    ) -> tuple[EncoderConfig, ...]:
        """Read the table of one encoder, or an array of several.

        Over a `base`, a table holds keys of its only encoder, or of some by name.
        """
        if isinstance(found, list):
            keys = [item_key(key, i, table) for i, table in enumerate(found)]
            both = zip(found, keys, strict=True)
            return tuple(self.read(EncoderConfig, t, full) for t, full in both)
        if base is not None and len(base) > 1:
            return self.some(EncoderConfig, found, key, base)
        return (self.read(EncoderConfig, found, key, base[0] if base else None),)

    def callbacks(
        self, found: object, key: str, base: tuple[CallbackConfig, ...] | None
    ) -> tuple[CallbackConfig, ...]:
        """Read the array of callbacks; over a `base`, a table of some by name."""
        if isinstance(found, dict) and base is not None:
            return self.some(CallbackConfig, found, key, base)
        if not isinstance(found, list):
            raise ConfigError(key, f"must be an array of tables, is {show(found)}")
        return tuple(
            self.read(CallbackConfig, table, item_key(key, i, table))
            for i, table in enumerate(found)
        )

    def some(
        self, section: type[Named], found: object, key: str, base: tuple[Named, ...]
    ) -> tuple[Named, ...]:
        """Give all sections of `base`, those named in the table changed."""
        by_name = {one.name: one for one in base}
        for name, table in as_table(found, key).items():
            full = join(key, name)
            if name not in by_name:
                what = key.rpartition(".")[2].rstrip("s")
                raise ConfigError(full, f"unknown {what}; {suggest(name, by_name)}")
            by_name[name] = self.read(section, table, full, by_name[name])
        return tuple(by_name.values())


def item_key(key: str, place: int, table: object) -> str:
    """Give the key of one table of an array, by its name if it has one."""
    name = table.get("name") if isinstance(table, dict) else None
    return join(key, name) if isinstance(name, str) and name else f"{key}[{place}]"
