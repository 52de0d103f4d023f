"""Configurations to begin with, and the words that one is refused with."""

import re
from pathlib import Path

import pytest

from imagemp.config import parse
from imagemp.errors import ConfigError

EXAMPLE = (Path(__file__).parents[2] / "etc/imagemp.toml").read_text()
ONLY_ONE_OF = ("times_s", "intervals_s", "file", "generator", "trigger", "input")
SOURCE = '[pipelines.cam0.source]\nkind = "synthetic"\n'
CALLBACK = (
    '[[pipelines.cam0.callbacks]]\nname = "motion"\ntarget = "lab.motion:Motion"\n'
)


def refusal(text: str) -> str:
    """Give the message that this configuration is refused with."""
    with pytest.raises(ConfigError) as refused:
        parse(text)
    return str(refused.value)


def refusal_in_pipeline(lines: str) -> str:
    """Give the message for lines of a pipeline that is fine otherwise."""
    return refusal(f'[pipelines.cam0]\nsource.kind = "synthetic"\n{lines}')


def example(pipeline: str) -> str:
    """Give one pipeline of the example, its comments turned into settings."""
    tables = re.split(r"^(?=\[)", uncommented(), flags=re.M)
    ours = rf"\[\[?pipelines\.{pipeline}\b"
    return "".join(table for table in tables if re.match(ours, table))


def uncommented() -> str:
    """Give the example with its comments turned into settings."""
    lines = [re.sub(r"^# (?=\[|\w+ = )", "", line) for line in EXAMPLE.splitlines()]
    return "\n".join(line for line in lines if not line.startswith(ONLY_ONE_OF))
