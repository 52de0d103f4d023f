"""The configuration: `load` a file, `check` it against this machine.

- `sections`: every key, its type, range and default
- `values`: the types, and sizes as text
- `loading`: a file or a text to a `Config`
- `overrides`: keys set for one session
- `rules`: what keys may not say together
- `tables`, `wording`: any TOML table to its Struct, and the words of a refusal
- `checking`, `machine`, `cgroup`: what will not work here, and what is here

Knows no numpy.
"""

from .checking import check
from .loading import load, parse
from .machine import Finding, Memory
from .overrides import with_overrides
from .section import Section
from .sections import (
    CallbackConfig,
    Config,
    DaemonConfig,
    EncoderConfig,
    OverlayConfig,
    PipelineConfig,
    RingConfig,
    ScheduleConfig,
    TelemetryConfig,
    default_data_dir,
)
from .sources import (
    ClassSource,
    FileSource,
    OpencvSource,
    PiSource,
    Source,
    SourceConfig,
    StereoSource,
    SyntheticSource,
)
from .values import format_size, parse_size

__all__ = [
    "CallbackConfig",
    "ClassSource",
    "Config",
    "DaemonConfig",
    "EncoderConfig",
    "FileSource",
    "Finding",
    "Memory",
    "OpencvSource",
    "OverlayConfig",
    "PiSource",
    "PipelineConfig",
    "RingConfig",
    "ScheduleConfig",
    "Section",
    "Source",
    "SourceConfig",
    "StereoSource",
    "SyntheticSource",
    "TelemetryConfig",
    "check",
    "default_data_dir",
    "format_size",
    "load",
    "parse",
    "parse_size",
    "with_overrides",
]
