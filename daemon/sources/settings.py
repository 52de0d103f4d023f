"""A source's settings, checked: its table becomes a frozen Struct."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from imagemp.errors import SourceError

Count = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Scale = Annotated[float, msgspec.Meta(gt=0, le=100)]

Settings = TypeVar("Settings", bound=msgspec.Struct)


def read_settings(kind: type[Settings], table: Mapping[str, Any]) -> Settings:
    """Give the table as this Struct; keys that it has no field for are ignored.

    Raises:
        SourceError: A value is missing, or has the wrong type or range.
    """
    given = {key: value for key, value in table.items() if value is not None}
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$.")
        key = f"source.{where.rstrip('`')}" if where else "source"
        raise SourceError(f"{key}: {problem}") from error
