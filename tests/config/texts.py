"""Configurations to begin with, and the words that one is refused with."""

import pytest

from imagemp.config import parse
from imagemp.errors import ConfigError

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
