"""The wire as a page: methods, what they take, error codes, topics."""

from collections.abc import Iterator

import msgspec

from imagemp import counts, messages, topics
from imagemp.codes import CODES
from imagemp.ctl.exits import BY_CODE, Exit

from . import markdown
from .markdown import code, table, told_by
from .structs import fields

STRUCTS: dict[str, type[msgspec.Struct]] = {
    "A request": messages.Request,
    "A reply": messages.Reply,
    "The error of a reply": messages.Problem,
    "What every telemetry message begins with": topics.Envelope,
    "`counts` of a report": counts.Counts,
    "`counts.encoders`": counts.EncoderCounts,
    "`counts.callbacks`": counts.CallbackCounts,
    "`output` of a callback": counts.OutputCounts,
}
TOPICS = {
    topics.STATE: "The state of everything.",
    topics.metrics_topic("PIPELINE"): told_by(topics.metrics_topic).summary,
    topics.event_topic("PIPELINE"): told_by(topics.event_topic).summary,
    topics.callback_topic("PIPELINE", "NAME"): told_by(topics.callback_topic).summary,
    topics.HEARTBEAT: "The daemon lives.",
}


def page() -> str:
    """Give the page."""
    about = (
        "How they are sent, what is answered: [../protocol.md](../protocol.md).\n"
        "None: the field is not there. `methods.describe` gives it as JSON Schema."
    )
    methods = (_method(name) for name in messages.METHODS)
    structs = (_struct(title, struct) for title, struct in STRUCTS.items())
    parts = [_heading(), *methods, _codes(), _topics(), *structs]
    return markdown.page("Messages of the protocol", about, parts)


def _heading() -> Iterator[str]:
    yield "## Methods"
    yield ""
    yield "Those marked * may be asked twice without harm."


def _method(name: str) -> Iterator[str]:
    params = messages.METHODS[name]
    yield f"### {name}{' *' if name in messages.REPEATABLE else ''}"
    yield ""
    yield told_by(params).summary
    if params.__struct_fields__:
        yield ""
        yield from fields(params)


def _codes() -> Iterator[str]:
    yield "## Codes"
    yield ""
    rows = (
        (code(name), str(int(BY_CODE.get(name, Exit.ERROR))), meaning)
        for name, meaning in CODES.items()
    )
    yield from table(("code", "exit code of imagectl", "meaning"), rows)


def _topics() -> Iterator[str]:
    yield "## Topics"
    yield ""
    rows = ((code(name), meaning) for name, meaning in TOPICS.items())
    yield from table(("topic", "holds"), rows)


def _struct(title: str, struct: type[msgspec.Struct]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield told_by(struct).summary
    yield ""
    yield from fields(struct)
