"""What a later version brings is refused as such, and not as unknown."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from imagemp.config.section import Section
from imagemp.config.tables import Tables
from imagemp.errors import ConfigError


class Lamp(Section, frozen=True, kw_only=True):
    """A section that is not finished."""

    LATER: ClassVar = {"dim": (), "colour": ("blue",)}

    colour: str = "white"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"dim": 0}, "lamp.dim: not yet: a later version brings this key"),
        ({"colour": "blue"}, "lamp.colour: not yet: a later version brings 'blue'"),
    ],
)
def test_what_nothing_obeys_yet_is_refused_as_not_yet(
    table: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        Tables(Path()).read(Lamp, table, "lamp")

    assert str(refused.value) == said


def test_what_is_there_already_is_taken() -> None:
    assert Tables(Path()).read(Lamp, {"colour": "red"}, "lamp").colour == "red"
