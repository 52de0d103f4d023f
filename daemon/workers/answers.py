"""What the gateway answers by itself, without asking the supervisor."""

import platform
from collections.abc import Callable
from importlib import metadata
from typing import Any

import msgspec
import zmq

from imagemp import codes, messages
from imagemp.errors import ConfigError
from imagemp.topics import Envelope


def version(_params: messages.Version, _config: str) -> dict[str, Any]:
    """Say which versions are at work here."""
    return {
        "imagemp": metadata.version("imagempd"),
        "protocol": messages.VERSION,
        "python": platform.python_version(),
        "pyzmq": zmq.__version__,
        "libzmq": zmq.zmq_version(),
        "msgspec": msgspec.__version__,
    }


def describe(_params: messages.Describe, _config: str) -> dict[str, Any]:
    """Give the JSON Schema of requests, replies and every method's parameters."""
    kinds = [messages.Request, messages.Reply, Envelope]
    schemas, components = msgspec.json.schema_components(
        [*kinds, *messages.METHODS.values()], ref_template="#/$defs/{name}"
    )
    request, reply, envelope, *params = schemas
    return {
        "request": request,
        "reply": reply,
        "telemetry": envelope,
        "methods": dict(zip(messages.METHODS, params, strict=True)),
        "codes": codes.CODES,
        "$defs": components,
    }


def check_config(params: messages.ConfigCheck, config: str) -> dict[str, Any]:
    """Check the text given, or else the daemon's own file."""
    from imagemp.config import check, load, parse

    try:
        read = load(config) if params.text is None else parse(params.text)
        findings = msgspec.to_builtins(check(read))
    except ConfigError as error:
        found = {"level": "error", "key": error.key, "message": str(error)}
        findings = [{**found, "hint": error.hint}]
    return {"findings": findings}


OWN_ANSWERS: dict[str, Callable[[Any, str], dict[str, Any]]] = {
    "version": version,
    "methods.describe": describe,
    "config.check": check_config,
}
"""By method: takes its parameters and the path of the daemon's configuration."""
