"""What every table of the configuration is."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration.

    Attributes:
        LATER: Keys that are still to come, or values of theirs, if any stand there.
    """

    LATER: ClassVar[Mapping[str, tuple[str, ...]]] = {}
