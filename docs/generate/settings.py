"""The configuration as a page: every section and kind, its keys and their limits."""

from collections.abc import Iterator

import msgspec

from imagemp.config import (
    CallbackConfig,
    ClassSource,
    DaemonConfig,
    EncoderConfig,
    OverlayConfig,
    PipelineConfig,
    RingConfig,
    ScheduleConfig,
    Section,
    SourceConfig,
    TelemetryConfig,
)
from imagemp.config.sources import KINDS

from . import markdown
from .markdown import told_by
from .structs import fields

SECTIONS: dict[str, type[Section]] = {
    "[daemon]": DaemonConfig,
    "[telemetry]": TelemetryConfig,
    "[pipelines.NAME]": PipelineConfig,
    "[pipelines.NAME.source]": SourceConfig,
    **{f'kind = "{kind}"': source for kind, source in KINDS.items()},
    'kind = "my_lab.camera:Camera"': ClassSource,
    "[pipelines.NAME.schedule]": ScheduleConfig,
    "[pipelines.NAME.overlay]": OverlayConfig,
    "[pipelines.NAME.ring]": RingConfig,
    "[pipelines.NAME.encoder]": EncoderConfig,
    "[[pipelines.NAME.callbacks]]": CallbackConfig,
}
OF_A_CLASS = ("target", "options")  # its kind, and all keys that are not known


def page() -> str:
    """Give the page."""
    about = (
        "What each key is for, with units and examples: "
        "[../configuration.md](../configuration.md).\nNone: the key is not there."
    )
    parts = (_section(title, struct) for title, struct in SECTIONS.items())
    return markdown.page("Keys of the configuration", about, parts)


def _section(title: str, struct: type[Section]) -> Iterator[str]:
    told = told_by(struct)
    yield f"## {title}"
    yield ""
    yield told.summary
    is_kind = struct is not SourceConfig and issubclass(struct, SourceConfig)
    but = {"scale", *OF_A_CLASS} if is_kind else set[str]()
    if len(msgspec.structs.fields(struct)) > len(but) or not is_kind:
        yield ""
    yield from fields(struct, but, "must be given")
