"""The fields of a msgspec struct as a table: types, defaults and limits in words."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from imagemp.config import format_size

from .markdown import code, table, told_by

HEADER = ("", "type", "default", "limits", "meaning")
SIMPLE = {
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.StrType: "text",
    inspect.BytesType: "bytes",
    inspect.BoolType: "true or false",
    inspect.AnyType: "anything",
    inspect.DictType: "table",
    inspect.StructType: "table",
}


def fields(
    struct: type[msgspec.Struct], but: Collection[str] = (), required: str = "-"
) -> Iterator[str]:
    """Give the table of its fields.

    Args:
        struct: Its docstring's Attributes say what they mean.
        but: Leave these out.
        required: What stands for the default of one that has none.
    """
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    meanings = _meanings(struct)
    rows = (
        (
            code(field.encode_name),
            kind_of(field.type),
            _default(field, required),
            limits_of(field.type),
            meanings.get(field.name, ""),
        )
        for field in info.fields
        if field.name not in but
    )
    yield from table(HEADER, rows)


def kind_of(kind: inspect.Type) -> str:
    """Say what a value is."""
    if isinstance(kind, inspect.Metadata):
        described = (kind.extra_json_schema or {}).get("description")
        return str(described or kind_of(kind.type))
    if isinstance(kind, inspect.UnionType):
        return " or ".join(dict.fromkeys(kind_of(one) for one in _known(kind)))
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(code(value) for value in kind.values)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return f"list: {kind_of(kind.item_type)}"
    return SIMPLE[type(kind)]


def limits_of(kind: inspect.Type) -> str:
    """Say what a value must keep to; nothing where its kind says it already."""
    if isinstance(kind, inspect.Metadata):
        return limits_of(kind.type)
    if isinstance(kind, inspect.UnionType):
        return "; ".join(told for one in _known(kind) if (told := limits_of(one)))
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _range(kind)
    if isinstance(kind, inspect.StrType):
        return _length(kind.min_length, kind.max_length, "characters")
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        own = _length(kind.min_length, kind.max_length, "of them")
        return ", each ".join(t for t in (own, limits_of(kind.item_type)) if t)
    return ""


def _known(union: inspect.UnionType) -> list[inspect.Type]:
    return [one for one in union.types if not isinstance(one, inspect.NoneType)]


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    least = "" if kind.ge is None else _number(kind.ge)
    if kind.gt is not None:
        least = f"above {_number(kind.gt)}"
    most = "" if kind.le is None else _number(kind.le)
    if least and most:
        return f"{least} to {most}"
    return f"at least {least}" if least else most


def _number(value: float) -> str:
    return f"{int(value) if value == int(value) else value:,}"


def _length(least: int | None, most: int | None, what: str) -> str:
    if least and most:
        return f"{least} {what}" if least == most else f"{least} to {most} {what}"
    if least and least > 1:
        return f"at least {least} {what}"
    return f"at most {most:,} {what}" if most else ""


def _default(field: inspect.Field, required: str) -> str:
    if field.required:
        return required
    if field.default_factory is not msgspec.NODEFAULT:
        return _made_by(field.default_factory)
    value = field.default
    if value is None or value == "":
        return "none"
    if isinstance(value, msgspec.Struct):
        return "its defaults"
    if _extra(field.type).get("text") == "size":
        return code(f'"{format_size(value)}"')
    return code(msgspec.json.encode(value).decode())


def _made_by(factory: Callable[[], Any]) -> str:
    if isinstance(factory, type):
        made = factory()
        return "its defaults" if isinstance(made, msgspec.Struct) else code(made)
    return told_by(factory).summary.removeprefix("Give ").rstrip(".")


def _extra(kind: inspect.Type) -> dict[str, Any]:
    return (kind.extra or {}) if isinstance(kind, inspect.Metadata) else {}


def _meanings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Give what the docstrings of a struct and its bases say of the fields."""
    found: dict[str, str] = {}
    for one in reversed(struct.__mro__):
        found |= told_by(one).sections.get("Attributes", {})
    return found
